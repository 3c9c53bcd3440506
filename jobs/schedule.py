"""What happens every second, in every process, until it stops; what happens more rarely is put into the queue."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from prometheus_client import Counter

from jobs import ledger, schedules, sessions
from services.assignments_issue import Link
from services.ledger import Notary
from services.work import Office, is_passing

SWEEP_EVERY = 1.0
"""Seconds between two looks for overdue sessions and for unsealed rows of the ledger; what is recorded and shown does
not depend on it."""

ISSUE_EVERY = 2.0
"""Seconds between two looks for what schedules have to issue."""

KEEP_EVERY = 60.0
"""Seconds between two looks whether the key that signs checkpoints is kept; there is something to do once for a key."""

RUNS = Counter("evalium_job_runs", "Runs of a job, by outcome.", ["job", "outcome"])
DONE = Counter("evalium_job_done", "Sessions closed, rows sealed: what the runs of a job have done.", ["job"])

log = structlog.get_logger(__name__)

Job = Callable[[Office], Awaitable[int]]


async def run(
    office: Office,
    notary: Notary,
    stop: asyncio.Event,
    interval: float = SWEEP_EVERY,
    *,
    link: Link | None = None,
) -> None:
    """Run every job until `stop` is set; a run that has begun is finished first.

    With `link`, which makes an invitation's address, what schedules say is issued too.

    A job that fails, for example while the database is away, is logged and tried again at its next turn.
    """
    async with asyncio.TaskGroup() as group:
        sweeping = _repeat("sessions.sweep", sessions.sweep, office, stop, interval)
        group.create_task(sweeping, name="sessions.sweep")
        sealing = _repeat("ledger.seal", partial(ledger.seal, notary), office, stop, interval)
        group.create_task(sealing, name="ledger.seal")
        keeping = _repeat("ledger.keys", partial(ledger.keep_key, notary), office, stop, KEEP_EVERY)
        group.create_task(keeping, name="ledger.keys")
        if link is not None:
            issuing = _repeat("schedules.run", partial(schedules.run, link), office, stop, ISSUE_EVERY)
            group.create_task(issuing, name="schedules.run")


async def _repeat(name: str, job: Job, office: Office, stop: asyncio.Event, interval: float) -> None:
    while not stop.is_set():
        try:
            done = await job(office)
        except Exception as error:
            RUNS.labels(name, "failed").inc()
            if is_passing(error):  # the database is away: its next turn comes, and a traceback tells nothing
                log.warning("job.postponed", job=name, cause=type(error).__name__)
            else:
                log.exception("job.failed", job=name)
        else:
            RUNS.labels(name, "finished").inc()
            DONE.labels(name).inc(done)
            if done:
                log.info("job.done", job=name, done=done)
        await _pause(stop, interval)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
