"""An evaluation with every kind of question, whose keys carry marks that are found again wherever they leak."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.walks import story
from tests.walks.conftest import Live

MARK = "MARKER-KEY"


def options(letter: str, count: int) -> list[dict[str, str]]:
    """Options whose ids are found in a text by counting, and whose texts tell nothing."""
    return [{"id": f"{letter}{n}-{uuid4().hex[:10]}", "text": f"Option {letter}{n}"} for n in range(count)]


def bodies() -> list[dict[str, Any]]:
    """One body of each kind, and one of each rule of partial credit."""
    single, multiple = options("s", 4), [options(letter, 4) for letter in "mno"]
    left, right, order = options("l", 8), options("r", 8), options("z", 8)
    pairs = [{"left": one["id"], "right": other["id"]} for one, other in zip(left, right, strict=True)]
    rules = ("ALL_OR_NOTHING", "PROPORTIONAL_MINUS_WRONG", "PER_OPTION")
    chosen = [
        {"multipleChoice": {"options": o, "correct": [o[0]["id"], o[2]["id"]], "rule": rule}}
        for o, rule in zip(multiple, rules, strict=True)
    ]
    matched = [
        {"matching": {"left": left, "right": right, "pairs": pairs, "rule": rule}}
        for rule in ("ALL_OR_NOTHING", "PER_PAIR")
    ]
    ordered = [
        {"ordering": {"items": order, "rule": rule}} for rule in ("ALL_OR_NOTHING", "PER_POSITION", "ADJACENT_PAIRS")
    ]
    found = [
        {"singleChoice": {"options": single, "correct": single[1]["id"]}},
        *chosen,
        {"trueFalse": {"correct": True}},
        {"numeric": {"value": "271828.1828", "tolerance": "0.00314159", "unit": "m"}},
        {"shortText": {"accepted": [f"{MARK} accepted", f"{MARK} also accepted"], "case": "EXACT"}},
        *matched,
        *ordered,
        {"essay": {"maxWords": 100}},
        {"fileUpload": {"maxFiles": 2}},
    ]
    for one in found:
        for part in one.values():
            part["explanation"] = f"{MARK} *explanation*"
    return found


@dataclass
class Marked:
    """The published evaluation version and the staff's view of its keys by question version."""

    version_id: str
    keys: list[dict[str, Any]] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)


async def publish(live: Live) -> Marked:
    """Author and publish it, through the API."""
    mark = uuid4().hex[:8]
    items, keys, ids = [], [], {}
    for number, body in enumerate(bodies(), 1):
        given = {"reference": f"K{number:02}{mark}", "stem": f"Question {number}?", "body": body}
        created = await live.do("QuestionCreate", given, role="author")
        done = await live.do("QuestionPublish", {"id": created["question"]["id"]}, role="author")
        items.append({"questionVersionId": done["version"]["id"], "points": "1.0625"})
        shown = await live.ask("Question", {"id": created["question"]["id"]}, role="author")
        keys.append(shown["question"]["latestVersion"])
        ids |= {"question": created["question"]["id"], "questionVersion": done["version"]["id"]}
    sections = [{"title": "All", "items": items, "shuffleOptions": True}]
    given = {"title": f"Marked {mark}", "passMark": {"points": "1"}, "sections": sections}
    created = await live.do("EvaluationCreate", given, role="author")
    published = await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author")
    ids |= {"evaluation": created["evaluation"]["id"], "evaluationVersion": published["version"]["id"]}
    return Marked(published["version"]["id"], keys, ids)


@dataclass
class Person:
    """A candidate of an assignment, and every string by which another one would be recognised."""

    email: str
    invitation: str
    token: str
    session_id: str
    marks: set[str]
    ids: dict[str, str]


async def pair(live: Live, version_id: str, mode: str) -> tuple[str, Person, Person]:
    """Issue to two people under a feedback mode; both have redeemed and neither has started."""
    emails = [f"marker-{name}-{uuid4().hex}@example.org" for name in ("one", "two")]
    given = {
        "evaluationVersionId": version_id,
        "recipients": [{"email": email} for email in emails],
        "feedbackMode": mode,
        "timeLimitSeconds": 3600,
    }
    issued = await live.do("AssignmentIssue", given, role="manager")
    people = []
    for email, row in zip(emails, issued["results"], strict=True):
        token = await story.redeem(live, row["invitationToken"])
        mine = (await live.ask("MySession", token=token))["mySession"]
        seen = (await live.ask("Session", {"id": mine["id"]}, role="admin"))["session"]
        ids = {
            "session": mine["id"],
            "candidate": seen["candidate"]["id"],
            "invitation": row["invitation"]["id"],
            "assignment": issued["assignment"]["id"],
        }
        marks = {email.partition("@")[0], mine["id"], seen["uuid"], ids["candidate"], ids["invitation"]}
        people.append(Person(email, row["invitationToken"], token, mine["id"], marks, ids))
    return issued["assignment"]["id"], *people


async def start(live: Live, person: Person) -> list[dict[str, Any]]:
    await live.do("SessionStart", {}, token=person.token)
    return (await live.ask("MySession", token=person.token))["mySession"]["paper"]["items"]


async def answer(live: Live, person: Person, item: dict[str, Any], response: dict[str, Any], revision: int = 1):
    given = {"itemId": item["id"], "revision": revision, "response": response}
    return await live.do("AnswerSave", given, token=person.token)
