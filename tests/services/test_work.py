import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from models.activity import Activity
from models.base import uuid7
from models.identity import Group
from realtime.topics import Topic
from services.refusals import InProgress
from services.viewer import Viewer
from services.work import Office
from tests.factories import tenants

SETTINGS = "select current_setting('app.tenant_id', true) as tenant, current_setting('app.scope_all', true) as scope"


async def test_variables_travel_on_begin_and_end_with_the_transaction(office, world):
    async with office.work(world.system) as work:
        row = (await work.rows(text(SETTINGS)))[0]
        assert (row.tenant, row.scope) == (str(world.tenant_id), None) or row.scope == ""
        async with work.session.begin_nested() as savepoint:
            await savepoint.rollback()
        assert (await work.rows(text(SETTINGS)))[0].tenant == str(world.tenant_id)
    async with office.work(Viewer.anonymous()) as work:
        assert (await work.rows(text(SETTINGS)))[0].tenant in (None, "")


async def test_a_work_costs_no_round_trip_for_its_variables(office, world, monkeypatch):
    sent = []
    original = asyncpg.Connection.execute

    async def spy(self, query, *args, timeout=None):  # noqa: ASYNC109 - asyncpg's own signature
        sent.append(query)
        return await original(self, query, *args, timeout=timeout)

    monkeypatch.setattr(asyncpg.Connection, "execute", spy)
    async with office.snapshot(world.system) as work:
        await work.now()
    begin = next(q for q in sent if q.startswith("BEGIN"))
    assert "READ ONLY" in begin
    assert "set_config('app.tenant_id'" in begin
    assert len([q for q in sent if "set_config" in q]) == 1


async def test_a_snapshot_cannot_write_and_sees_one_state(office, world):
    async with office.snapshot(world.system) as reader:
        before = await reader.rows(select(Group.id))
        async with office.work(world.system) as work:
            work.session.add(Group(name="Seen later"))
        assert await reader.rows(select(Group.id)) == before
    with pytest.raises(DBAPIError, match="read-only"):
        async with office.snapshot(world.system) as reader:
            await reader.session.execute(text("update groups set name = name"))


async def test_followers_leave_half_of_the_connections_to_others_and_take_turns(database, world):
    office = Office(database.app, ring=lambda _topics: None, pool_size=4)
    entered = asyncio.Queue()

    async def follow(leave):
        async with office.following(world.system) as work:
            entered.put_nowait(await work.fetch("select 1"))
            await leave.wait()

    leaving = [asyncio.Event() for _ in range(20)]
    following = [asyncio.create_task(follow(leave)) for leave in leaving]
    try:
        for _ in range(2):
            await entered.get()
        async with office.snapshot(world.system) as one, office.snapshot(world.system) as other:
            assert await one.now()
            assert await other.now()
            assert office.connections == (4, 4)
            assert entered.empty()
        for leave in leaving:
            leave.set()
        await asyncio.gather(*following)
        assert entered.qsize() == 18
    finally:
        await office.close()


async def test_topics_ring_after_commit_and_never_for_a_rollback(office, world, rung):
    rung.clear()
    with pytest.raises(ZeroDivisionError):
        async with office.work(world.system) as work:
            work.touch(Topic("lost"))
            raise ZeroDivisionError
    assert rung == []
    async with office.work(world.system) as work:
        work.touch(Topic("b"), Topic("a"), Topic("b"))
        assert rung == []
    assert rung == ["a", "b"]


async def test_what_fails_leaves_nothing(office, world):
    name = f"gone {uuid4()}"
    with pytest.raises(ZeroDivisionError):
        async with office.work(world.system) as work:
            work.session.add(Group(name=name))
            work.record("group.created", ("group", uuid7()))
            await work.session.flush()
            raise ZeroDivisionError
    async with office.snapshot(world.system) as work:
        assert await work.rows(select(Group.id).where(Group.name == name)) == []
        assert await work.rows(select(Activity.id).where(Activity.act == "group.created")) == []


