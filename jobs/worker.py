"""The worker: takes jobs from the queue and has them done, several at a time, until it is asked to stop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.models import Schedule

from jobs.executor import Executor, executor_for
from jobs.handlers import HANDLERS, TICKS
from jobs.handling import Handler, Tick, Tools
from jobs.wire import Wire
from realtime.hub import Hub
from services import jobs
from services.jobs import QUEUE
from services.viewer import Viewer

AGAIN_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker works: jobs at once, how often it looks unbidden, and when it counts another worker's job as lost.

    `drain` is how long it waits, at its end, for the jobs it has begun; what is left then goes back into the queue.
    """

    batch: int = 5
    look: timedelta = timedelta(seconds=1.5)
    heartbeat: timedelta = timedelta(seconds=15)
    drain: timedelta = timedelta(seconds=8)


class Worker:
    """One worker of the queue; any number may work at once, in any number of processes and machines."""

    def __init__(
        self,
        dsn: str,
        hub: Hub,
        tools: Tools,
        *,
        handlers: Sequence[Handler] = HANDLERS,
        ticks: Sequence[Tick] = TICKS,
        pace: Pace | None = None,
    ) -> None:
        self._dsn = dsn
        self._hub = hub
        self._tools = tools
        self._handlers = handlers
        self._ticks = ticks
        self._pace = pace or Pace()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; a failure of the machinery is logged, and work goes on a moment later."""
        while not stop.is_set():
            try:
                await self._shift(stop)
            except Exception:
                log.exception("worker.failed")
                await _either(stop, AGAIN_SECONDS)

    async def _shift(self, stop: asyncio.Event) -> None:
        wire, abandoned = Wire(self._dsn, self._hub), asyncio.Event()
        queue, clock = self._managers(wire, abandoned)
        clock.shutdown = queue.shutdown
        pace = self._pace
        running = [
            asyncio.create_task(
                queue.run(
                    dequeue_timeout=pace.look,
                    batch_size=pace.batch,
                    max_concurrent_tasks=2 * pace.batch,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=pace.heartbeat,
                    log_aggregation_interval=timedelta(0),
                ),
                name="jobs-queue",
            ),
            asyncio.create_task(clock.run(), name="jobs-clock"),
        ]
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait([*running, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        queue.shutdown.set()
        _, late = await asyncio.wait(running, timeout=pace.drain.total_seconds())
        if late:
            log.warning("worker.abandons_jobs", after_seconds=pace.drain.total_seconds())
            abandoned.set()
            wire.give_up()
            await asyncio.wait(running)
        await wire.close()
        for task in running:
            task.result()

    def _managers(self, wire: Wire, abandoned: asyncio.Event) -> tuple[QueueManager, SchedulerManager]:
        driver: Any = wire
        queries = Queries(
            driver, QueryBuilderEnvironment(QUEUE), QueryQueueBuilder(QUEUE), QuerySchedulerBuilder(QUEUE)
        )
        queue = QueueManager(queries, QUEUE.channel)
        for handler in self._handlers:
            executor, _ = executor_for(handler, wire, self._tools, abandoned)
            queue.register_executor(handler.name, executor)
        assert_nothing_is_lost(queue)
        clock = SchedulerManager(queries)
        for tick in self._ticks:
            clock.schedule(tick.name, tick.cron, accepts_context=False)(partial(self._tick, tick.name))
        return queue, clock

    async def _tick(self, name: str, schedule: Schedule) -> None:
        """Put a job of the installation into the queue; the clock does nothing else."""
        instant = schedule.next_run.isoformat()
        await self._tools.office.perform(Viewer.anonymous(), lambda work: jobs.tick(work, name, instant))


def assert_nothing_is_lost(queue: QueueManager) -> None:
    """Refuse to start with a handler whose failed jobs pgqueuer would delete, as it does unless told otherwise."""
    for name, executor in queue.entrypoint_registry.items():
        if executor.parameters.on_failure != "hold" or not isinstance(executor, Executor):
            raise RuntimeError(f"The job '{name}' would be deleted when it fails.")


async def _either(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
