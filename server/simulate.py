"""`evalium simulate`: candidates and proctors as many as wanted, against a running service, over HTTP and WebSocket.

It is for whoever sizes a machine: it prints how long each operation took, how late events came to proctors, what was
refused, and whether at the end every proctor saw what the service holds. Everything that it makes ends by itself:
tokens and assignments live little longer than the run.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from server.setup_errors import SetupError
from server.simulate_candidates import Candidate, Hours
from server.simulate_proctors import Proctor
from server.simulate_report import Report
from server.simulate_tally import Shares, Tally
from server.simulate_views import View, verified
from server.simulate_wire import Refused, Wire
from services.demonstration import Persona
from services.simulate import DOMAIN, Staff
from services.tokens import Tokens, TokenType

ROOM: Final = 100
"""Candidates of one assignment."""

WATCHED: Final = 3
"""Assignments that a proctor watches, where there are as many."""

SEATED_AT_ONCE: Final = 4
QUESTIONS: Final = 12
ARRIVING: Final = 0.25
"""Share of the time over which candidates come."""

MARGIN: Final = timedelta(minutes=30)
"""How long tokens and assignments live after the time in which candidates work."""

PREFIX: Final = "SIMULATION-"


class SimulationFailed(SetupError):  # noqa: N818 - named for what is wrong
    """The simulation cannot begin: the service refused something that it should have done, or does not answer."""

    hint = "Does the service run at this address, of this version, and on the database that this command was given?"


class NotForTesting(SetupError):  # noqa: N818 - named for what is wrong
    """A simulation leaves people, assignments and submissions behind, so it wants a tenant that is for testing."""

    hint = "Add --for-testing when this tenant holds nothing of real people."


@dataclass(frozen=True, slots=True)
class Plan:
    """How many people for how many seconds, how many items are answered in a second by all of them, and the seed.

    `follows` is the share of candidates whose page keeps a stream of its own session open.
    """

    sessions: int
    proctors: int
    seconds: float
    rate: float
    seed: int
    follows: float

    @property
    def thinking(self) -> float:
        """Seconds for which a candidate thinks about an item, on average."""
        return self.sessions / self.rate


@dataclass(frozen=True, slots=True)
class Bearers:
    """The tokens of the staff."""

    author: str
    manager: str
    proctors: Sequence[str]


def bearers(tokens: Tokens, staff: Staff, seconds: float) -> Bearers:
    """Mint a token for everybody of the staff, good for the length of a run and half an hour."""
    now = datetime.now(UTC)

    def of(one: Persona) -> str:
        return tokens.mint(
            TokenType.ACCESS,
            one.user_id,
            one.tenant_id,
            org_unit_id=one.org_unit_id,
            now=now,
            expires_at=now + timedelta(seconds=seconds) + MARGIN,
            role_ids=one.role_ids,
            name=one.name,
        )

    return Bearers(of(staff.author), of(staff.manager), [of(one) for one in staff.proctors])


async def run(plan: Plan, bases: Sequence[str], staff: Bearers, say: Callable[[str], None]) -> Report:
    """Simulate against the addresses of one installation, and report."""
    tally = Tally()
    label = f"simulation-{plan.seed}-{uuid4().hex[:6]}"
    async with Wire(bases, tally, plan.seed) as wire:
        if not await wire.is_answered():
            raise SimulationFailed(f"Nothing answers at {', '.join(bases)}.")
        rooms = await _prepared(wire, staff, plan, label)
        say(f"Issued {len(rooms)} assignments to {plan.sessions} people, run label {label}.")
        try:
            return await _simulated(wire, plan, staff, rooms, label)
        finally:
            for assignment in rooms:
                with contextlib.suppress(Refused):  # it is counted, and the assignment's window closes it anyway
                    await wire.do(
                        "AssignmentClose", {"id": assignment, "reason": "The simulation is over."}, staff.manager
                    )


async def _simulated(wire: Wire, plan: Plan, staff: Bearers, rooms: dict[str, list[str]], label: str) -> Report:
    proctors = [_proctor(wire, plan, number, token, list(rooms)) for number, token in enumerate(staff.proctors)]
    await _seated(proctors)
    opens = monotonic()
    hours = Hours(opens, plan.seconds * ARRIVING, opens + plan.seconds, plan.thinking)
    invitations = [one for room in rooms.values() for one in room]
    candidates = [_candidate(wire, plan, number, one) for number, one in enumerate(invitations)]
    async with _at_work([proctor.watch() for proctor in proctors]):
        async with _at_work([wire.tally.look_at_oneself(), *(proctor.look_around() for proctor in proctors)]):
            await asyncio.gather(*(candidate.sit(hours) for candidate in candidates))
        took = monotonic() - opens
        views = [view for proctor in proctors for view in proctor.views]
        verdict = await verified(wire, staff.manager, list(rooms), views)
    timelines = [timeline for proctor in proctors for timeline in proctor.timelines]
    tally = wire.tally
    return Report(
        label=label,
        seconds=took,
        operations={name: Shares.of(times) for name, times in sorted(tally.times.items())},
        errors={name: dict(codes) for name, codes in sorted(tally.errors.items())},
        gave_up=[one.gave_up for one in candidates if one.gave_up is not None],
        delay=Shares.of(tally.delays),
        late=Shares.of(tally.late),
        frames=tally.frames,
        cuts=tally.cuts,
        verdict=verdict,
        timelines=len(timelines),
        amiss=sum(timeline.missing + timeline.twice for timeline in timelines),
    )


async def _seated(proctors: Sequence[Proctor]) -> None:
    """Let proctors read their tables, a few at a time, before anybody begins."""
    doors = asyncio.Semaphore(SEATED_AT_ONCE)

    async def seat(proctor: Proctor) -> None:
        async with doors:
            await proctor.read()

    try:
        await asyncio.gather(*(seat(proctor) for proctor in proctors))
    except Refused as refused:
        raise SimulationFailed(f"{refused.operation} was answered with {refused.code}.") from refused


def _proctor(wire: Wire, plan: Plan, number: int, token: str, assignments: Sequence[str]) -> Proctor:
    chance = random.Random(f"{plan.seed}/proctor/{number}")  # noqa: S311 - a play, and repeatable
    watched = [assignments[(number + n) % len(assignments)] for n in range(min(WATCHED, len(assignments)))]
    return Proctor(wire, token, [View(one, wire.tally) for one in watched], chance)


def _candidate(wire: Wire, plan: Plan, number: int, invitation: str) -> Candidate:
    chance = random.Random(f"{plan.seed}/candidate/{number}")  # noqa: S311 - a play, and repeatable
    return Candidate(wire, invitation, chance, follows=chance.random() < plan.follows)


@contextlib.asynccontextmanager
async def _at_work(work: Sequence[Coroutine[Any, Any, None]]) -> AsyncGenerator[None, None]:
    """Keep people at work for the length of the block; one who ends by a defect ends the simulation with it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        yield
        for task in tasks:
            task.cancel()


