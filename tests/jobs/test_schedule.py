"""The periodic runner: what it does, and that neither a failure nor the end leaves something behind."""

import asyncio
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import func, select

from jobs import idempotency as pruner
from jobs import schedule, sessions
from models.idempotency import IdempotencyKey
from models.sessions import SessionState
from services.idempotency import Request, once
from services.ledger import Notary
from services.work import Office
from tests.factories import sessions as factory

NOTARY = Notary(bytes(32))


async def until(condition, seconds=20):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_overdue_sessions_are_closed_while_it_runs_and_it_stops_when_told(world, office):
    sitting = await factory.sitting(world)
    candidate = await sitting.candidate(time_limit=timedelta(seconds=1), grace=0)
    stop = asyncio.Event()
    running = asyncio.create_task(schedule.run(office, NOTARY, stop, 0.05))

    async def closed():
        return (await candidate.row()).state == SessionState.EXPIRED

    try:
        await until(closed)
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await running
    row = await candidate.row()
    assert row.ended_at == row.deadline_at


@pytest.mark.parametrize(
    ("failure", "told"),
    [(OSError("the database is away"), "job.postponed"), (ValueError("a fault of ours"), "job.failed")],
)
async def test_a_failing_job_is_logged_and_tried_again(office, monkeypatch, failure, told):
    turns = 0

    async def broken(_office):
        nonlocal turns
        turns += 1
        raise failure

    monkeypatch.setattr(sessions, "sweep", broken)
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(schedule.run(office, NOTARY, stop, 0.01))

        async def thrice():
            return turns >= 3

        await until(thrice)
        stop.set()
        await running
    failures = [entry for entry in logs if entry["event"] == told]
    assert len(failures) >= 3
    assert failures[0]["job"] == "sessions.sweep"


async def test_one_session_that_cannot_be_closed_does_not_keep_the_others_open(world, office, monkeypatch):
    sitting = await factory.sitting(world)
    bad = await sitting.candidate()
    good = await sitting.candidate()
    late = office.shifted(timedelta(hours=3))
    real = Office.perform

    async def perform(self, viewer, act, **options):
        if bad.session_id in getattr(act, "args", ()):
            raise RuntimeError("broken")
        return await real(self, viewer, act, **options)

    monkeypatch.setattr(Office, "perform", perform)
    with structlog.testing.capture_logs() as logs:
        assert await sessions.sweep(late) == 1
    assert [entry["session"] for entry in logs if entry["event"] == "sweep.failed"] == [str(bad.session_id)]
    assert (await good.row()).state == SessionState.EXPIRED
    monkeypatch.undo()
    assert await sessions.sweep(late) == 1


async def test_sweeping_goes_through_all_tenants(office):
    from tests.factories import tenants  # noqa: PLC0415 - a world of its own

    late = office.shifted(timedelta(hours=3))
    candidates = []
    for _ in range(3):
        world = await tenants.found(office)
        candidates.append(await (await factory.sitting(world)).candidate())
    assert await sessions.sweep(late, batch=1) == 3
    for candidate in candidates:
        assert (await candidate.row()).state == SessionState.EXPIRED


@pytest.mark.parametrize(("hours", "left"), [(23, 1), (25, 0)])
async def test_idempotency_keys_are_removed_after_a_day(world, office, hours, left):
    async def act(_work):
        return {"done": True}

    request = Request.of(f"test/{hours}", "key", {})
    await office.perform(world.system, lambda work: once(work, request, act))
    await pruner.prune(office.shifted(timedelta(hours=hours)))
    async with office.snapshot(world.system) as work:
        count = await work.session.scalar(
            select(func.count()).select_from(IdempotencyKey).where(IdempotencyKey.operation == request.operation)
        )
    assert count == left
