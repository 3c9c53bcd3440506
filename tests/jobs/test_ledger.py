"""The sealer against a real database: commit order, no row twice, no writer that waits, whoever dies in between."""

import asyncio
import os
import signal
from functools import partial

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jobs import ledger as sealer
from models.base import uuid7
from services import ledger_seal
from services.ledger import Notary
from services.viewer import Viewer
from services.work import Office
from tests.factories import tenants

NOTARY = Notary(bytes(32))
ORDER = (
    "select s.position, s.hash, a.xid, a.id from activity a left join activity_seals s using (tenant_id, id) "
    "where a.tenant_id = $1 order by a.xid, a.id"
)


@pytest.fixture
async def place(office):
    return await tenants.found(office)


@pytest.fixture
async def admin(database):
    connection = await asyncpg.connect(database.admin_dsn)
    yield connection
    await connection.close()


async def write(place, count=1):
    async with place.office.work(place.system) as work:
        for _ in range(count):
            work.record("test.done", ("test", uuid7()), reason="because", after={"share": 0.5, "n": None})


async def seal_all(place):
    async with asyncio.timeout(30):
        while True:
            _, left, _ = await sealer.seal_tenant(place.office, NOTARY, place.tenant_id)
            if not left:
                return
            await asyncio.sleep(0.02)


async def positions(admin, place):
    return [row["position"] for row in await admin.fetch(ORDER, place.tenant_id)]


async def test_rows_are_sealed_in_commit_order_once(place, admin):
    for count in (1, 700, 3):
        await write(place, count)
    await seal_all(place)
    assert await positions(admin, place) == list(range(1, 706))  # with that of the founding
    assert (await sealer.seal_tenant(place.office, NOTARY, place.tenant_id))[0] == 0


async def test_a_row_whose_transaction_still_runs_keeps_back_what_came_later(place, admin, office):
    await seal_all(place)
    before = len(await positions(admin, place))
    async with office.work(place.system) as slow:
        slow.record("test.slow", ("test", uuid7()))
        await slow.session.flush()
        await write(place, 2)
        sealed, left, age = await sealer.seal_tenant(office, NOTARY, place.tenant_id)
        assert (sealed, left) == (0, 2)
        assert age >= 0
    await seal_all(place)
    acts = await admin.fetch(
        "select act from activity join activity_seals using (tenant_id, id) where tenant_id = $1 and position > $2 order by position",
        place.tenant_id,
        before,
    )
    assert [row["act"] for row in acts] == ["test.slow", "test.done", "test.done"]


async def test_two_sealers_at_once_give_each_position_once(place, admin, database):
    others = [Office(database.app, ring=lambda _topics: None, pool_size=4) for _ in range(3)]
    try:
        for _ in range(5):
            await write(place, 60)
            await asyncio.gather(*(sealer.seal_tenant(one, NOTARY, place.tenant_id) for one in others))
        await seal_all(place)
        assert await positions(admin, place) == list(range(1, 302))
    finally:
        for one in others:
            await one.close()


async def test_a_checkpoint_is_signed_when_the_chain_went_on(place, office):
    await write(place)
    await seal_all(place)
    viewer = Viewer.system(place.tenant_id)
    async with office.snapshot(viewer) as work:
        (first,) = await ledger_seal.checkpoints(work, 1, 1000)
        assert first.is_signed_by(NOTARY.public)
        assert first.count == (await ledger_seal.head(work))[0]
    await write(place)
    await seal_all(place)
    async with office.snapshot(viewer) as work:
        assert len(await ledger_seal.checkpoints(work, 1, 1000)) == 1, "the first is fresh"
    on_demand = await office.perform(viewer, lambda work: ledger_seal.checkpoint(work, NOTARY, older_than=0))
    assert (on_demand.number, on_demand.count) == (2, first.count + 1)
    again = await office.perform(viewer, lambda work: ledger_seal.checkpoint(work, NOTARY, older_than=0))
    assert again == on_demand


@pytest.mark.parametrize("table", ["activity", "activity_seals", "activity_checkpoints"])
async def test_nobody_changes_what_was_written(place, office, database, table):
    await write(place)
    await seal_all(place)
    for command in (f"update {table} set tenant_id = tenant_id", f"delete from {table}"):
        with pytest.raises(Exception, match="permission denied"):
            async with office.work(place.system) as work:
                await work.session.execute(text(command))
        owner = await asyncpg.connect(database.admin_dsn)
        with pytest.raises(asyncpg.PostgresError, match="never changed"):
            await owner.execute(command)
        await owner.close()


async def test_a_sealer_that_is_killed_leaves_nothing_half_done(place, admin, office):
    """Its backend dies between the insertion of seals and their commit."""
    await write(place, 20)
    viewer = Viewer.system(place.tenant_id)
    with pytest.raises(DBAPIError):
        async with office.work(viewer) as work:
            assert await ledger_seal.seal(work) == 21
            pid = (await work.fetch("select pg_backend_pid() as pid"))[0]["pid"]
            await admin.execute("select pg_terminate_backend($1)", pid)
            await work.session.execute(text("select 1"))
    assert await positions(admin, place) == [None] * 21
    await seal_all(place)
    assert await positions(admin, place) == list(range(1, 22))


SEALING_PROCESS = """
import asyncio, sys
from uuid import UUID
from services import ledger_seal
from services.viewer import Viewer
from services.work import Office
async def main(url, tenant):
    office = Office(url, ring=lambda topics: None, pool_size=2)
    async with office.work(Viewer.system(UUID(tenant))) as work:
        print(await ledger_seal.seal(work), flush=True)
        await asyncio.sleep(60)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_killed_in_the_middle_of_sealing_keeps_nobody_out(place, admin, database):
    import sys  # noqa: PLC0415 - for the path of the interpreter alone

    await write(place, 20)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SEALING_PROCESS, database.app, str(place.tenant_id), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"21\n"
        assert (await sealer.seal_tenant(place.office, NOTARY, place.tenant_id))[0] == 0, "the other holds the lock"
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    await seal_all(place)
    assert await positions(admin, place) == list(range(1, 22))


async def test_writers_do_not_wait_for_the_sealer(place, admin, office):
    """Eight write while a seal is being made and not committed; with sealers at work all is sealed in commit order."""
    await write(place, 20)
    async with office.work(Viewer.system(place.tenant_id)) as work:
        assert await ledger_seal.seal(work) == 21
        async with asyncio.timeout(30):
            await asyncio.gather(*(write(place) for _ in range(8)))

    async def writing() -> None:
        for _ in range(25):
            await write(place)

    writers = asyncio.gather(*(writing() for _ in range(8)))
    while not writers.done():
        await sealer.seal_tenant(office, NOTARY, place.tenant_id)
    await writers
    await seal_all(place)
    found = await positions(admin, place)
    assert found == list(range(1, 21 + 8 + 8 * 25 + 1))


async def test_one_tenant_that_fails_does_not_keep_the_others_waiting(place, admin, office, monkeypatch):
    other = await tenants.found(office)
    real = Office.perform

    async def perform(self, viewer, act, **options):
        if viewer.tenant_id == other.tenant_id:
            raise RuntimeError("broken")
        return await real(self, viewer, act, **options)

    monkeypatch.setattr(Office, "perform", perform)
    await partial(sealer.seal, NOTARY)(office)
    async with asyncio.timeout(20):
        while None in await positions(admin, place):
            await partial(sealer.seal, NOTARY)(office)
    assert await positions(admin, other) == [None]
