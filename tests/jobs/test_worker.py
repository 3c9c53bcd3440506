"""The worker: what is asked for is done once it is committed, failures are tried again, the hopeless is parked."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from pgqueuer.core.executors import EntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.core.qm import QueueManager

from jobs.handlers import HANDLERS, TICKS
from jobs.handling import Handler
from jobs.worker import Pace, Worker, assert_nothing_is_lost
from services import jobs, jobs_parked
from services.paging import PageRequest
from services.refusals import NotFound
from services.viewer import Viewer

QUICK = Pace(look=timedelta(seconds=0.3), heartbeat=timedelta(seconds=1), drain=timedelta(seconds=1))
SOON = timedelta(milliseconds=20)


@pytest.fixture(autouse=True)
def any_name(monkeypatch):
    monkeypatch.setattr(jobs, "NAMES", jobs.NAMES | {"test.job"})


@asynccontextmanager
async def working(database, hub, tools, act, **more):
    stop = asyncio.Event()
    handler = Handler(name="test.job", act=act, **({"tries": 3, "first_pause": SOON} | more))
    worker = Worker(database.app_dsn, hub, tools, handlers=[handler], ticks=[], pace=QUICK)
    task = asyncio.create_task(worker.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


async def until(condition, seconds=20.0):
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


async def ask(office, viewer, **payload):
    await office.perform(viewer, lambda work: jobs.enqueue(work, "test.job", payload))


async def parked(office, viewer):
    async with office.snapshot(viewer) as work:
        return list((await jobs_parked.listed(work, PageRequest())).rows)


async def rows(database):
    connection = await asyncpg.connect(database.admin_dsn)
    try:
        return await connection.fetch("select * from jobs.pgqueuer where entrypoint = 'test.job'")
    finally:
        await connection.close()


async def test_every_name_has_a_handler_and_every_handler_a_name():
    assert sorted(handler.name for handler in HANDLERS) == sorted(jobs.NAMES - {"test.job"} | jobs.TICKED)
    assert {tick.name for tick in TICKS} == jobs.TICKED


async def test_a_job_is_done_in_the_scope_in_which_it_was_asked_for(database, hub, tools, office, world):
    seen = []

    async def act(_tools, task):
        seen.append(task)

    async with working(database, hub, tools, act):
        await ask(office, world.system, item="7")
        await until(lambda: asyncio.sleep(0, seen))
        await until(lambda: none_left(database))
    (task,) = seen
    assert (task.tenant_id, task.org_unit_id, dict(task.payload), task.attempt) == (
        world.tenant_id,
        world.org_unit_id,
        {"item": "7"},
        1,
    )
    assert task.viewer.scope_all is False


async def none_left(database):
    return not await rows(database)


async def test_the_doorbell_wakes_the_worker_before_it_looks_by_itself(database, hub, tools, world):
    done = asyncio.Event()

    async def act(_tools, _task):
        done.set()

    from services.work import Office  # noqa: PLC0415 - an office whose ring reaches the hub

    office = Office(database.app, ring=hub.ring, pool_size=2)
    stop = asyncio.Event()
    slow = Pace(look=timedelta(seconds=30))
    worker = Worker(database.app_dsn, hub, tools, handlers=[Handler(name="test.job", act=act)], ticks=[], pace=slow)
    task = asyncio.create_task(worker.run(stop))
    try:
        await ask(office, world.system)
        async with asyncio.timeout(10):
            await done.wait()
        done.clear()
        began = time.monotonic()
        await ask(office, world.system)
        async with asyncio.timeout(10):
            await done.wait()
        assert time.monotonic() - began < 5
    finally:
        stop.set()
        await task
        await office.close()


async def test_a_failure_is_tried_again_and_then_parked_shown_and_tried_again_when_asked(
    database, hub, tools, office, world
):
    tries, told = [], []
    healthy = asyncio.Event()

    async def act(_tools, task):
        tries.append(task.attempt)
        if not healthy.is_set():
            raise RuntimeError("no luck")

    async def given_up(_tools, task, reason):
        told.append(reason)

    async with working(database, hub, tools, act, given_up=given_up):
        await ask(office, world.system)
        (job,) = await until(lambda: parked(office, world.system))
        assert tries == [1, 2, 3]
        assert (job.name, job.attempts, job.reason) == ("test.job", 3, "RuntimeError: no luck")
        assert told == ["RuntimeError: no luck"]
        other = Viewer.system(world.org_unit_id)  # another tenant, as far as the queue can tell
        assert await parked(office, other) == []
        with pytest.raises(NotFound):
            await office.perform(other, lambda work: jobs_parked.requeue(work, job.id))
        healthy.set()
        await office.perform(world.system, lambda work: jobs_parked.requeue(work, job.id))
        await until(lambda: none_left(database))
        assert tries == [1, 2, 3, 1]


async def test_a_job_that_hangs_is_ended_and_tried_again(database, hub, tools, office, world):
    tries = []

    async def act(_tools, task):
        tries.append(task.attempt)
        if len(tries) == 1:
            await asyncio.Event().wait()

    async with working(database, hub, tools, act, limit=timedelta(seconds=0.2)):
        await ask(office, world.system)
        await until(lambda: none_left(database))
    assert tries == [1, 2]


async def test_a_worker_that_ends_finishes_what_it_can_and_gives_the_rest_back(database, hub, tools, office, world):
    begun, finished = [], []

    async def act(_tools, task):
        begun.append(task.payload["kind"])
        await asyncio.sleep(0.3 if task.payload["kind"] == "short" else 3600)
        finished.append(task.payload["kind"])

    async with working(database, hub, tools, act, limit=timedelta(hours=2)):
        for kind in ("short", "endless"):
            await ask(office, world.system, kind=kind)
        await until(lambda: asyncio.sleep(0, len(begun) == 2))
    assert finished == ["short"]
    (row,) = await rows(database)
    assert (row["status"], row["attempts"]) == ("queued", 1)
    connection = await asyncpg.connect(database.admin_dsn)
    await connection.execute("delete from jobs.pgqueuer")
    await connection.close()


async def test_a_cancelled_worker_loses_no_job(database, hub, tools, office, world):
    """pgqueuer deletes a job whose task is cancelled; ours goes back into the queue."""
    begun = asyncio.Event()

    async def act(_tools, _task):
        begun.set()
        await asyncio.sleep(3600)

    handler = Handler(name="test.job", act=act, limit=timedelta(hours=2))
    worker = Worker(database.app_dsn, hub, tools, handlers=[handler], ticks=[], pace=QUICK)
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    await ask(office, world.system)
    await begun.wait()
    inner = [t for t in asyncio.all_tasks() if t.get_coro().__name__ == "_dispatch"]
    assert len(inner) == 1
    inner[0].cancel()

    async def back():
        return [row for row in await rows(database) if row["status"] == "queued" or row["attempts"] >= 1]

    assert await until(back)
    stop.set()
    await task
    connection = await asyncpg.connect(database.admin_dsn)
    await connection.execute("delete from jobs.pgqueuer")
    await connection.close()


async def test_a_database_that_ends_every_connection_costs_no_job(database, hub, tools, office, world):
    done = []

    async def act(_tools, task):
        done.append(task.payload["n"])

    connection = await asyncpg.connect(database.admin_dsn)
    async with working(database, hub, tools, act):
        for n in range(30):
            await ask(office, world.system, n=n)
            if n % 10 == 5:
                await connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'evalium-jobs' "
                    "and datname = current_database()"
                )
        await until(lambda: none_left(database))
    await connection.close()
    assert set(done) == set(range(30))


async def test_a_handler_whose_failures_would_be_deleted_is_refused():
    manager = QueueManager(queries=None)

    async def func(_job):
        pass

    manager.register_executor("test.job", EntrypointExecutor(EntrypointExecutorParameters(0, func)))
    with pytest.raises(RuntimeError, match="would be deleted"):
        assert_nothing_is_lost(manager)
