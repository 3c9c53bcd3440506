"""The sweeper: ends the sessions that the clock has ended, tenant by tenant (domain.md section 5).

It also tells of lockdown browsers that were not heard of in time.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog

from services import identity, lockdown_probe, sessions_expiry
from services.driver import is_away
from services.viewer import Viewer
from services.work import Office, Work

LARGEST_BATCH = 100
"""Sessions closed for one tenant in one sweep, so that no tenant keeps the others waiting."""

log = structlog.get_logger(__name__)


async def tenants(office: Office) -> list[UUID]:
    """Return the ids of all tenants: the one thing that may be read without a scope."""
    async with office.snapshot(Viewer.anonymous()) as work:
        return await identity.tenant_ids(work)


async def sweep(office: Office, *, batch: int = LARGEST_BATCH) -> int:
    """Close overdue sessions, tell of silent lockdown browsers, and return how many sessions this process changed.

    Each has a transaction of its own.

    Several processes may sweep at once: whoever holds a session first closes it, the others find it closed. One that
    cannot be closed is logged and does not keep the others open.
    """
    closed = 0
    for tenant_id in await tenants(office):
        viewer = Viewer.system(tenant_id, name="sweeper")
        async with office.snapshot(viewer) as work:
            due = await sessions_expiry.overdue(work, batch)
            silent = await lockdown_probe.silent(work, batch)
        for session_id in due:
            closed += await _do(office, viewer, session_id, _expire)
        for session_id in silent:
            closed += await _do(office, viewer, session_id, _lose)
    return closed


async def _do(office: Office, viewer: Viewer, session_id: UUID, act: Callable[[UUID, Work], Awaitable[bool]]) -> bool:
    try:
        return await office.perform(viewer, partial(act, session_id), repeatable=True)
    except Exception as error:
        if is_away(error):  # so it is for everybody else
            raise
        log.exception("sweep.failed", tenant=str(viewer.tenant_id), session=str(session_id))
        return False


async def _expire(session_id: UUID, work: Work) -> bool:
    return await sessions_expiry.expire(work, session_id)


async def _lose(session_id: UUID, work: Work) -> bool:
    return await lockdown_probe.lose(work, session_id)
