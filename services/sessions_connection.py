"""Whether a candidate's browser is connected: what it says itself, and what its silence says (domain.md section 6).

A browser that sends heartbeats is watched. When nothing was heard of it for as long as the tenant's rules say, its
connection counts as lost since it was heard last; the next sign of life ends that absence, to the microsecond. What
the browser reports of the same absence afterwards is kept in the timeline and counts no more. Of a browser that never
sent a heartbeat nobody can tell: silence may be thinking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from models.sessions import EventKind, SessionState
from services import attention, deadlines
from services.attention import Watched
from services.idempotency import Answer, Request
from services.sessions_row import Held
from services.sessions_sheet import Happening, Sheet
from services.sessions_status import is_over, seconds_remaining

TOLERANCE = timedelta(seconds=5)
"""By how much a candidate's clock may be behind where an absence that it reports is compared with a noticed one."""

BY_EVALIUM = {"by": "server"}
"""Stands in the events of what the browser did not report itself."""


class ConnectionState(StrEnum):
    """Whether a candidate's browser is connected."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    UNKNOWN = "unknown"


def state_of(row: Watched) -> ConnectionState:
    """Tell whether the browser of a session is connected; nothing is known without a heartbeat, and after the end."""
    if row.state not in attention.WATCHED:
        return ConnectionState.UNKNOWN
    if row.disconnected_at is not None:
        return ConnectionState.DISCONNECTED
    return ConnectionState.UNKNOWN if row.last_seen_at is None else ConnectionState.CONNECTED


def seconds_away(row: Watched, now: datetime) -> Decimal:
    """Return for how long the connection was away, all absences together, with the one that goes on."""
    if row.disconnected_at is None:
        return row.disconnected_seconds
    return row.disconnected_seconds + _length(row.disconnected_at, row.ended_at or now)


def heard(sheet: Sheet, session: Held) -> None:
    """Note a sign of life; it ends an absence that was noticed by the silence."""
    if session.last_seen_at is not None:
        session.last_seen_at = sheet.now
        sheet.seen.add(session.id)
    if session.disconnected_at is not None and session.absent_until is None and session.absent_from is not None:
        _reconnect(sheet, session)


def lost(sheet: Sheet, session: Held, at: datetime) -> None:
    """Take in that the browser reports to have lost its connection; `at` is by its clock, as far as that can be."""
    if session.disconnected_at is not None or _is_known(session, at):
        return
    session.disconnected_at = sheet.now
    session.disconnect_count += 1
    sheet.stirred.add(session.id)


def back(sheet: Sheet, session: Held, seconds: int | None) -> None:
    """Take in that the browser reports to be connected again, after so many seconds if it says; once for an absence."""
    if session.disconnected_at is None:
        return
    away = _length(session.disconnected_at, sheet.now)
    if seconds is not None and session.started_at is not None:
        away = max(away, min(Decimal(seconds), _length(session.started_at, sheet.now)))
    session.disconnected_seconds += away
    session.disconnected_at = None
    sheet.stirred.add(session.id)


def miss(sheet: Sheet, session: Held) -> None:
    """Take the connection for lost if nothing was heard of a browser for too long."""
    silent = attention.silent_from(session, sheet.rules)
    if silent is None or sheet.now < silent or session.last_seen_at is None:
        return
    session.disconnected_at = session.absent_from = session.last_seen_at
    session.absent_until = None
    session.disconnect_count += 1
    sheet.stirred.add(session.id)
    payload = BY_EVALIUM | {"since": session.last_seen_at.isoformat()}
    sheet.tell(session, [Happening(EventKind.DISCONNECTED, payload)], by_evalium=True)


def _is_known(session: Held, at: datetime) -> bool:
    """Tell whether an absence was noticed already; it began at the last sign of life, and is over by now."""
    begin, end = session.absent_from, session.absent_until
    return begin is not None and end is not None and begin - TOLERANCE <= at <= end


def _reconnect(sheet: Sheet, session: Held) -> None:
    if session.disconnected_at is None:
        return
    away = _length(session.disconnected_at, sheet.now)
    if session.absent_from is not None and session.absent_until is None:
        session.absent_until = sheet.now
    session.disconnected_seconds += away
    session.disconnected_at = None
    sheet.stirred.add(session.id)
    told = Happening(EventKind.RECONNECTED, BY_EVALIUM | {"seconds": str(away)})
    sheet.tell(session, [told], by_evalium=True)


def _length(begin: datetime, end: datetime) -> Decimal:
    return deadlines.seconds_of(max(timedelta(0), end - begin))


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat is answered: the session as the clock has it, and the stored revisions where they were asked."""

    now: datetime
    state: SessionState
    deadline_at: datetime | None
    seconds_remaining: int | None
    answered_count: int
    revisions: Sequence[tuple[UUID, int]] | None


@dataclass(frozen=True, slots=True)
class Beat:
    """Say that the candidate's browser is there. It is no activity, leaves no event, and is never refused."""

    session_id: UUID
    with_revisions: bool = False
    request: Request | None = None

    def decide(self, sheet: Sheet) -> Pulse:
        """Note it while the session has not ended."""
        session = sheet.session(self.session_id)
        if session.ended_at is None and not is_over(session, sheet.now):
            session.last_seen_at = sheet.now
            sheet.seen.add(session.id)
            _reconnect(sheet, session)
        return self._pulse(sheet)

    def _pulse(self, sheet: Sheet) -> Pulse:
        session = sheet.session(self.session_id)
        over = is_over(session, sheet.now)
        return Pulse(
            sheet.now,
            SessionState.EXPIRED if over else SessionState(session.state),
            session.deadline_at,
            None if over else seconds_remaining(session, session.paused_at or sheet.now),
            session.answered_count,
            sheet.revisions.get(self.session_id, []) if self.with_revisions else None,
        )

    def kept(self, outcome: Pulse) -> Answer:  # noqa: ARG002 - every act has the same shape
        """Keep nothing but that it came."""
        return {}

    def again(self, sheet: Sheet, kept: Answer) -> Pulse:  # noqa: ARG002 - as above
        """Answer with what is so now, and note nothing."""
        return self._pulse(sheet)


@dataclass(frozen=True, slots=True)
class Check:
    """Look at a session by the clock: whether its connection is lost, and which attention it needs by now."""

    session_id: UUID
    request: None = None

    def decide(self, sheet: Sheet) -> Answer:
        """Look; one that the clock has ended is left to the sweep that ends it."""
        session = sheet.session(self.session_id)
        if not is_over(session, sheet.now):
            miss(sheet, session)
            sheet.checked.add(self.session_id)
        return {}
