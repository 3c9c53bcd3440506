"""Jobs that were given up, how the queue stands, and its log: what operators and administrators see of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from sqlalchemy import Select, Text, cast, delete, func, select
from sqlalchemy.exc import IntegrityError

from models.jobs import PARKED, log, queue
from realtime import topics
from services.jobs import QUEUE
from services.paging import Order, Page, PageRequest, paged
from services.refusals import NotFound, StateDrift
from services.work import Work

LOG_KEPT: Final = timedelta(days=7)
_REQUEUE: Final = QueryQueueBuilder(QUEUE).build_requeue_jobs_query()


@dataclass(frozen=True, slots=True)
class ParkedJob:
    """A job that was given up. `reason` is the last failure, in a line."""

    id: UUID
    number: int
    name: str
    tenant_id: UUID | None
    created_at: datetime
    parked_at: datetime
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """How the queue stands: jobs that may be begun now or are running, the oldest one's seconds, those given up."""

    waiting: int
    oldest_seconds: float
    parked: int


async def figures(work: Work) -> Figures:
    """Return how the queue of the whole installation stands."""
    open_ = queue.c.status.in_(["queued", "picked"]) & (queue.c.execute_after <= func.now())
    age = func.extract("epoch", func.now() - func.min(queue.c.execute_after).filter(open_))
    parked = func.count().filter(queue.c.status == PARKED)
    counted = select(
        func.count().filter(open_).label("waiting"), func.coalesce(age, 0).label("age"), parked.label("parked")
    )
    (row,) = await work.rows(counted.select_from(queue))
    return Figures(row.waiting, float(row.age), row.parked)


async def listed(work: Work, page: PageRequest) -> Page[ParkedJob]:
    """List the parked jobs of the viewer's tenant, newest first."""
    statement = _parked().where(queue.c.headers["tenant"].astext == str(work.viewer.tenant_id))
    found = await paged(work, statement, [Order(queue.c.id, True)], page)
    return Page([_read(row) for row in found.rows], found.cursors, found.has_next, found.has_previous, found.total)


async def all_parked(work: Work, most: int = 1000) -> list[ParkedJob]:
    """Return the parked jobs of the whole installation, oldest first; for operators alone."""
    return [_read(row) for row in await work.rows(_parked().order_by(queue.c.id).limit(most))]


async def requeue(work: Work, job_id: UUID) -> UUID:
    """Have a parked job of the viewer's tenant tried again, with all of its attempts."""
    job = await _one(work, job_id, str(work.viewer.tenant_id))
    await _queue_again(work, job)
    work.record("job.requeued", ("job", job.id), after={"name": job.name})
    return job.id


async def requeue_any(work: Work, job_id: UUID) -> ParkedJob:
    """Have a parked job of any tenant tried again; for operators alone."""
    job = await _one(work, job_id, None)
    await _queue_again(work, job)
    return job


async def prune(work: Work, *, limit: int = 5000) -> int:
    """Remove old entries of the queue's log, at most `limit` of them, but none of jobs that are still there."""
    alive = select(queue.c.id).where(queue.c.id == log.c.job_id).exists()
    old = select(log.c.id).where(log.c.created < func.now() - LOG_KEPT, ~alive).limit(limit)
    return len(await work.rows(delete(log).where(log.c.id.in_(old)).returning(log.c.id)))


async def _one(work: Work, job_id: UUID, tenant: str | None) -> ParkedJob:
    statement = _parked().where(queue.c.headers["id"].astext == str(job_id))
    if tenant is not None:
        statement = statement.where(queue.c.headers["tenant"].astext == tenant)
    found = await work.rows(statement)
    if not found:
        raise NotFound("parked job", job_id, path=["id"])
    return _read(found[0])


async def _queue_again(work: Work, job: ParkedJob) -> None:
    connection = await work.session.connection()
    try:
        async with work.session.begin_nested():
            await connection.exec_driver_sql(_REQUEUE, ([job.number],))
    except IntegrityError as error:
        raise StateDrift("The same work has been asked for again meanwhile.", current_state="QUEUED") from error
    work.touch(topics.jobs())


def _parked() -> Select[*tuple[Any, ...]]:
    failure = (
        select(log.c.traceback)
        .where(log.c.job_id == queue.c.id, cast(log.c.status, Text) == PARKED)
        .order_by(log.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (queue.c.id, queue.c.entrypoint, queue.c.headers, queue.c.created, queue.c.updated, queue.c.attempts)
    return select(*columns, failure.label("failure")).where(queue.c.status == PARKED)


def _read(row: Any) -> ParkedJob:
    number, name, headers, created, updated, attempts, failure = tuple(row)[:7]
    told: dict[str, Any] = failure or {}
    reason = f"{told.get('exception_type', 'unknown')}: {told.get('exception_message', '')}".rstrip(": ")
    tenant = headers.get("tenant")
    return ParkedJob(
        id=UUID(headers["id"]),
        number=number,
        name=name,
        tenant_id=None if tenant is None else UUID(tenant),
        created_at=created,
        parked_at=updated,
        attempts=attempts + 1,
        reason=" ".join(reason.split())[:500],
    )
