"""Twenty assessors on one queue whose leases are short, while API processes are killed under them.

Nobody knows of the others. What each was told, the marks, the drafts, the events and the scores must agree: every item
has its final mark once, from whoever had the review in hand then, and no draft that was acknowledged is gone.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import httpx2
import orjson

from bench import chaos_site
from bench.chaos_people import until_told
from bench.chaos_site import Site
from schema.nodes import global_id
from server import database
from server.driver import connected
from server.settings import Settings, signing_key
from server.viewer import access_token
from services import demonstration, identity
from services.demonstration import Persona
from services.tokens import Tokens
from services.viewer import Viewer
from services.work import Office, Work

PROCESSES: Final = 3
LEASE: Final = 2
"""Seconds of a lease."""

DAWDLES: Final = 0.06
"""Share of the items over which an assessor falls asleep, and loses the review if somebody else wants one."""

FIRST_KILL: Final = 0.5
KILL_EVERY: Final = (3.0, 8.0)
BESIDE: Final = 16
WORTH: Final = 10


@dataclass
class Told:
    """What the assessors were told."""

    finals: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """How often an item's mark was acknowledged as final, by task and item; the same request again counts once."""

    drafts: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    """The newest acknowledged revision of each draft, by task, item and assessor."""

    revisions: int = 0
    drifts: int = 0
    claims: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trial has found; everything but the first four should be 0."""

    seconds: float
    kills: int
    claims: int
    drifts: int
    unfinished: int
    twice: int
    unheld: int
    fences: int
    lost: int
    scores: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not any((self.unfinished, self.twice, self.unheld, self.fences, self.lost, self.scores))


async def trial(count: int, papers: int, seed: int = 1, every: tuple[float, float] = KILL_EVERY) -> Outcome:
    """Let so many assessors judge so many papers of two essays each, and compare."""
    chance = random.Random(seed)  # noqa: S311 - a trial, and repeatable
    async with chaos_site.built(PROCESSES, redis=False) as site, httpx2.AsyncClient(timeout=30) as http:
        assignment = await _handed_in(site, http, chance, papers)
        people = await assessors(site, count)
        told, began, over = Told(), time.monotonic(), asyncio.Event()
        killing = asyncio.create_task(_kill(site, chance, over, every))
        at_work = [
            _assess(site, http, who, assignment, told, random.Random(seed * 1000 + n))  # noqa: S311 - as above
            for n, who in enumerate(people)
        ]
        await asyncio.gather(*at_work)
        over.set()
        await killing
        await site.ready()
        seconds = time.monotonic() - began
        async with connected(site.cluster.dsn(database=database.DATABASE)) as admin:
            return await _compared(admin, told, papers, seconds, sum(site.kills.values()))


async def _kill(site: Site, chance: random.Random, over: asyncio.Event, every: tuple[float, float]) -> None:
    patience = FIRST_KILL
    while not over.is_set():
        try:
            await asyncio.wait_for(over.wait(), patience)
        except TimeoutError:
            await site.kill_api(chance)
        patience = chance.uniform(*every)


async def _handed_in(site: Site, http: httpx2.AsyncClient, chance: random.Random, papers: int) -> str:
    """Publish two essays, and let so many people hand them in; returns the assignment."""
    admin = site.client(http, site.tokens["admin"], chance)
    items: list[dict[str, Any]] = []
    for n in range(2):
        given = {"reference": f"R{n}-{uuid4().hex[:8]}", "stem": "Why?", "body": {"essay": {"maxWords": 300}}}
        made = await admin.do("QuestionCreate", given)
        shown = await admin.do("QuestionPublish", {"id": made["question"]["id"]})
        items.append({"questionVersionId": shown["version"]["id"], "points": str(WORTH)})
    sections = [{"title": "All", "items": items}]
    created = await admin.do(
        "EvaluationCreate", {"title": "Essays", "passMark": {"percent": "50"}, "sections": sections}
    )
    evaluation = created["evaluation"]["id"]
    rules = {"evaluationId": evaluation, "rules": {"leaseSeconds": LEASE}, "reason": "A trial."}
    await admin.do("ReviewPolicySet", rules)
    version = (await admin.do("EvaluationPublish", {"id": evaluation}))["version"]["id"]
    recipients = [{"email": f"{uuid4().hex}@chaos.example"} for _ in range(papers)]
    issued = await admin.do("AssignmentIssue", {"evaluationVersionId": version, "recipients": recipients})
    gate = asyncio.Semaphore(BESIDE)

    async def sit(invitation: str) -> None:
        async with gate:
            candidate = site.client(http, await admin.redeem(invitation, uuid4().hex), chance)
            started = await candidate.do("SessionStart", {})
            for item in started["session"]["paper"]["items"]:
                response = {"itemId": item["id"], "revision": 1, "response": {"text": "Because."}}
                await candidate.do("AnswerSave", response)
            await candidate.do("SessionSubmit", {})

    await asyncio.gather(*[sit(row["invitationToken"]) for row in issued["results"]])
    return issued["assignment"]["id"]


async def assessors(site: Site, count: int) -> list[tuple[str, str]]:
    """Add assessors to the demonstration tenant; returns each one's id in the database and access token."""
    office = Office(database.address_in(site.cluster, database.DATABASE).app, ring=lambda _topics: None, pool_size=2)
    tokens = Tokens(signing_key(Settings.model_validate({"EVALIUM_DATA": site.folder})))
    try:
        like = await demonstration.persona(office, "demo", "assessor")

        async def add(work: Work) -> list[Persona]:
            found: list[Persona] = []
            for n in range(count):
                user = await identity.add_staff(
                    work,
                    email=f"assessor-{n}@chaos.example",
                    display_name=f"Assessor {n}",
                    org_unit_id=like.org_unit_id,
                    role_id=like.role_ids[0],
                    reason="A trial.",
                )
                found.append(Persona(like.tenant_id, like.org_unit_id, user, f"Assessor {n}", like.role_ids))
            return found

        people = await office.perform(Viewer.system(like.tenant_id, name="trial"), add)
    finally:
        await office.close()
    return [(str(one.user_id), access_token(tokens, one, datetime.now(UTC))) for one in people]


