"""Cohorts: what came of the assignments under one run label."""

from uuid import UUID

from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import cohorts_read
from services.cohorts import Attempts
from services.cohorts_read import Cohort, Label
from services.paging import Page, PageRequest


@requires(Capability.REPORTS_READ)
async def cohorts_page(context: Context, begins: str | None, page: PageRequest) -> Page[Label]:
    """List the run labels of the viewer's org unit."""
    return await context.read(cohorts_read.labels, begins, page)


@requires(Capability.REPORTS_READ)
async def cohort(context: Context, run_label: str, which: Attempts, version_id: UUID | None) -> Cohort | None:
    """Return the figures of a run label in the viewer's org unit."""
    return await context.read(cohorts_read.cohort, run_label, which, version_id)
