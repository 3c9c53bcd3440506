"""Ending a session: by the candidate, or by the clock; whoever holds the session first decides, once (domain.md 5, 8).

What the clock ends, it ends at the deadline, whenever the sweep comes by; what was saved until then is handed in.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from models.sessions import DeliverySession, EventKind, SessionState
from models.submissions import Submission, SubmissionCause
from services import scores, submissions
from services.idempotency import Answer
from services.sessions_events import append
from services.sessions_hold import drifted, hold, hold_many, over
from services.sessions_sheet import Happening
from services.sessions_status import due, is_over
from services.work import Work


async def submit(work: Work, session_id: UUID) -> Answer:
    """Hand in; handing in again answers the same submission, as does whoever comes after the clock has done it.

    It needs the keys, which a candidate's token cannot see: the work is the candidate's, elevated, and the id comes
    from the verified token. Refuses a session that was never started or was terminated.
    """
    session = await hold_to_end(work, session_id)
    existing = await submissions.of_session(work, session_id)
    if existing is not None:
        return _ended(session, existing)
    now = await work.now()
    if session.state == SessionState.EXPIRED or (is_over(session, now) and session.started_at is None):
        raise over(session, now)
    if is_over(session, now):
        return _ended(session, await _expire(work, session, now))
    if session.state != SessionState.ACTIVE:
        raise drifted(session)
    session.state, session.ended_at, session.last_activity_at = SessionState.SUBMITTED, now, now
    session.version += 1
    submission = await submissions.hand_in(work, session, cause=SubmissionCause.SUBMITTED, at=now)
    payload = {"submission_id": str(submission.id)}
    await append(work, session, [Happening(EventKind.SUBMITTED, payload)], at=now, actor_id=session.user_id)
    return _ended(session, submission)


async def expire(work: Work, session_id: UUID) -> bool:
    """End a session whose time is over, and tell whether this call did it; one that goes on is left alone."""
    session = await hold_to_end(work, session_id)
    now = await work.now()
    if not is_over(session, now):
        return False
    await _expire(work, session, now)
    return True


async def overdue(work: Work, limit: int) -> list[UUID]:
    """Return sessions that the clock has ended and nobody has closed, those that have waited longest first."""
    statement = select(DeliverySession.id).where(due()).order_by(DeliverySession.deadline_at).limit(limit)
    return [row.id for row in await work.rows(statement)]


async def hold_to_end(work: Work, session_id: UUID) -> DeliverySession:
    """Hold a session that may hand in now, and keep corrections of what it sat out until it has."""
    version_id = await work.session.scalar(
        select(DeliverySession.evaluation_version_id).where(DeliverySession.id == session_id)
    )
    shared = [] if version_id is None else [scores.version_lock(work.viewer.tenant_id, version_id)]
    return await hold(work, session_id, shared=shared)


async def hold_many_to_end(work: Work, session_ids: Sequence[UUID]) -> list[DeliverySession]:
    """Hold several sessions that hand in now, as `hold_to_end` holds one."""
    wanted = select(DeliverySession.evaluation_version_id).where(DeliverySession.id.in_(session_ids)).distinct()
    shared = [scores.version_lock(work.viewer.tenant_id, row[0]) for row in await work.rows(wanted)]
    return await hold_many(work, session_ids, shared=shared)


async def _expire(work: Work, session: DeliverySession, now: datetime) -> Submission | None:
    """Record the end at the deadline and hand in what was saved; a session never started has nothing to hand in."""
    ended = session.deadline_at or now
    session.state, session.ended_at = SessionState.EXPIRED, ended
    session.version += 1
    submission: Submission | None = None
    if session.started_at is not None:
        submission = await submissions.hand_in(work, session, cause=SubmissionCause.EXPIRED, at=ended)
    payload = {} if submission is None else {"submission_id": str(submission.id)}
    await append(work, session, [Happening(EventKind.EXPIRED, payload)], at=ended, actor_id=None)
    return submission


def _ended(session: DeliverySession, submission: Submission | None) -> Answer:
    return {"session_id": str(session.id), "submission_id": None if submission is None else str(submission.id)}
