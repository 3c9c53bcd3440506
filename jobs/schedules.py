"""Runs what is due by the schedules of every tenant, one occurrence in each transaction."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from jobs.sessions import tenants
from services import schedules_run
from services.assignments_issue import Link
from services.driver import is_away
from services.viewer import Viewer
from services.work import Office, Work

MOST_RUNS = 50
"""Occurrences issued for one tenant in one round, so that no tenant keeps the others waiting."""

log = structlog.get_logger(__name__)


async def run(link: Link | None, office: Office, *, most: int = MOST_RUNS) -> int:
    """Issue what is due, and return how many occurrences this process has dealt with.

    Several processes may do so at once: a schedule that another one holds is left to it. What was missed runs the
    oldest first, one occurrence of each schedule in turn; what is over the bound waits for the next round.
    """
    done = 0
    for tenant_id in await tenants(office):
        done += await run_tenant(link, office, tenant_id, most=most)
    return done


async def run_tenant(link: Link | None, office: Office, tenant_id: UUID, *, most: int = MOST_RUNS) -> int:
    """Issue what is due in one tenant, and return how many occurrences this process has dealt with."""
    viewer = Viewer.system(tenant_id, name="schedules")
    left = most
    while left > 0:
        async with office.snapshot(viewer) as work:
            found = await schedules_run.due(work, left)
        ran = await _run(office, tenant_id, found, link)
        left -= ran
        if not ran:
            break
    return most - left


async def _run(office: Office, tenant_id: UUID, found: Sequence[tuple[UUID, UUID]], link: Link | None) -> int:
    ran = 0
    for schedule_id, unit in found:
        viewer = Viewer.system(tenant_id, unit, name="schedules")
        try:
            ran += await office.perform(viewer, partial(_one, schedule_id, link), repeatable=True)
        except Exception as error:
            if is_away(error):  # so it is for everybody else
                raise
            log.exception("schedule.failed", tenant=str(tenant_id), schedule=str(schedule_id))
    return ran


async def _one(schedule_id: UUID, link: Link | None, work: Work) -> bool:
    return await schedules_run.run_due(work, schedule_id, link)
