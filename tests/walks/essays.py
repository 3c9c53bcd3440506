"""Candidates who hand in essays: one judged by a rubric, one at discretion."""

from typing import Any
from uuid import uuid4

from tests.walks import story
from tests.walks.conftest import Live

RUBRIC = {
    "criteria": [
        {
            "id": "facts",
            "title": "Facts",
            "levels": [
                {"id": "none", "label": "None", "points": "0"},
                {"id": "some", "label": "Some", "points": "1"},
                {"id": "all", "label": "All", "points": "2"},
            ],
        },
        {
            "id": "style",
            "title": "Style",
            "levels": [{"id": "poor", "label": "Poor", "points": "0"}, {"id": "good", "label": "Good", "points": "2"}],
        },
    ]
}
BODIES = [{"essay": {"rubric": RUBRIC}}, {"essay": {"maxWords": 300}}]


async def publish(live: Live, **version: Any) -> str:
    """Publish an evaluation of two essays, each worth 10 points, of which 60 per cent pass; returns the version's id."""
    return (await _published(live, **version))["version"]["id"]


async def publish_under(live: Live, *, reason: str = "As the board says.", **rules: Any) -> str:
    """Publish such an evaluation whose reviews go by rules; returns the version's id."""
    made = await _published(live)
    given = {"evaluationId": made["evaluation"]["id"], "rules": rules, "reason": reason}
    await live.do("ReviewPolicySet", given, role="manager")
    return made["version"]["id"]


async def _published(live: Live, **version: Any) -> dict[str, Any]:
    items = []
    for n, body in enumerate(BODIES):
        given = {"reference": f"E{n}-{uuid4().hex[:8]}", "stem": "Why **so**?", "body": body}
        made = await live.do("QuestionCreate", given, role="author")
        shown = await live.do("QuestionPublish", {"id": made["question"]["id"]}, role="author")
        items.append({"questionVersionId": shown["version"]["id"], "points": "10"})
    sections = [{"title": "All", "items": items}]
    given = {"title": f"Essays {uuid4().hex[:8]}", "passMark": {"percent": "60"}, "sections": sections, **version}
    created = await live.do("EvaluationCreate", given, role="author")
    published = await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author")
    return {"evaluation": created["evaluation"], "version": published["version"]}


async def hand_in(live: Live, version_id: str, people: int, **terms: Any) -> tuple[str, list[str]]:
    """Let so many people hand in both essays; returns the assignment's id and their session tokens."""
    assignment, invitations = await story.issue(live, version_id, people, **terms)
    tokens = []
    for n, invitation in enumerate(invitations):
        sitting = await story.sit_down(live, invitation)
        for item in sitting.items:
            answer = {"itemId": item["id"], "revision": 1, "response": {"text": f"Because **{n}** is <b>so</b>."}}
            await live.do("AnswerSave", answer, token=sitting.token)
        await live.do("SessionSubmit", {}, token=sitting.token)
        tokens.append(sitting.token)
    return assignment, tokens


async def queue(live: Live, assignment: str, *, role: str = "assessor", **wanted: Any) -> list[dict[str, Any]]:
    """The queue of one assignment, what is due first in front."""
    found = await live.ask("ReviewTasks", {"filter": {"assignmentId": assignment, **wanted}}, role=role)
    return found["reviewTasks"]["nodes"]


async def items(live: Live, task: str, *, role: str = "assessor", token: str | None = None) -> list[dict[str, Any]]:
    """What there is to judge in a review."""
    who = {"role": role} if token is None else {"token": token}
    return (await live.ask("ReviewTask", {"id": task}, **who))["reviewTask"]["items"]


async def mark(live: Live, token: str, task: str, *points: str, comment: str = "") -> dict[str, Any]:
    """Claim a review and make both marks final; returns the review as it is then."""
    claimed = await live.do("ReviewClaim", {"id": task}, token=token)
    for item, given in zip(await items(live, task, token=token), points, strict=True):
        levels = [{"criterion": "facts", "level": given}, {"criterion": "style", "level": "good"}]
        worth = {"levels": levels} if item["rubric"] else {"points": given}
        place = {"taskId": task, "itemId": item["item"]["id"], "fence": claimed["fence"]}
        done = await live.do(
            "GradeFinalise", {**place, **worth, "comment": comment, "rationale": f"It is {given}."}, token=token
        )
    return done["task"]
