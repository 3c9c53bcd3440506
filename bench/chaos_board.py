"""An examination board: a pool's questions with an essay beside them, judged by assessors who are known to disagree.

Each assessor has a severity of their own, planted beforehand, and some unsteadiness. The board's second opinions,
agreements and adjudications must follow from the marks by the rules, every score from both, and the statistics must put
the assessors in the order of what was planted.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import orjson

from bench import chaos_site
from bench.chaos_reviews import assessors
from bench.chaos_site import Site
from schema.nodes import global_id
from server import database
from server.demo_client import Client
from server.driver import connected

WORTH: Final = 10
PLANTED: Final = (-2, -1, 0, 0, 1, 2)
"""How many points each assessor gives more than the essay is worth."""

UNSTEADY: Final = 0.7
RULES: Final = {"secondNear": "5", "samplePercent": 10, "sampleAtLeast": 2, "tolerancePercent": "10"}
BOUNDARIES: Final = (Decimal(50), Decimal(90))
CHUNK: Final = 200
BESIDE: Final = 8


@dataclass(frozen=True, slots=True)
class Board:
    """What the trial has found."""

    seconds: float
    papers: int
    reasons: Counter[str]
    agreed: int
    adjudicated: int
    wrong: int
    """Submissions whose score does not follow from the automatic points and the marks, by the rules."""

    severities: Sequence[tuple[int, float]]
    """What was planted in each assessor, and the severity that the statistics tell, as a share of the points."""

    @property
    def is_ordered(self) -> bool:
        """Whether the statistics put the assessors in the order of what was planted; equals may stand either way."""
        return all(one[1] < other[1] for one in self.severities for other in self.severities if one[0] < other[0])


async def trial(pool: Path, people: int, seed: int = 1) -> Board:
    """Let so many people sit a paper of the pool, and the board judge."""
    chance = random.Random(seed)  # noqa: S311 - a trial, and repeatable
    rows = orjson.loads(await asyncio.to_thread(pool.read_bytes))
    async with chaos_site.built(1, redis=False) as site, httpx2.AsyncClient(timeout=60) as http:
        began = time.monotonic()
        admin = site.client(http, site.tokens["admin"], chance)
        version, assignment, invitations = await _issued(admin, rows, people)
        await _sat(admin, site, http, rows, invitations, chance)
        board = await assessors(site, len(PLANTED))
        biases = {person: bias for (person, _), bias in zip(board, PLANTED, strict=True)}
        judging = [_judge(admin, assignment, 0, random.Random(seed), states=["REQUIRES_ADJUDICATION"])]  # noqa: S311
        for n, (person, token) in enumerate(board):
            dice = random.Random(seed + n)  # noqa: S311 - as above
            judging.append(_judge(site.client(http, token, dice), assignment, biases[person], dice))
        await asyncio.gather(*judging)
        seconds = time.monotonic() - began
        told = await admin.ask("EvaluationStatistics", {"evaluationVersionId": version})
        async with connected(site.cluster.dsn(database=database.DATABASE)) as owner:
            return await _compared(owner, people, seconds, _severities(told, biases))


async def _issued(admin: Client, rows: Sequence[dict[str, Any]], people: int) -> tuple[str, str, list[str]]:
    """Publish one question of each group of the pool and an essay; returns version, assignment and invitations."""
    for start in range(0, len(rows), CHUNK):
        names = ("id", "question", "answers", "correct")
        entries = [{name: row[name] for name in names} for row in rows[start : start + CHUNK]]
        await admin.do("QuestionPoolImport", {"entries": entries, "publish": True})
    essay = {"reference": f"B-{uuid4().hex[:8]}", "stem": "Plan a station.", "body": {"essay": {"maxWords": 300}}}
    made = await admin.do("QuestionCreate", essay)
    shown = await admin.do("QuestionPublish", {"id": made["question"]["id"]})
    drawn = {"referencePrefix": rows[0]["id"][:1], "points": "1"}
    sections = [
        {"title": "Questions", "drawPerGroup": True, "shuffleOptions": True, "selector": drawn},
        {"title": "Essay", "items": [{"questionVersionId": shown["version"]["id"], "points": str(WORTH)}]},
    ]
    given = {"title": "General with an essay", "passMark": {"percent": "74"}, "sections": sections}
    evaluation = (await admin.do("EvaluationCreate", given))["evaluation"]["id"]
    rules = {**RULES, "boundaries": [str(one) for one in BOUNDARIES]}
    await admin.do("ReviewPolicySet", {"evaluationId": evaluation, "rules": rules, "reason": "The board's rules."})
    version = (await admin.do("EvaluationPublish", {"id": evaluation}))["version"]["id"]
    recipients = [{"email": f"{uuid4().hex}@board.example"} for _ in range(people)]
    issued = await admin.do("AssignmentIssue", {"evaluationVersionId": version, "recipients": recipients})
    return version, issued["assignment"]["id"], [row["invitationToken"] for row in issued["results"]]


async def _sat(
    admin: Client,
    site: Site,
    http: httpx2.AsyncClient,
    rows: Sequence[dict[str, Any]],
    invitations: Sequence[str],
    chance: random.Random,
) -> None:
    """Let everybody answer as well as they know, and write an essay that says what it is worth."""
    right = {row["question"]: row["answers"][row["correct"]] for row in rows}
    gate = asyncio.Semaphore(BESIDE)

    async def sit(invitation: str, knows: float) -> None:
        async with gate:
            candidate = site.client(http, await admin.redeem(invitation, uuid4().hex), chance)
            await candidate.do("SessionStart", {})
            answers: list[dict[str, Any]] = []
            for item in (await candidate.ask("MySession", {}))["paper"]["items"]:
                response: dict[str, str] = {"text": str(round(knows * WORTH))}
                if item["kind"] != "ESSAY":
                    options = item["content"]["options"]
                    known = chance.random() < knows
                    chosen = [one for one in options if (one["text"] == right[item["stem"]]) == known]
                    response = {"choice": chance.choice(chosen)["id"]}
                answers.append({"itemId": item["id"], "revision": 1, "response": response})
            await candidate.do("AnswersSave", {"answers": answers})
            await candidate.do("SessionSubmit", {})

    await asyncio.gather(*[sit(one, chance.uniform(0.5, 0.95)) for one in invitations])


async def _judge(
    client: Client, assignment: str, bias: int, dice: random.Random, states: list[str] | None = None
) -> None:
    """Claim the next essay and judge it with a severity, until the board has nothing left."""
    wanted = {"assignmentId": assignment} | ({} if states is None else {"state": states})
    while True:
        keyed = {"filter": wanted, "idempotencyKey": str(uuid4())}
        claimed = await client.ask("ReviewClaimNext", {"input": keyed})
        if claimed["task"] is None:
            listed = await client.ask(
                "ReviewTasks", {"filter": {"assignmentId": assignment, "state": OPEN}, "first": 1}
            )
            if not listed["nodes"]:
                return
            await asyncio.sleep(0.1)
            continue
        task = claimed["task"]["id"]
        (item,) = (await client.ask("ReviewTask", {"id": task}))["items"]
        worth = int(item["item"]["response"]["text"])
        points = worth + bias + (dice.gauss(0, UNSTEADY) if states is None else 0)
        given = {"taskId": task, "itemId": item["item"]["id"], "fence": claimed["fence"]}
        mark = f"{min(WORTH, max(0.0, points)):.1f}"
        await client.do("GradeFinalise", {**given, "points": mark, "rationale": f"{mark} of {WORTH}."})


OPEN: Final = ["AWAITING_REVIEW", "IN_PROGRESS", "REQUIRES_SECOND_OPINION", "REQUIRES_ADJUDICATION"]


def _severities(told: Any, biases: dict[str, int]) -> list[tuple[int, float]]:
    known = {str(global_id("User", UUID(person))): bias for person, bias in biases.items()}
    return [
        (known[one["marker"]["id"]], float(one["severity"]["value"]))
        for one in told["markers"]
        if one["marker"]["id"] in known and one["severity"]["value"] is not None
    ]


async def _compared(owner: Any, people: int, seconds: float, severities: list[tuple[int, float]]) -> Board:
    marks: dict[UUID, dict[str, Decimal]] = defaultdict(dict)
    for row in await owner.fetch("select task_id, role, points from review_marks"):
        marks[row["task_id"]][row["role"]] = row["points"]
    tasks = await owner.fetch(
        "select t.id, t.state, t.reasons::text, s.points, a.points as bare, s.outcome from review_tasks t "
        "join submissions u on u.id = t.submission_id "
        "join submission_score_versions a on a.submission_id = u.id and a.number = 1 "
        "join submission_score_versions s on s.submission_id = u.id and s.number = u.latest_score_version"
    )
    reasons = Counter(one for row in tasks for one in orjson.loads(row["reasons"]))
    wrong = abs(people - len(tasks)) + sum(
        row["state"] != "finalised" or row["points"] != row["bare"] + _settled(marks[row["id"]]) for row in tasks
    )
    seconds_ = [one for one in marks.values() if "second" in one]
    return Board(
        seconds,
        len(tasks),
        reasons,
        sum("adjudicator" not in one for one in seconds_),
        sum("adjudicator" in one for one in seconds_),
        wrong,
        sorted(severities),
    )


def _settled(marks: dict[str, Decimal]) -> Decimal:
    """Return the points that an essay must have come to, from its marks alone."""
    if "adjudicator" in marks:
        return marks["adjudicator"]
    if "second" in marks:
        return (marks["first"] + marks["second"]) / 2
    return marks["first"]
