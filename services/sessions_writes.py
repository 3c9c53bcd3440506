"""Writes of candidates who wait at the same time are committed together; each is answered after that commit.

While a batch is being written, those who arrive gather for the next: nobody waits on purpose. A batch holds acts of
one org unit of one tenant. Where enough of them wait, the next is written beside it, never with the same session:
while the database commits one, the other is decided. A batch that fails is done again act by act, so that an act can
spoil only itself.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from services.attention_rules import KnownRules
from services.idempotency import Answer, Request
from services.refusals import Refusal, Unauthenticated
from services.sessions_answers import Save, Saved, SaveMany
from services.sessions_batch import Act, Outcome, Papers, Silo, settle, variables
from services.sessions_connection import Beat, Pulse
from services.sessions_events import Report, Reported
from services.unit import Unit
from services.viewer import Viewer
from services.work import Office

LARGEST = 64
"""Acts in one transaction."""

MOST_EVENTS = 500
"""Events in one transaction, unless a single batch has more."""

IN_FLIGHT = 4
"""Most transactions of one org unit at the same time, each on a connection of its own."""

ENOUGH = 32
"""Events that must wait before another batch is written beside one: small batches cost more than they gain."""

MOST_TENANTS = 256
"""Tenants of whose papers anything is remembered."""


@dataclass(slots=True)
class _Waiting:
    act: Act
    answer: "asyncio.Future[Any]"

    def tell(self, outcome: Outcome) -> None:
        """Answer whoever waits, unless they have gone."""
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


@dataclass(slots=True)
class _Lane:
    """Who waits in an org unit, with how many events; how many batches are being written, and of which sessions."""

    waiting: deque[_Waiting] = field(default_factory=deque[_Waiting])
    events: int = 0
    running: int = 0
    busy: set[UUID] = field(default_factory=set[UUID])


class SessionWrites:
    """Takes the writes of all candidates of a process."""

    def __init__(self, office: Office, rules: KnownRules | None = None) -> None:
        self._office = office
        self._rules = rules or KnownRules(office)
        self._lanes: dict[Silo, _Lane] = {}
        self._papers: OrderedDict[UUID, Papers] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def save(
        self, viewer: Viewer, item_id: UUID, revision: int, response: Any, request: Request | None = None
    ) -> Saved:
        """Save one answer into the session of the viewer's token, as `Save` says; it is durable then."""
        silo, session_id = _place(viewer)
        return cast("Saved", await self._done(silo, Save(session_id, item_id, revision, response, request)))

    async def save_many(
        self, viewer: Viewer, answers: Sequence[tuple[UUID, int, Any]], request: Request | None = None
    ) -> list[Saved | Refusal]:
        """Save several answers, each an item, a revision and a response, as `SaveMany` says; they are durable then."""
        silo, session_id = _place(viewer)
        saves = [Save(session_id, *one) for one in answers]
        return cast("list[Saved | Refusal]", await self._done(silo, SaveMany(session_id, saves, request)))

    async def beat(self, viewer: Viewer, request: Request | None = None, *, with_revisions: bool = False) -> Pulse:
        """Note a heartbeat of the browser that the viewer's token is in, as `Beat` says."""
        silo, session_id = _place(viewer)
        return cast("Pulse", await self._done(silo, Beat(session_id, with_revisions, request)))

    async def report(
        self, viewer: Viewer, batch_id: str, events: Sequence[Reported], request: Request | None = None
    ) -> Answer:
        """Take a batch of telemetry into the session of the viewer's token, as `Report` says; it is durable then."""
        silo, session_id = _place(viewer)
        return cast("Answer", await self._done(silo, Report(session_id, batch_id, events, request)))

    async def _done(self, silo: Silo, act: Act) -> Any:
        waiting = _Waiting(act, asyncio.get_running_loop().create_future())
        lane = self._lanes.get(silo)
        if lane is None:
            lane = self._lanes[silo] = _Lane()
        lane.waiting.append(waiting)
        lane.events += _events(act)
        if not lane.running or (lane.events >= ENOUGH and lane.running < IN_FLIGHT):
            lane.running += 1
            self._start(self._run(silo, lane))
        return await waiting.answer

    def _start(self, work: Any) -> None:
        """Run beside the callers: what one of them does must not end what all of them wait for."""
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, silo: Silo, lane: _Lane) -> None:
        """Write batch after batch, until nobody waits whose session is free.

        Who waits for a session that is being written is taken by whoever writes it.
        """
        try:
            while batch := _next(lane):
                sessions = {one.act.session_id for one in batch}
                lane.busy |= sessions
                try:
                    await self._write(silo, batch)
                finally:
                    lane.busy -= sessions
        finally:
            lane.running -= 1
            if not lane.running:
                del self._lanes[silo]
                for one in lane.waiting:  # only where this was ended from outside, as at the end of the process
                    one.answer.cancel()

    async def _write(self, silo: Silo, batch: Sequence[_Waiting]) -> None:
        """Write one batch; what could not be done in it is done alone, and the next batch does not wait for that."""
        tried: list[Unit] = []
        try:
            outcomes = await self._settled(silo, [one.act for one in batch], tried, wait=False)
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked, or met again alone
            self._apart(silo, batch, error, unsure=bool(tried) and tried[-1].committing)
            return
        for one, outcome in zip(batch, outcomes, strict=True):
            if outcome is None:
                self._start(self._alone(silo, one))
            else:
                one.tell(outcome)

    def _apart(self, silo: Silo, batch: Sequence[_Waiting], error: Exception, *, unsure: bool) -> None:
        """Try each act alone after the batch failed; if it may be committed, only those that find their effect."""
        for one in batch:
            if len(batch) > 1 and (not unsure or _repeatable(one.act)):
                self._start(self._alone(silo, one))
            else:
                one.tell(error)

    async def _alone(self, silo: Silo, one: _Waiting) -> None:
        try:
            outcomes = await self._settled(silo, [one.act], [], wait=True)
        except Exception as error:  # noqa: BLE001 - it is raised again to whoever asked
            one.tell(error)
        else:
            one.tell(cast("Outcome", outcomes[0]))

    async def _settled(self, silo: Silo, acts: Sequence[Act], tried: list[Unit], *, wait: bool) -> list[Outcome | None]:
        papers = self._papers.setdefault(silo[0], OrderedDict())
        self._papers.move_to_end(silo[0])
        if len(self._papers) > MOST_TENANTS:
            self._papers.popitem(last=False)

        rules = await self._rules.of(silo[0])

        async def act(unit: Unit) -> list[Outcome | None]:
            tried.append(unit)
            return await settle(unit, silo[0], acts, papers, rules, wait=wait)

        sessions = list({one.session_id: None for one in acts})
        return await self._office.perform_unit(variables(silo, sessions), act, repeatable=all(map(_repeatable, acts)))


