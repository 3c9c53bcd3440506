import asyncio

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from models.assignments import Assignment
from models.base import uuid7
from models.identity import User
from models.sessions import DeliverySession
from models.submissions import Submission
from server.driver import connected
from services import plain
from services.sessions_expiry import submit
from services.viewer import Viewer
from services.work import Office, is_passing
from tests.factories import sessions as factory


@pytest.fixture(scope="module")
async def candidate(world):
    sitting = await factory.sitting(world)
    candidate = await sitting.candidate()
    await world.office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))
    return candidate


@pytest.mark.parametrize("model", [Assignment, User, DeliverySession, Submission])
async def test_a_plain_row_has_every_attribute_of_the_model_with_the_same_value(world, candidate, model):
    async with world.office.snapshot(world.system) as work:
        rows = {row.id: row for row in await work.session.scalars(select(model))}
        shown = await plain.by(work, model, "id", list(rows))
        (selected, *_) = await work.rows(select(*plain.columns(model)))
    assert {row.id for row in shown} == set(rows)
    keys = [one.key for one in inspect(model).column_attrs if not one.columns[0].info.get("large")]
    for row in [*shown, plain.row(model, selected)]:
        assert {key: getattr(row, key) for key in keys} == {key: getattr(rows[row.id], key) for key in keys}
        assert {key.removeprefix("_") for key in vars(row)} == set(keys)


async def test_row_level_security_hides_foreign_rows_even_from_the_first_statement(world, candidate):
    async with world.office.snapshot(Viewer.system(uuid7())) as work:
        assert await plain.by(work, DeliverySession, "id", [candidate.session_id]) == []
    async with world.office.snapshot(world.system) as work:
        assert len(await plain.by(work, DeliverySession, "id", [candidate.session_id])) == 1


async def test_plain_reads_see_the_same_snapshot_as_the_session(world, candidate):
    async with world.office.snapshot(world.system) as early:
        before = await plain.by(early, DeliverySession, "id", [candidate.session_id])
        another = await candidate.sitting.candidate()
        assert await plain.by(early, DeliverySession, "id", [another.session_id]) == []
        unseen = select(DeliverySession).where(DeliverySession.id == another.session_id)
        assert (await early.session.scalars(unseen)).all() == []
        assert await plain.by(early, DeliverySession, "id", [candidate.session_id]) == before


async def test_the_clock_is_the_database_s_with_the_office_s_shift(world):
    async with world.office.snapshot(world.system) as work:
        assert abs((await plain.now(work) - await work.now()).total_seconds()) < 5


async def test_a_failing_statement_is_a_database_error_of_sqlalchemy_and_spoils_no_connection(world):
    async with world.office.snapshot(world.system) as work:
        with pytest.raises(DBAPIError) as refused:
            await work.fetch("select 1 / 0")
    assert refused.value.orig.sqlstate == "22012"
    assert not refused.value.connection_invalidated
    async with world.office.snapshot(world.system) as work:
        assert (await work.fetch("select 1 as one"))[0]["one"] == 1


@pytest.mark.parametrize("within", [False, True])
async def test_a_connection_that_died_fails_the_read_that_it_served_and_is_never_lent_again(world, database, within):
    office = Office(database.app, ring=lambda _topics: None, pool_size=1)
    try:
        async with office.snapshot(world.system) as work:
            (row,) = await work.fetch("select pg_backend_pid() as pid")
            if within:
                await _end(database, row["pid"])
                with pytest.raises(DBAPIError) as failure:
                    await plain.now(work)
                assert is_passing(failure.value)
                assert failure.value.connection_invalidated
        if not within:
            await _end(database, row["pid"])
        async with office.snapshot(world.system) as work:
            assert await plain.now(work)
    finally:
        await office.close()


async def _end(database, pid):
    async with connected(database.admin_dsn) as admin:
        assert await admin.fetchval("select pg_terminate_backend($1, 5000)", pid)


LAST_WORD = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


async def _warned(office, viewer):
    """Have the only connection hear the server's last word; the end of the connection is still to come."""
    async with office.snapshot(viewer) as work:
        protocol = work._driver._protocol
        (row,) = await work.fetch("select pg_backend_pid() as pid")
    protocol.data_received(b"E" + (len(LAST_WORD) + 4).to_bytes(4) + LAST_WORD)
    return row["pid"]


async def test_a_connection_whose_end_is_told_and_still_to_come_fails_one_read_as_passing(world, database):
    office = Office(database.app, ring=lambda _topics: None, pool_size=1)
    try:
        old = await _warned(office, world.system)
        with pytest.raises(DBAPIError) as failure:
            async with office.snapshot(world.system):
                pytest.fail("nothing can be read by it")
        assert is_passing(failure.value)
        assert failure.value.connection_invalidated
        async with office.snapshot(world.system) as work:
            assert (await work.fetch("select pg_backend_pid() as pid"))[0]["pid"] != old
    finally:
        await office.close()


async def test_a_write_on_such_a_connection_is_tried_again_on_another(world, database):
    office = Office(database.app, ring=lambda _topics: None, pool_size=1)
    try:
        for perform in (office.perform, lambda _viewer, act: office.perform_unit(world.system.variables(), act)):
            await _warned(office, world.system)
            assert await perform(world.system, _answer) == 42
    finally:
        await office.close()


async def _answer(work):
    if hasattr(work, "rows"):
        return (await work.rows(text("select 42 as answer")))[0].answer
    return (await work.fetch("select 42 as answer"))[0]["answer"]


async def test_a_snapshot_that_cannot_be_ended_takes_its_connection_with_it(world, database):
    office = Office(database.app, ring=lambda _topics: None, pool_size=1)
    try:
        with pytest.raises(DBAPIError):
            async with office.snapshot(world.system) as work:
                (row,) = await work.fetch("select pg_backend_pid() as pid")
                left = asyncio.ensure_future(work.fetch("select pg_sleep(60)"))
                await asyncio.sleep(0)
        with pytest.raises(DBAPIError):
            await left
        async with office.snapshot(world.system) as work:
            assert (await work.fetch("select pg_backend_pid() as pid"))[0]["pid"] != row["pid"]
    finally:
        await office.close()


async def test_a_snapshot_that_ends_badly_leaves_no_trace_on_the_connection(world, database):
    office = Office(database.app, ring=lambda _topics: None, pool_size=1)
    try:
        for _ in range(2):
            with pytest.raises(RuntimeError):
                async with office.snapshot(world.system) as work:
                    await work.session.scalars(select(User))
                    raise RuntimeError("bad end")
            async with office.work(world.system) as work:
                told = await work.rows(text("select current_setting('transaction_read_only') as only"))
            assert told[0].only == "off"
    finally:
        await office.close()
