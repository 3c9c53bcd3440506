"""Cohorts: what came of the assignments under one run label."""

from uuid import UUID

from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import cohorts_read
from services.cohorts import Attempts
from services.cohorts_read import Cohort


@requires(Capability.REPORTS_READ)
async def cohort(context: Context, run_label: str, which: Attempts, version_id: UUID | None) -> Cohort | None:
    """Return the figures of a run label in the viewer's org unit."""
    return await context.read(cohorts_read.cohort, run_label, which, version_id)
