"""How one job is run: within its limit, tried again after a failure, and parked when it is hopeless.

pgqueuer counts failures but not crashes: a job that kills its worker would kill one worker after another. The log of
the queue tells how often a job was begun and never came to an end.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Job
from prometheus_client import Counter

from jobs.handling import Handler, Task, Tools
from jobs.wire import Wire
from services.jobs import QUEUE

MOST_CRASHES: Final = 5
"""How often a job may be begun without coming to an end before it is parked."""

RUNS = Counter("evalium_queue_runs", "Runs of jobs of the queue, by name and outcome.", ["job", "outcome"])

log = structlog.get_logger(__name__)

_BEGUN: Final = f"""
select count(*) from {QUEUE.qualified.queue_table_log}
 where job_id = $1 and status = 'picked' and id > coalesce(
   (select max(id) from {QUEUE.qualified.queue_table_log} where job_id = $1 and status = 'queued'), 0)
"""  # noqa: S608 - names of our own


class Poisonous(Exception):  # noqa: N818 - named for what is wrong
    """The job was begun again and again and never came to an end: its worker died each time."""


@dataclass
@dataclass
class Executor(DatabaseRetryEntrypointExecutor):
    """Runs the jobs of one handler for pgqueuer."""

    handler: Handler | None = None
    wire: Wire | None = None
    tools: Tools | None = None

    async def execute(self, job: Job, context: Context) -> None:
        """Run a job; pgqueuer is told by an exception that it shall be tried again, or be parked."""
        assert self.handler is not None  # noqa: S101 - `executor_for` gives it
        name = self.handler.name
        try:
            await self._check_crashes(job)
            await super().execute(job, context)
        except RetryRequested as request:
            RUNS.labels(name, "retried").inc()
            log.warning("job.retried", job=name, number=job.id, attempt=job.attempts + 1, cause=str(request)[:200])
            raise
        except Exception as error:
            RUNS.labels(name, "parked").inc()
            log.error("job.parked", job=name, number=job.id, cause=type(error).__name__)  # noqa: TRY400 - pgqueuer logs the traceback
            await self._give_up(job, error)
            raise
        RUNS.labels(name, "finished").inc()

    async def _check_crashes(self, job: Job) -> None:
        assert self.wire is not None  # noqa: S101 - likewise
        ((begun,),) = [tuple(row.values()) for row in await self.wire.fetch(_BEGUN, job.id)]
        if isinstance(begun, int) and begun > MOST_CRASHES:
            raise Poisonous(f"begun {begun - 1} times without coming to an end")

    async def _give_up(self, job: Job, error: Exception) -> None:
        assert self.handler is not None  # noqa: S101 - likewise
        assert self.tools is not None  # noqa: S101 - likewise
        if self.handler.given_up is None:
            return
        try:
            await self.handler.given_up(self.tools, task_of(job), f"{type(error).__name__}: {error}"[:500])
        except Exception:
            log.exception("job.given_up_failed", job=self.handler.name, number=job.id)


def executor_for(
    handler: Handler,
    wire: Wire,
    tools: Tools,
    abandoned: asyncio.Event,
) -> tuple[Executor, EntrypointExecutorParameters]:
    """Return the executor of a handler; its jobs are held when they are given up, never deleted."""

    async def run(job: Job) -> None:
        await _until_abandoned(handler, tools, task_of(job), abandoned)

    parameters = EntrypointExecutorParameters(concurrency_limit=0, func=run, accepts_context=False, on_failure="hold")
    executor = Executor(
        parameters,
        max_attempts=handler.tries - 1,
        initial_delay=handler.first_pause,
        max_delay=handler.longest_pause,
        handler=handler,
        wire=wire,
        tools=tools,
    )
    return executor, parameters


async def _until_abandoned(handler: Handler, tools: Tools, task: Task, abandoned: asyncio.Event) -> None:
    """Run the handler within its limit. When the worker has to go, or is cancelled, the job goes back at once.

    pgqueuer would delete a job whose task is cancelled, so a cancellation never reaches it.
    """
    acting = asyncio.ensure_future(handler.act(tools, task))
    leaving = asyncio.create_task(abandoned.wait())
    try:
        async with asyncio.timeout(handler.limit.total_seconds()):
            await asyncio.wait({acting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not acting.done():
            raise RetryRequested(timedelta(0), "the worker had to end")
        await acting
    except asyncio.CancelledError as error:
        raise RetryRequested(timedelta(0), "the worker was ended") from error
    except TimeoutError as error:
        if acting.done():
            raise
        raise TimeoutError(f"not done within {handler.limit.total_seconds():g} s") from error
    finally:
        for task_ in (acting, leaving):
            task_.cancel()
        await asyncio.wait({acting, leaving})


def task_of(job: Job) -> Task:
    """Read a job of the queue as its handler sees it."""
    headers: dict[str, Any] = dict(job.headers or {})

    def named(key: str) -> UUID | None:
        value = headers.get(key)
        return None if value is None else UUID(str(value))

    return Task(
        id=UUID(str(headers["id"])),
        name=job.entrypoint,
        tenant_id=named("tenant"),
        org_unit_id=named("org_unit"),
        user_id=named("user"),
        payload=orjson.loads(job.payload or b"{}"),
        attempt=job.attempts + 1,
    )