async def _assess(
    site: Site, http: httpx2.AsyncClient, who: tuple[str, str], assignment: str, told: Told, dice: random.Random
) -> None:
    """Claim the next review and judge it, until none waits any more."""
    person, token = who

    async def send(name: str, given: dict[str, Any]) -> Any:
        """Send one request under one key until it is answered, by whichever process lives."""
        keyed = {"input": {**given, "idempotencyKey": str(uuid4())}}

        async def once() -> Any:
            return await site.client(http, token, dice).ask(name, keyed)

        return await until_told(once)

    while True:
        claimed = await send("ReviewClaimNext", {"filter": {"assignmentId": assignment}})
        if claimed["task"] is None:
            if await _is_over(site, http, dice, assignment):
                return
            await asyncio.sleep(0.2)
            continue
        told.claims += 1
        task, fence = claimed["task"]["id"], claimed["fence"]

        async def look() -> Any:
            return await site.client(http, token, dice).ask("ReviewTask", {"id": task})  # noqa: B023 - asked at once

        for item in (await until_told(look))["items"]:
            if not item["grades"] and not await _judge(
                send, {"taskId": task, "itemId": item["item"]["id"], "fence": fence}, person, told, dice
            ):
                break


async def _judge(send: Any, place: dict[str, Any], person: str, told: Told, dice: random.Random) -> bool:
    """Draft and finalise one item; false when the review is in other hands by now."""
    where = (place["taskId"], place["itemId"])
    told.revisions += 1
    revision = told.revisions
    points = str(dice.randint(0, WORTH))
    drafted = await send("GradeDraftSave", {**place, "revision": revision, "points": points, "comment": "So far."})
    if drafted["draft"] is not None:
        told.drafts[*where, person] = max(revision, told.drafts.get((*where, person), 0))
    if drafted["problems"]:
        told.drifts += 1
        return False
    if dice.random() < DAWDLES:
        await asyncio.sleep(LEASE * 1.2)
    done = await send("GradeFinalise", {**place, "points": points, "rationale": "As it is."})
    if done["problems"]:
        told.drifts += 1
        return False
    told.finals[where] += 1
    return True


async def _is_over(site: Site, http: httpx2.AsyncClient, dice: random.Random, assignment: str) -> bool:
    wanted = {"filter": {"assignmentId": assignment, "state": ["AWAITING_REVIEW", "IN_PROGRESS"]}, "first": 1}

    async def look() -> Any:
        return await site.client(http, site.tokens["admin"], dice).ask("ReviewTasks", wanted)

    return not (await until_told(look))["nodes"]


async def _compared(admin: Any, told: Told, papers: int, seconds: float, kills: int) -> Outcome:
    tasks = await admin.fetch("select id, state from review_tasks")
    marks = await admin.fetch("select task_id, submission_item_id, marker_id, fence from review_marks")
    drafts = await admin.fetch("select task_id, submission_item_id, marker_id, revision from review_drafts")
    events = await admin.fetch("select task_id, kind, actor_id, payload from review_events order by task_id, xid, id")
    scores = await admin.fetch(
        "select count(*) filter (where cause = 'graded') as graded from submission_score_versions "
        "group by submission_id"
    )
    marked = Counter(
        (_gid("ReviewTask", row["task_id"]), _gid("SubmissionItem", row["submission_item_id"])) for row in marks
    )
    unheld, fences = _checked(events)
    kept = {
        (
            _gid("ReviewTask", row["task_id"]),
            _gid("SubmissionItem", row["submission_item_id"]),
            str(row["marker_id"]),
        ): row["revision"]
        for row in drafts
    }
    return Outcome(
        seconds,
        kills,
        told.claims,
        told.drifts,
        sum(row["state"] != "finalised" for row in tasks) + abs(papers - len(tasks)) + abs(2 * papers - len(marks)),
        sum(count != 1 for count in (marked | told.finals).values()) + len(set(told.finals) ^ set(marked)),
        unheld,
        fences,
        sum(kept.get(where, -1) < revision for where, revision in told.drafts.items()),
        sum(row["graded"] != 1 for row in scores) + abs(papers - len(scores)),
    )


def _gid(kind: str, uuid: Any) -> str:
    return str(global_id(kind, uuid))


def _checked(events: Sequence[Any]) -> tuple[int, int]:
    """Count marks by somebody who did not have the review in hand, and claims whose fence did not grow."""
    unheld = fences = 0
    by_task: dict[Any, list[Any]] = defaultdict(list)
    for row in events:
        by_task[row["task_id"]].append(row)
    for rows in by_task.values():
        holder, newest = None, 0
        for row in rows:
            if row["kind"] == "claimed":
                fence = orjson.loads(row["payload"])["fence"]
                fences += fence <= newest
                holder, newest = row["actor_id"], fence
            elif row["kind"] == "item_finalised":
                unheld += row["actor_id"] != holder
    return unheld, fences
