"""Pausing: the clock of a session stands still, and its candidate loses and gains nothing by it (domain.md section 6).

While a session is paused it takes nothing and never expires. Resuming adds the pause to the deadline, exactly: to the
microsecond, which is as exact as the database's instants are.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from models.sessions import DeliverySession, EventKind, ReasonCategory, SessionState
from services import deadlines
from services.refusals import Refusal
from services.sessions_events import append_to_each
from services.sessions_hold import drifted, over
from services.sessions_sheet import Happening
from services.sessions_status import is_over
from services.work import Work


@dataclass(frozen=True, slots=True)
class Why:
    """The reason of somebody who interferes with sessions: of which kind, in their words, and in which incident.

    The words are empty only where a reason need not be given.
    """

    category: ReasonCategory
    text: str
    incident_id: UUID | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Return what events and ledger keep of it besides the words."""
        of_incident = {} if self.incident_id is None else {"incident": str(self.incident_id)}
        return {"category": str(self.category)} | of_incident


Step: TypeAlias = Callable[[DeliverySession, datetime], Awaitable[dict[str, Any]]]
"""Changes one session at an instant, and returns the facts of the event that tells of it."""


async def pause(work: Work, held: Sequence[DeliverySession], why: Why) -> dict[UUID, Refusal | None]:
    """Stop the clock of each of these sessions, all of them held; return by id why one could not be, or None.

    Refuses one that was not started, is paused already, or has ended.
    """

    async def step(session: DeliverySession, now: datetime) -> dict[str, Any]:
        return stop(session, now)

    return await each(work, held, why, step, (EventKind.PAUSED, "session.paused"))


async def resume(work: Work, held: Sequence[DeliverySession], why: Why) -> dict[UUID, Refusal | None]:
    """Let the clock of each of these sessions run again, all of them held; return by id why it could not, or None.

    Refuses one that is not paused.
    """

    async def step(session: DeliverySession, now: datetime) -> dict[str, Any]:
        return go_on(session, now)

    return await each(work, held, why, step, (EventKind.RESUMED, "session.resumed"))


def stop(session: DeliverySession, now: datetime) -> dict[str, Any]:
    """Stop the clock of a running session."""
    if session.state == SessionState.EXPIRED or is_over(session, now):
        raise over(session, now)
    if session.state != SessionState.ACTIVE:
        raise drifted(session)
    session.state, session.paused_at = SessionState.PAUSED, now
    session.version += 1
    return {}


def go_on(session: DeliverySession, now: datetime) -> dict[str, Any]:
    """Let the clock of a paused session run again: its end moves by exactly the pause."""
    if session.state == SessionState.EXPIRED or is_over(session, now):
        raise over(session, now)
    if session.state != SessionState.PAUSED or session.paused_at is None:
        raise drifted(session)
    facts = counted(session, now)
    session.state, session.resumed_at = SessionState.ACTIVE, now
    session.version += 1
    return facts


def counted(session: DeliverySession, now: datetime) -> dict[str, Any]:
    """End the pause that a session is in, if it is in one: its end moves by exactly the pause."""
    if session.paused_at is None:
        return {}
    length = max(timedelta(0), now - session.paused_at)
    before = session.deadline_at
    after = None if before is None else before + length
    session.paused_at, session.deadline_at = None, after
    session.paused_seconds += deadlines.seconds_of(length)
    return {
        "paused_seconds": str(deadlines.seconds_of(length)),
        "deadline_before": None if before is None else before.isoformat(),
        "deadline_after": None if after is None else after.isoformat(),
    }


async def each(
    work: Work, held: Sequence[DeliverySession], why: Why, step: Step, named: tuple[EventKind, str]
) -> dict[UUID, Refusal | None]:
    """Take the step with each session at one instant, tell candidates and proctors, and record each decision."""
    kind, act = named
    now = await work.now()
    refused: dict[UUID, Refusal | None] = {}
    told: list[tuple[DeliverySession, Happening]] = []
    for session in held:
        before = session.state
        try:
            facts = await step(session, now)
        except Refusal as refusal:
            refused[session.id] = refusal
            continue
        refused[session.id] = None
        told.append((session, Happening(kind, why.facts | facts)))
        after = {"state": session.state} | why.facts | facts
        work.record(act, ("session", session.id), reason=why.text or None, before={"state": before}, after=after)
    if told:
        await append_to_each(work, told, at=now, actor_id=work.viewer.user_id, reason=why.text or None)
    return refused
