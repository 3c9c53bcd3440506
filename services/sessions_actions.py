"""What a proctor can do with a session now, and why not: by its state, the clock, and the right to do it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.sessions import DeliverySession
from services.sessions_status import DisplayStatus, status_of


class SessionAction(StrEnum):
    """What a proctor does."""

    PAUSE = "pause"
    RESUME = "resume"
    TERMINATE = "terminate"
    EXTEND = "extend"
    MESSAGE = "message"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Available:
    """Whether an action can be done now, and else why not, in words."""

    action: SessionAction
    enabled: bool
    reason: str | None


_OPEN = frozenset({DisplayStatus.CREATED, DisplayStatus.LIVE, DisplayStatus.IDLE, DisplayStatus.PAUSED})
_RUNNING = frozenset({DisplayStatus.LIVE, DisplayStatus.IDLE})

_SHOWN_AS = {
    SessionAction.PAUSE: _RUNNING,
    SessionAction.RESUME: frozenset({DisplayStatus.PAUSED}),
    SessionAction.TERMINATE: _OPEN,
    SessionAction.EXTEND: _OPEN,
    SessionAction.MESSAGE: _OPEN,
    SessionAction.NOTE: frozenset(DisplayStatus),
}


def available(session: DeliverySession, now: datetime, *, may: bool) -> list[Available]:
    """Return every action with whether it can be done with a session at an instant; `may` is the right to act."""
    return [_judged(session, action, now, may=may) for action in SessionAction]


def _judged(session: DeliverySession, action: SessionAction, now: datetime, *, may: bool) -> Available:
    status = status_of(session, now)
    reason = None
    if not may:
        reason = "You do not have the right to act on sessions."
    elif status not in _SHOWN_AS[action]:
        reason = f"The session is {'not started' if status is DisplayStatus.CREATED else status.value}."
    elif action is SessionAction.EXTEND and session.deadline_at is None and session.started_at is not None:
        reason = "The session runs without an end."
    return Available(action, reason is None, reason)
