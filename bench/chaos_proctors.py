"""Two proctors at the same sessions at once, and handing in, expiry and terminate in a race for the same end.

Everybody has database connections of their own. What each was told, the timeline, the ledger and the state must agree.
"""

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none

from bench.chaos_jobs import VAULT, new_folder
from models.sessions import ReasonCategory
from server import database
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from services import sessions_acts, sessions_expiry
from services.refusals import Refusal
from services.sessions_acts import Target
from services.sessions_pause import Why
from services.work import Office, Work
from tests.factories import sessions as people
from tests.factories import tenants

SESSIONS: Final = 200
ROUNDS: Final = 8
"""Acts of each proctor on all sessions, before both terminate them."""

BESIDE: Final = 8
"""Races at the same time."""

WHY: Final = Why(ReasonCategory.OTHER, "A trial.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trial has found."""

    told: Counter[str]
    """How often a row was answered so: `done pause`, or the state of a drift."""

    illegal: int
    """Sessions whose timeline, ledger, submission and state do not agree, or with a transition that is not legal."""

    unaccounted: int
    """Acts that were told to be done, against those in the timelines."""

    seconds: float
    races: int
    ends: Counter[str]
    split: int
    """Races that ended more than once, or whose records disagree."""

    racing_seconds: float


class Trial:
    """A tenant with its candidates, and offices as of two API processes and of one whose clock is ahead."""

    def __init__(self, address: DatabaseAddress, admin: Any) -> None:
        self.offices = [Office(address.app, ring=lambda _topics: None, vault=VAULT, pool_size=8) for _ in range(3)]
        self.late = self.offices[2].shifted(timedelta(hours=2))
        self.admin = admin
        self.world: Any = None
        self.sitting: Any = None

    async def prepare(self) -> None:
        """Found the tenant, and publish something to sit."""
        self.world = await tenants.found(self.offices[0])
        self.sitting = await cast("Any", people).sitting(self.world)

    async def sat(self, count: int) -> list[Any]:
        """Let so many candidates sit down."""
        gate = asyncio.Semaphore(BESIDE)

        async def one() -> Any:
            async with gate:
                return await self.sitting.candidate()

        return list(await asyncio.gather(*[one() for _ in range(count)]))

    async def act(self, office: Office, do: Callable[..., Any], viewer: Any, ids: Sequence[UUID]) -> list[Any]:
        """Let a proctor act on sessions; returns the rows."""
        targets = [Target(str(one), one) for one in ids]

        async def unit(work: Work) -> Any:
            return await do(work, targets, WHY)

        return (await office.perform(viewer, unit))["rows"]

    async def traces(self, ids: Sequence[UUID]) -> list[Any]:
        """Return each session's state with the kinds of its events, the acts of its ledger, and its submissions."""
        return await self.admin.fetch(
            "select s.state, s.paused_at, s.version,"
            " array(select e.kind from session_events e where e.session_id = s.id order by e.seq) as kinds,"
            " array(select a.act from activity a where a.subject_kind = 'session' and a.subject_id = s.id"
            " and a.act in ('session.paused', 'session.resumed', 'session.terminated') order by a.xid, a.id) as acts,"
            " array(select u.cause from submissions u where u.session_id = s.id) as causes"
            " from delivery_sessions s where s.id = any($1)",
            list(ids),
        )


async def proctors(stage: Trial, count: int) -> tuple[Counter[str], int, int, float]:
    """Let two proctors pause, resume and terminate the same sessions, each act in one request of all of them."""
    ids = [one.session_id for one in await stage.sat(count)]
    viewers = [await stage.world.staff("proctor") for _ in range(2)]
    told: Counter[str] = Counter()

    async def one(office: Office, viewer: Any, dice: random.Random) -> None:
        named = [dice.choice([sessions_acts.pause, sessions_acts.resume]) for _ in range(ROUNDS)]
        for do in [*named, sessions_acts.terminate]:
            for row in await stage.act(office, do, viewer, dice.sample(ids, k=len(ids))):
                problem = row["problem"]
                told[f"done {do.__name__}" if problem is None else f"drift {problem['facts']['current_state']}"] += 1

    began = time.monotonic()
    parts = [one(stage.offices[n], viewers[n], random.Random(n)) for n in range(2)]  # noqa: S311 - a trial
    await asyncio.gather(*parts)
    seconds = time.monotonic() - began
    rows = await stage.traces(ids)
    kinds = Counter(kind for row in rows for kind in row["kinds"])
    pairs = (("pause", "paused"), ("resume", "resumed"), ("terminate", "terminated"))
    unaccounted = sum(abs(told[f"done {act}"] - kinds[kind]) for act, kind in pairs)
    return told, sum(not _is_legal(row) for row in rows) + count - len(rows), unaccounted, seconds


def _is_legal(row: Any) -> bool:
    """Tell whether pauses and resumes take turns, the end is one, and everything agrees on it."""
    done = list(row["kinds"])[2:]
    turns = ["paused" if n % 2 == 0 else "resumed" for n in range(len(done) - 1)]
    agreed = list(row["acts"]) == [f"session.{kind}" for kind in done]
    ended = (row["state"], row["paused_at"], list(row["causes"])) == ("terminated", None, ["terminated"])
    return done == [*turns, "terminated"] and agreed and ended


async def races(stage: Trial, count: int) -> tuple[Counter[str], int, float]:
    """Let candidate, clock and proctor end the same session at the same instant, each over a connection of its own."""
    candidates = await stage.sat(count)
    viewer = await stage.world.staff("proctor")
    gate, dice = asyncio.Semaphore(BESIDE), random.Random(1)  # noqa: S311 - a trial

    async def race(candidate: Any) -> None:
        async def submit(work: Work) -> Any:
            return await sessions_expiry.submit(work, candidate.session_id)

        async def expire(work: Work) -> Any:
            return await sessions_expiry.expire(work, candidate.session_id)

        async with gate:
            racing = [
                stage.offices[0].perform(candidate.viewer.elevated(), submit),
                stage.late.perform(stage.world.system, expire),
                stage.act(stage.offices[1], sessions_acts.terminate, viewer, [candidate.session_id]),
            ]
            dice.shuffle(racing)
            for answer in await asyncio.gather(*racing, return_exceptions=True):
                if isinstance(answer, BaseException) and not isinstance(answer, Refusal):
                    raise answer

    began = time.monotonic()
    await asyncio.gather(*[race(candidate) for candidate in candidates])
    seconds = time.monotonic() - began
    rows = await stage.traces([one.session_id for one in candidates])
    return Counter(row["state"] for row in rows), sum(not _is_one(row) for row in rows) + count - len(rows), seconds


def _is_one(row: Any) -> bool:
    """Tell whether a session ended once: one event, one submission, and a ledger row where a person ended it."""
    state = row["state"]
    acts = ["session.terminated"] if state == "terminated" else []
    return list(row["kinds"]) == ["created", "started", state] and (list(row["acts"]), list(row["causes"])) == (
        acts,
        [state],
    )


async def trial(count: int) -> Outcome:
    """Run both on a database of its own, with so many races."""
    folder = new_folder()
    cluster = Cluster(folder / "data", fast=True)
    await asyncio.to_thread(cluster.start)
    try:
        address = await database.prepare_embedded(cluster, "chaos")
        await database.migrate(address)
        connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
        admin = await connect(address.admin_dsn)
        stage = Trial(address, admin)
        try:
            await stage.prepare()
            told, illegal, unaccounted, seconds = await proctors(stage, SESSIONS)
            ends, split, racing = await races(stage, count)
        finally:
            await admin.close()
            for office in stage.offices:
                await office.close()
        return Outcome(told, illegal, unaccounted, seconds, count, ends, split, racing)
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder)
