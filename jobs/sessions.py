"""The sweeper: what the clock changes in sessions, tenant by tenant (domain.md sections 5 and 6).

It ends those whose time is over, and looks at those whose connection, attention or lockdown browser time alone may have
changed.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog

from services import attention_rules, identity, lockdown_probe, sessions_checks, sessions_expiry
from services.driver import is_away
from services.viewer import Viewer
from services.work import Office, Work

LARGEST_BATCH = 100
"""Sessions closed for one tenant in one sweep, so that no tenant keeps the others waiting."""

MOST_CHECKS = 500
"""Sessions looked at for one tenant in one sweep."""

LARGEST_CHECK = 64
"""Sessions looked at in one transaction."""

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
        await _look(office, viewer, tenant_id)
    return closed


async def _look(office: Office, viewer: Viewer, tenant_id: UUID) -> None:
    """Look at sessions whose connection or attention may have changed; those that fail are logged, and wait."""
    async with office.snapshot(viewer) as work:
        rules = await attention_rules.current(work)
        due = await sessions_checks.due(work, rules, MOST_CHECKS)
    for unit_id, session_ids in due.items():
        for begin in range(0, len(session_ids), LARGEST_CHECK):
            some = session_ids[begin : begin + LARGEST_CHECK]
            try:
                await sessions_checks.check(office, (tenant_id, unit_id), some, rules)
            except Exception as error:
                if is_away(error):  # so it is for everybody else
                    raise
                log.exception("check.failed", tenant=str(tenant_id), org_unit=str(unit_id), sessions=len(some))


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
