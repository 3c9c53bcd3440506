"""`evalium demo`: an examination day against the running service, over real HTTP and WebSocket.

Nothing here reaches into the service: what staff, candidates and the proctor do goes through the API that everybody
else uses. At the end the proctor's events are compared with the ledger, one by one and in order.
"""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import httpx2
from rich.console import Console
from rich.live import Live

from server import demo_people, demo_screen
from server.demo_client import Client, DemoFailed
from server.demo_people import Candidate, Proctor

OWN_POOL: Final = Path(__file__).parent / "demo_pool.json"
IMPORT_CHUNK: Final = 100
PASS_SHARE: Final = 26 / 35
"""What the amateur radio examinations ask for: 26 of 35."""

GRACE: Final = 12
"""Seconds of a time limit that do not shrink with the speed of the day: a machine answers no faster than it can."""

PATIENCE: Final = 180.0
"""Seconds after the last candidate in which everything has to be told and settled."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played: which pool (a JSON list), how many people, which seed, how many times faster than life."""

    pool: Path | None
    candidates: int
    seed: int
    speed: float


@dataclass(frozen=True, slots=True)
class Examination:
    """What was issued: how many items each paper has, and how many points pass."""

    assignment_id: str
    items: int
    pass_at: int
    candidates: Sequence[Candidate]


def play(base: str, tokens: Mapping[str, str], plan: Plan) -> bool:
    """Play the day; `tokens` holds one access token per demonstration role. True when stream and ledger agree."""
    return asyncio.run(_play(base, tokens, plan))


async def _play(base: str, tokens: Mapping[str, str], plan: Plan) -> bool:
    console = Console(highlight=False)
    async with httpx2.AsyncClient(timeout=60) as http:
        staff = {role: Client(base, http, token) for role, token in tokens.items()}
        rows = _read_pool(plan.pool or OWN_POOL)
        examination = await _prepare(console, staff, rows, plan)
        monitor = await staff["proctor"].ask("AssignmentMonitor", {"id": examination.assignment_id})
        proctor = Proctor(base, tokens["proctor"], examination.assignment_id, monitor["monitor"]["cursor"])
        await _sit(console, base, examination, proctor, _keys(rows), plan)
        agreed = await _compare(console, staff["proctor"], examination, proctor)
        await _scores(console, staff["assessor"], examination)
    return agreed