async def test_a_lock_after_the_first_write_is_a_programming_error(office, world):
    with pytest.raises(RuntimeError, match="after the first write"):
        async with office.work(world.system) as work:
            work.session.add(Group(name=f"first {uuid4()}"))
            await work.session.flush()
            await work.lock("late")


async def test_locks_are_taken_in_one_order_so_that_crossing_requests_do_not_deadlock(office, world):
    async def hold(names):
        async def act(work):
            await work.lock(*names)
            await work.now()

        await office.perform(world.system, act)

    names = [f"lock {n}" for n in range(6)]
    async with asyncio.timeout(20):
        await asyncio.gather(*(hold(names if n % 2 else names[::-1]) for n in range(20)))


async def test_waiting_too_long_for_a_lock_is_a_typed_refusal(office, world):
    async with office.work(world.system) as holder:
        await holder.lock("busy")
        with pytest.raises(InProgress):
            async with office.work(world.system) as work:
                await work.session.execute(text("set local lock_timeout = '50ms'"))
                await work.lock("busy")


async def test_a_deadlock_is_tried_again_and_both_take_effect(office, world):
    groups = [uuid7(), uuid7()]
    async with office.work(world.system) as work:
        work.session.add_all([Group(id=group, name=f"row {group}") for group in groups])
    both_hold_one = asyncio.Barrier(2)
    tries = []

    def crossing(first, second):
        fresh = [True]

        async def act(work):
            tries.append(first)
            update = text("update groups set name = name || '!' where id = :id")
            await work.session.execute(update, {"id": first})
            if fresh.pop() if fresh else False:
                await both_hold_one.wait()
            await work.session.execute(update, {"id": second})

        return act

    await asyncio.gather(
        office.perform(world.system, crossing(*groups)),
        office.perform(world.system, crossing(*groups[::-1])),
    )
    assert len(tries) == 3
    async with office.snapshot(world.system) as work:
        names = await work.rows(select(Group.name).where(Group.id.in_(groups)))
    assert all(row.name.endswith("!!") for row in names)


async def test_a_broken_connection_is_tried_again_when_nothing_was_committed(office, world, database):
    admin = await asyncpg.connect(database.admin_dsn)
    tries = []

    async def act(work):
        pid = (await work.rows(text("select pg_backend_pid() as pid")))[0].pid
        tries.append(pid)
        if len(tries) == 1:
            await admin.execute("select pg_terminate_backend($1, 5000)", pid)
        return (await work.rows(text("select 42 as answer")))[0].answer

    assert await office.perform(world.system, act) == 42
    await admin.close()
    assert len(tries) == 2


async def test_a_stale_plan_after_a_migration_is_tried_again(office, world, database):
    admin = await asyncpg.connect(database.admin_dsn)
    await admin.execute("create table public.shaped (a int); grant select on shaped to evalium_app")

    async def act(work):
        return await work.rows(text("select * from shaped"))

    for _ in range(24):
        await office.perform(world.system, act)
    await admin.execute("alter table public.shaped add column b int")
    for _ in range(24):
        await office.perform(world.system, act)
    await admin.execute("drop table public.shaped")
    await admin.close()


async def test_the_clock_is_the_databases_and_tests_move_it(office, world):
    async with office.snapshot(world.system) as work:
        now = await work.now()
    async with office.shifted(timedelta(days=3653)).snapshot(world.system) as work:
        later = await work.now()
    assert timedelta(days=3653) <= later - now < timedelta(days=3653, seconds=30)


async def test_interleaved_tenants_on_two_connections_never_see_each_other(database):
    from services.work import Office  # noqa: PLC0415 - a small pool of its own

    office = Office(database.app, ring=lambda _: None, pool_size=2)
    worlds = [await tenants.found(office) for _ in range(6)]

    async def probe(world):
        async with office.work(world.system) as work:
            rows = await work.rows(text("select tenant_id from roles"))
            return {row.tenant_id for row in rows} == {world.tenant_id}

    answers = await asyncio.gather(*(probe(worlds[n % 6]) for n in range(300)))
    await office.close()
    assert all(answers)
