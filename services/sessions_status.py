"""What a session's state means at an instant: whether its time is over, and what a proctor is shown (domain.md 5, 6).

Every rule stands here twice, for a row in hand and as SQL, because lists filter in the database; a test compares both.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, and_, false, func, or_, text

from models.sessions import TERMINAL, DeliverySession, SessionState
from services import deadlines
from services.sessions_row import Held

_IDLE_AFTER = text(
    "(delivery_sessions.policy #>> '{idle_threshold_seconds,value}')::integer * interval '1 second'",
)


BRIEF: Final = frozenset(
    {
        *("id", "assignment_id", "user_id", "room_id", "attempt", "state", "policy", "grace_seconds", "version"),
        *("started_at", "deadline_at", "paused_at", "resumed_at", "ended_at", "last_activity_at", "disconnected_at"),
        *("current_position", "item_count", "answered_count", "focus_lost_count", "focus_lost_at"),
    }
)
"""What a list of sessions reads of each, where no more is asked for: progress, and what its status follows from."""

_OPEN: Final = frozenset({SessionState.CREATED.value, SessionState.ACTIVE.value})


class DisplayStatus(StrEnum):
    """A session as people speak of it: its state, with what the clock adds."""

    CREATED = "created"
    LIVE = "live"
    IDLE = "idle"
    PAUSED = "paused"
    SUBMITTED = "submitted"
    EXPIRED = "expired"
    TERMINATED = "terminated"


def closes_at(session: DeliverySession | Held) -> datetime | None:
    """Return the instant from which the session takes nothing: deadline, plus network allowance once it runs."""
    if session.deadline_at is None or session.started_at is None:
        return session.deadline_at
    return session.deadline_at + timedelta(seconds=session.grace_seconds)


def is_over(session: DeliverySession | Held, now: datetime) -> bool:
    """Tell whether the clock has ended a session that has not been ended otherwise."""
    closes = closes_at(session)
    return session.state in _OPEN and closes is not None and now >= closes


def status_of(session: DeliverySession, now: datetime) -> DisplayStatus:
    """Return what is shown; an over session is shown as expired also while no sweep has come by.

    A session is idle when nothing was heard from it for longer than its policy says. A pause is not held against it:
    it counts anew from the end of the pause.
    """
    if is_over(session, now):
        return DisplayStatus.EXPIRED
    if session.state != SessionState.ACTIVE:
        return DisplayStatus(session.state)
    seen = last_life(session)
    quiet = timedelta(seconds=session.policy["idle_threshold_seconds"]["value"])
    return DisplayStatus.IDLE if seen is not None and now - seen > quiet else DisplayStatus.LIVE


def last_life(session: DeliverySession | Held) -> datetime | None:
    """Return from when on a session counts as idle: its last activity, or the end of its last pause."""
    return max(filter(None, (session.last_activity_at or session.started_at, session.resumed_at)), default=None)


def clock_of(session: DeliverySession | Held, now: datetime) -> datetime:
    """Return where a session's clock stands: now, or at the beginning of its pause."""
    return session.paused_at or now


def seconds_remaining(session: DeliverySession | Held, now: datetime) -> int | None:
    """Return the whole seconds that its candidate has left, never below 0; None before the start and after the end."""
    if session.state not in {SessionState.ACTIVE, SessionState.PAUSED}:
        return None
    return deadlines.seconds_remaining(session.deadline_at, clock_of(session, now))


def due(now: ColumnElement[datetime] | None = None) -> ColumnElement[bool]:
    """Build the condition "the clock has ended it", in a form that the index of open sessions serves.

    `now` is the database's clock, where a statement that looks at many sessions reads it once.
    """
    now, row = func.evalium_now() if now is None else now, DeliverySession
    grace = row.grace_seconds * text("interval '1 second'")
    return and_(
        text("delivery_sessions.state in ('created', 'active')"),
        row.deadline_at <= now,
        or_(row.started_at.is_(None), row.deadline_at + grace <= now),
    )


def shown_as(status: DisplayStatus) -> ColumnElement[bool]:
    """Build the condition "is shown as this status now"."""
    row = DeliverySession
    if status is DisplayStatus.EXPIRED:
        return or_(row.state == SessionState.EXPIRED, due())
    if status in TERMINAL or status is DisplayStatus.PAUSED:
        return row.state == status
    running = and_(row.state.in_([SessionState.CREATED, SessionState.ACTIVE]), func.coalesce(~due(), True))
    if status is DisplayStatus.CREATED:
        return and_(running, row.state == SessionState.CREATED)
    seen = func.greatest(func.coalesce(row.last_activity_at, row.started_at), row.resumed_at)
    quiet = seen < func.evalium_now() - _IDLE_AFTER
    return and_(running, row.state == SessionState.ACTIVE, quiet if status is DisplayStatus.IDLE else ~quiet)


def shown_as_any(statuses: Iterable[DisplayStatus]) -> ColumnElement[bool]:
    """Build the condition "is shown as one of these"; no status means no row.

    Where all of them go on, that they have not ended stands beside it, which an index serves.
    """
    wanted = set(statuses)
    shown = or_(false(), *[shown_as(status) for status in DisplayStatus if status in wanted])
    goes_on = wanted.isdisjoint({*TERMINAL, DisplayStatus.EXPIRED})
    return and_(DeliverySession.ended_at.is_(None), shown) if goes_on else shown