def _read_pool(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DemoFailed(f"The pool {path} cannot be read: {error}.", hint="Give a JSON list of questions.") from error
    if not isinstance(rows, list) or not rows:
        raise DemoFailed(f"The pool {path} is not a list of questions.", hint="See server/demo_pool.json.")
    return cast("list[dict[str, Any]]", rows)


def _keys(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Map each question to its right answer: what a candidate who knows it would choose."""
    return {row["question"]: row["answers"][row["correct"]] for row in rows}


async def _prepare(
    console: Console,
    staff: Mapping[str, Client],
    rows: Sequence[dict[str, Any]],
    plan: Plan,
) -> Examination:
    prefix = rows[0]["id"][:1]
    groups = {row["id"][:3] for row in rows}
    await _import(console, staff["author"], rows)
    items, run = len(groups), random.SystemRandom().randrange(10**6)
    pass_at = round(items * PASS_SHARE)
    created = await staff["author"].do(
        "EvaluationCreate",
        {
            "name": f"Examination day {run:06}",
            "title": "Examination",
            "instructions": "One question of each group. Answer them in any order.",
            "passMark": {"points": str(pass_at)},
            "sections": [
                {
                    "title": "Questions",
                    "drawPerGroup": True,
                    "shuffleItems": True,
                    "shuffleOptions": True,
                    "selector": {"referencePrefix": prefix, "points": "1"},
                },
            ],
        },
    )
    published = await staff["author"].do("EvaluationPublish", {"id": created["evaluation"]["id"]})
    console.print(f"Published an evaluation: {items} questions a paper, {pass_at} to pass.")
    issued = await staff["manager"].do(
        "AssignmentIssue",
        {
            "evaluationVersionId": published["version"]["id"],
            "recipients": [{"email": f"candidate{n:03}@demo.example"} for n in range(1, plan.candidates + 1)],
            "timeLimitSeconds": int(GRACE + items * demo_people.THINKING * 2.2 / plan.speed),
        },
    )
    invited = [(f"candidate{n:03}@demo.example", row["invitationToken"]) for n, row in enumerate(issued["results"], 1)]
    console.print(f"Issued it to {len(invited)} people.")
    people = demo_people.candidates(invited, plan.seed)
    return Examination(issued["assignment"]["id"], items, pass_at, people)


async def _import(console: Console, author: Client, rows: Sequence[dict[str, Any]]) -> None:
    told: dict[str, int] = {}
    for start in range(0, len(rows), IMPORT_CHUNK):
        entries = [
            {
                "id": row["id"],
                "question": row["question"],
                "answers": row["answers"],
                "correct": row["correct"],
                "refs": row.get("refs", ""),
                "figure": row.get("figure", ""),
            }
            for row in rows[start : start + IMPORT_CHUNK]
        ]
        answer = await author.do("QuestionPoolImport", {"entries": entries, "publish": True})
        for result in answer["results"]:
            told[result["status"]] = told.get(result["status"], 0) + 1
    console.print("Imported the pool: " + ", ".join(f"{n} {status.lower()}" for status, n in told.items()) + ".")


async def _sit(
    console: Console,
    base: str,
    examination: Examination,
    proctor: Proctor,
    keys: dict[str, str],
    plan: Plan,
) -> None:
    watching = asyncio.create_task(proctor.watch())
    sitting = [asyncio.create_task(person.sit(base, keys, plan.speed)) for person in examination.candidates]
    day = asyncio.gather(*sitting)
    present = len(sitting) - 1
    cut_every = max(1, present * examination.items // 5)
    with Live(console=console, refresh_per_second=4, transient=True) as screen:
        waited = 0.0
        while not (day.done() and _settled(proctor, present)) and waited < PATIENCE:
            await asyncio.sleep(0.25)
            waited = waited + 0.25 if day.done() else 0.0
            screen.update(demo_screen.room(proctor, len(sitting), examination.items))
            if len(proctor.received) >= (proctor.cuts + 1) * cut_every:
                proctor.cut()
            if watching.done() or (day.done() and day.exception() is not None):
                break
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await day
    console.print(demo_screen.room(proctor, len(sitting), examination.items, rows=0))


def _settled(proctor: Proctor, present: int) -> bool:
    over = [row for row in proctor.rows.values() if row["displayStatus"] in ("SUBMITTED", "EXPIRED", "TERMINATED")]
    return len(over) == present


async def _compare(console: Console, client: Client, examination: Examination, proctor: Proctor) -> bool:
    ledger: list[tuple[str, int]] = []
    after: str | None = None
    while True:
        variables = {"assignmentId": examination.assignment_id, "after": after, "first": 200}
        page = await client.ask("AssignmentEvents", variables)
        ledger += [(event["session"]["id"], event["seq"]) for event in page["events"]]
        after = page["cursor"]
        if not page["events"]:
            break
    received = proctor.received
    duplicates = len(received) - len(set(received))
    missing = len(set(ledger) - set(received))
    agreed = received == ledger
    console.print(
        f"Ledger: {len(ledger)} events. Proctor received: {len(received)} over {proctor.cuts} cuts; "
        f"{missing} missing, {duplicates} twice, order {'kept' if agreed else 'NOT kept'}.",
        style="bold green" if agreed else "bold red",
        soft_wrap=True,  # one line, also for a script that reads it
    )
    return agreed


async def _scores(console: Console, assessor: Client, examination: Examination) -> None:
    points: list[int] = []
    after: str | None = None
    while True:
        variables = {"filter": {"assignmentId": examination.assignment_id}, "first": 100, "after": after}
        page = await assessor.ask("Submissions", variables)
        points += [int(float(node["latestScore"]["points"])) for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    demo_screen.distribution(console, points, examination.items, examination.pass_at)
