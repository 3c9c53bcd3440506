"""Ending a session by a proctor: for good, and with what was saved handed in (domain.md sections 6 and 8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from models.sessions import DeliverySession, EventKind, SessionState
from models.submissions import SubmissionCause
from services import submissions
from services.refusals import Refusal
from services.sessions_hold import drifted, over
from services.sessions_pause import Why, counted, each
from services.sessions_policy import is_open
from services.sessions_status import is_over
from services.work import Work


async def terminate(work: Work, held: Sequence[DeliverySession], why: Why) -> dict[UUID, Refusal | None]:
    """End each of these sessions, all of them held; return by id why one could not be, or None.

    What was saved in a session that was started is handed in; one never started has nothing to hand in. Refuses one
    that has ended, by whomever, or whose time is over.
    """

    async def step(session: DeliverySession, now: datetime) -> dict[str, Any]:
        facts = end(session, now)
        if session.started_at is not None:
            handed_in = await submissions.hand_in(work, session, cause=SubmissionCause.TERMINATED, at=now)
            facts["submission_id"] = str(handed_in.id)
        return facts

    return await each(work, held, why, step, (EventKind.TERMINATED, "session.terminated"))


def end(session: DeliverySession, now: datetime) -> dict[str, Any]:
    """End one session at an instant; a pause that it is in ends too, and is counted."""
    if session.state == SessionState.EXPIRED or is_over(session, now):
        raise over(session, now)
    if not is_open(session):
        raise drifted(session)
    facts = counted(session, now)
    session.state, session.ended_at = SessionState.TERMINATED, now
    session.version += 1
    return facts
