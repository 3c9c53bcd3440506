"""A large cohort that has handed in: a few papers by the product's own API, and then copies of them."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2

from bench.chaos_site import Site
from bench.world import copy
from schema.nodes import local_id
from server import database
from server.demo_client import Client
from server.driver import connected

ITEMS: Final = 35
PAPERS: Final = 50
"""People whose papers differ; all others have copies of theirs."""

LABEL: Final = "Large"


@dataclass(frozen=True, slots=True)
class Cohort:
    """What was sat, its questions by their ids, and somebody who has not handed in."""

    version: str
    version_id: UUID
    questions: list[str]
    people: int
    late: str


async def filled(site: Site, http: httpx2.AsyncClient, people: int) -> Cohort:
    """Have so many people hand in, in multiples of `PAPERS`, answers of which most are right, and one more sit."""
    chance = random.Random(1)  # noqa: S311 - a measurement, and repeatable
    admin = site.client(http, site.tokens["admin"], chance)
    version, questions = await _published(admin)
    recipients = [{"email": f"{uuid4().hex}@bench.example"} for _ in range(PAPERS + 1)]
    terms = {"evaluationVersionId": version, "recipients": recipients, "runLabel": LABEL}
    issued = await admin.do("AssignmentIssue", terms)
    slots = asyncio.Semaphore(8)

    async def sit(number: int, row: Any) -> str:
        async with slots:
            token = await admin.redeem(row["invitationToken"], uuid4().hex)
            candidate = site.client(http, token, chance)
            await candidate.do("SessionStart", {})
            items = (await candidate.ask("MySession", {}))["paper"]["items"]
            if number < PAPERS:
                await candidate.do("AnswersSave", {"answers": [_answer(item, number, chance) for item in items]})
                await candidate.do("SessionSubmit", {})
            return token

    tokens = await asyncio.gather(*(sit(number, row) for number, row in enumerate(issued["results"])))
    async with connected(site.cluster.dsn(database=database.DATABASE)) as connection:
        for number in range(1, max(1, people // PAPERS)):
            await _copy(connection, number)
        await connection.execute("analyze")
    return Cohort(version, local_id("EvaluationVersion", version), questions, people // PAPERS * PAPERS, tokens[-1])


def _answer(item: Any, number: int, chance: random.Random) -> dict[str, Any]:
    """Answer one item: the abler somebody is and the easier the question, the likelier the right option."""
    options = [one["id"] for one in item["content"]["options"]]
    ability, ease = number / PAPERS, item["position"] / ITEMS
    choice = "a" if chance.random() < 0.25 + 0.4 * ability + 0.3 * ease else chance.choice(options)
    return {"itemId": item["id"], "revision": 1, "response": {"choice": choice}}


async def _published(admin: Client) -> tuple[str, list[str]]:
    options = [{"id": name, "text": f"Option {name}"} for name in "abcd"]
    questions: list[str] = []
    for number in range(ITEMS):
        body = {"singleChoice": {"options": options, "correct": "a"}}
        made = await admin.do(
            "QuestionCreate", {"reference": f"L{number}", "stem": f"Question {number}?", "body": body}
        )
        questions.append((await admin.do("QuestionPublish", {"id": made["question"]["id"]}))["version"]["id"])
    items = [{"questionVersionId": one, "points": "1"} for one in questions]
    given = {"title": "Large", "passMark": {"percent": "60"}, "sections": [{"title": "All", "items": items}]}
    created = await admin.do("EvaluationCreate", given)
    published = await admin.do("EvaluationPublish", {"id": created["evaluation"]["id"]})
    return str(published["version"]["id"]), questions


async def _copy(connection: Any, number: int) -> None:
    """Copy everything that the papers are made of once more."""
    sessions = f"assignment_id in (select id from assignments where run_label = '{LABEL}')"  # noqa: S608 - a literal
    originals = f"select session_id from submissions where {sessions} and content_hash not like 'copy%'"  # noqa: S608 - as above
    own = f"select user_id from delivery_sessions where id in ({originals})"  # noqa: S608 - as above
    papers = f"submission_id in (select id from submissions where session_id in ({originals}))"  # noqa: S608 - as above
    same = {"assignment_id": "t.assignment_id"}
    await copy(connection, "users", number, f"id in ({own})", {"email": f"'{number}' || t.email"})
    for table in ("assignment_targets", "invitations", "delivery_sessions"):
        await copy(connection, table, number, f"{sessions} and user_id in ({own})", same)
    marked = same | {"content_hash": "'copy' || t.content_hash"}
    await copy(connection, "submissions", number, f"session_id in ({originals})", marked)
    for table in ("submission_items", "submission_score_versions"):
        await copy(connection, table, number, papers)
