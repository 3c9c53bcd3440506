"""Holding one session: every act on it happens alone, and finds its state first (domain.md sections 6 and 7)."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import select

from models.sessions import DeliverySession, SessionState
from services.refusals import DeadlinePassed, NotFound, StateDrift, WindowClosed
from services.sessions_row import Held
from services.sessions_status import is_over
from services.work import Work


@lru_cache(maxsize=4096)
def lock_name(tenant_id: UUID | None, session_id: UUID) -> str:
    """Name the lock that every act on a session holds."""
    return f"session/{tenant_id}/{session_id}"


async def hold(work: Work, session_id: UUID, *, shared: Sequence[str] = ()) -> DeliverySession:
    """Wait until nobody else acts on the session, and return it as it is now; the locks of `shared` are held with it.

    It comes before the first write of a transaction: the lock order is then the order of transaction ids, in which
    the session's events are streamed.
    """
    await work.lock(lock_name(work.viewer.tenant_id, session_id), shared=shared)
    session = (
        await work.session.scalars(
            select(DeliverySession)
            .where(DeliverySession.id == session_id)
            .with_for_update()
            .execution_options(populate_existing=True),
        )
    ).one_or_none()
    if session is None:
        raise NotFound("Session", session_id)
    return session


async def hold_many(work: Work, session_ids: Sequence[UUID], *, shared: Sequence[str] = ()) -> list[DeliverySession]:
    """Hold several sessions at once and return those that the viewer sees, as they are now, in the order of their ids.

    All locks are taken before any row is, so that the order of locks stays the order of transaction ids.
    """
    if not session_ids:
        return []
    names = [lock_name(work.viewer.tenant_id, session_id) for session_id in session_ids]
    await work.lock(*names, shared=shared)
    wanted = select(DeliverySession).where(DeliverySession.id.in_(session_ids)).order_by(DeliverySession.id)
    held = wanted.with_for_update().execution_options(populate_existing=True)
    return list(await work.session.scalars(held))


def require_running(session: DeliverySession | Held, now: datetime) -> None:
    """Refuse unless the candidate is at work: started, not ended, and within deadline and network allowance."""
    if session.state == SessionState.EXPIRED or is_over(session, now):
        raise over(session, now)
    if session.state != SessionState.ACTIVE:
        raise drifted(session)


def over(session: DeliverySession | Held, now: datetime) -> DeadlinePassed | WindowClosed:
    """Name the instant at which the clock ended a session: its deadline, or its window if it never started."""
    ended = session.deadline_at or session.ended_at or now
    return WindowClosed(ended) if session.started_at is None else DeadlinePassed(ended)


def drifted(session: DeliverySession | Held) -> StateDrift:
    """Say in which state the session is instead of the expected one."""
    return StateDrift(
        f"The session is '{session.state}', which does not allow this.",
        current_state=session.state.upper(),
        current_version=session.version,
    )
