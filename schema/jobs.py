"""Background jobs that were given up, for administrators of a tenant."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from resolvers import jobs
from schema.access import Info, act, ask, says, told
from schema.connections import Connection, connect
from schema.nodes import global_id, local_id
from schema.problems import Problem, attempt
from services.jobs_parked import ParkedJob as ParkedRow
from services.paging import PageRequest


@strawberry.type(
    description="A background job that failed too often, or ended its worker five times, and waits for a human."
)
class ParkedJob:
    """A parked job."""

    id: strawberry.ID = told("Opaque global id, for `jobRequeue`.")
    uuid: UUID = told("The same identity as a plain UUID, as operators see it.")
    name: str = told("What the job does, such as 'messages.deliver'.")
    created_at: datetime = told("When it was asked for.")
    parked_at: datetime = told("When it was given up.")
    attempts: int = told("How often it was tried.")
    reason: str = told("The last failure, at most 500 characters.")

    @classmethod
    def of(cls, row: ParkedRow) -> "ParkedJob":
        """Show a parked job."""
        return cls(
            id=global_id("Job", row.id),
            uuid=row.id,
            name=row.name,
            created_at=row.created_at,
            parked_at=row.parked_at,
            attempts=row.attempts,
            reason=row.reason,
        )


@strawberry.type
class JobsQuery:
    """Queries about background jobs."""

    @ask(jobs.parked_jobs, "Background jobs of this tenant that were given up, newest first.")
    async def parked_jobs(
        self,
        info: Info,
        first: Annotated[int | None, says("At most this many, 0 to 100; 50 when left out.")] = None,
        after: Annotated[str | None, says("Behind this cursor.")] = None,
        last: Annotated[int | None, says("At most this many from the end, 0 to 100.")] = None,
        before: Annotated[str | None, says("Before this cursor.")] = None,
    ) -> Connection[ParkedJob]:
        """List parked jobs."""
        page = PageRequest(first=first, after=after, last=last, before=before)
        return connect(await jobs.parked_jobs(info.context, page), ParkedJob.of)


@strawberry.input(description="A parked job to be tried again.")
class JobRequeueInput:
    """Which job."""

    id: strawberry.ID = told("Global id of the parked job.")
    idempotency_key: str | None = told(
        "Makes sending the request again harmless, for 24 hours: 1 to 255 characters, a new random UUID each.",
        default=None,
    )


@strawberry.type(description="What became of the request.")
class JobRequeuePayload:
    """Answer of `jobRequeue`."""

    job_uuid: UUID | None = told("The job, which is in the queue again; null when it is not.")
    problems: list[Problem] = told("Why it is not tried again.")


@strawberry.type
class JobsMutation:
    """Acts on background jobs."""

    @act(jobs.job_requeue, "Have a parked job tried again, with all of its attempts.")
    async def job_requeue(self, info: Info, input: Annotated[JobRequeueInput, says("Which job.")]) -> JobRequeuePayload:
        """Requeue."""

        async def requeue() -> UUID:
            return await jobs.job_requeue(info.context, local_id("Job", input.id), input.idempotency_key)

        job_id, problems = await attempt(requeue())
        return JobRequeuePayload(job_uuid=job_id, problems=problems)