async def _prepared(wire: Wire, staff: Bearers, plan: Plan, label: str) -> dict[str, list[str]]:
    """Publish a paper and issue it, a hundred people to an assignment; return the invitations of each."""
    try:
        version = await _published(wire, staff.author, label)
        rooms: dict[str, list[str]] = {}
        for first in range(0, plan.sessions, ROOM):
            people = range(first, min(first + ROOM, plan.sessions))
            issued = await wire.do("AssignmentIssue", _terms(plan, version, label, people), staff.manager)
            rooms[issued["assignment"]["id"]] = [row["invitationToken"] for row in issued["results"]]
    except Refused as refused:
        raise SimulationFailed(f"{refused.operation} was answered with {refused.code}.") from refused
    return rooms


async def _published(wire: Wire, author: str, label: str) -> str:
    entries = [
        {"id": f"{PREFIX}{n:02}", "question": f"Simulated question {n}?", "answers": ["a", "b", "c"], "correct": n % 3}
        for n in range(1, QUESTIONS + 1)
    ]
    await wire.do("QuestionPoolImport", {"entries": entries, "publish": True}, author)
    section = {"title": "All", "selector": {"referencePrefix": PREFIX}, "shuffleItems": True, "shuffleOptions": True}
    given = {"name": label, "title": "Simulation", "passMark": {"points": "6"}, "sections": [section]}
    created = await wire.do("EvaluationCreate", given, author)
    published = await wire.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, author)
    return str(published["version"]["id"])


def _terms(plan: Plan, version: str, label: str, people: Sequence[int]) -> dict[str, Any]:
    closes = datetime.now(UTC) + timedelta(seconds=plan.seconds) + MARGIN
    return {
        "evaluationVersionId": version,
        "name": f"Simulation, from {people[0] + 1}",
        "runLabel": label,
        "recipients": [{"email": f"candidate-{n + 1:05}@{DOMAIN}"} for n in people],
        "timeLimitSeconds": int(plan.seconds) + 600,
        "validUntil": closes.isoformat(),
    }
