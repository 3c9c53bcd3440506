"""Background jobs that were given up."""

from uuid import UUID

from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import jobs_parked
from services.idempotency import Answer
from services.jobs_parked import ParkedJob
from services.paging import Page, PageRequest
from services.work import Work


@requires(Capability.JOBS_MANAGE)
async def parked_jobs(context: Context, page: PageRequest) -> Page[ParkedJob]:
    """List the parked jobs of the viewer's tenant."""
    return await context.read(jobs_parked.listed, page)


@requires(Capability.JOBS_MANAGE)
async def job_requeue(context: Context, job_id: UUID, key: str | None) -> UUID:
    """Have a parked job tried again."""

    async def act(work: Work) -> Answer:
        return {"job": str(await jobs_parked.requeue(work, job_id))}

    return UUID((await context.write("jobRequeue", key, {"id": str(job_id)}, act))["job"])