def _repeatable(act: Act) -> bool:
    """Tell whether an act finds its own effect when it is done again: by its key, or by its batch id."""
    return act.request is not None or isinstance(act, Report | Beat)


def _place(viewer: Viewer) -> tuple[Silo, UUID]:
    """Return where a candidate's token lets write, and nothing else."""
    if viewer.session_id is None or viewer.tenant_id is None or viewer.org_unit_id is None:
        raise Unauthenticated("This needs a candidate's session token.")
    return (viewer.tenant_id, viewer.org_unit_id), viewer.session_id


def _events(act: Act) -> int:
    match act:
        case Report():
            return len(act.events)
        case SaveMany():
            return len(act.saves)
        case _:
            return 1


def _next(lane: _Lane) -> list[_Waiting]:
    """Take the next batch off, without those whose session is busy; those who have gone are dropped."""
    batch: list[_Waiting] = []
    later: list[_Waiting] = []
    events = 0
    while lane.waiting and len(batch) < LARGEST:
        one = lane.waiting[0]
        if one.act.session_id in lane.busy:
            later.append(lane.waiting.popleft())
            continue
        events += _events(one.act)
        if batch and events > MOST_EVENTS:
            break
        lane.waiting.popleft()
        lane.events -= _events(one.act)
        if not one.answer.done():
            batch.append(one)
    lane.waiting.extendleft(reversed(later))
    return batch
