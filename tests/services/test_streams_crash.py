"""After a crash PostgreSQL hands out again the transaction ids that only unflushed transactions had: none may hide."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from migrations import run
from models.base import uuid7
from realtime.cursors import Position
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from server.database import prepare_embedded
from server.driver import connected
from server.setup_errors import DatabaseUnreachable
from services import streams
from services.refusals import CursorExpired
from services.work import Office
from tests.factories import tenants

APPEND = (
    "insert into session_events (tenant_id, org_unit_id, id, session_id, assignment_id, seq, kind, at) "
    "values ($1, $2, $3, $4, $4, $5, 'started', now())"
)


@pytest.fixture(scope="module")
async def crashing() -> AsyncIterator[tuple[Cluster, DatabaseAddress, Office, tenants.World]]:
    """A durable cluster of this module alone, to be crashed."""
    folder = Path(tempfile.mkdtemp(prefix="evc-"))
    folder.chmod(0o755)  # noqa: ASYNC240 - one call, in a test
    with Cluster(folder) as cluster:
        address = await prepare_embedded(cluster, "crashing")
        assert address.admin_dsn is not None
        await run.upgrade(address.admin_dsn)
        office = Office(address.app, ring=lambda _topics: None)
        yield cluster, address, office, await tenants.found(office)
        await office.close()
    shutil.rmtree(folder)


async def crash(dsn: str) -> None:
    """Kill one backend: the postmaster throws shared memory away, with whatever was not flushed, and recovers."""
    victim, bystander = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    os.kill(await victim.fetchval("select pg_backend_pid()"), signal.SIGKILL)
    for one in (victim, bystander):  # the end of the bystander tells that the postmaster has taken note
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            while True:
                await one.fetchval("select 1")
    async with asyncio.timeout(30):
        while True:
            try:
                async with connected(dsn) as admin:
                    await admin.fetchval("select 1")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DatabaseUnreachable):
                await asyncio.sleep(0.05)
            else:
                return


async def append(dsn: str, world: tenants.World, subject: UUID, seq: int, *, keep: bool) -> None:
    async with connected(dsn) as admin:
        await admin.execute("set session_replication_role = replica")  # the event alone, without a session's world
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute(APPEND, world.tenant_id, world.org_unit_id, uuid7(), subject, seq)
        await (transaction.commit() if keep else transaction.rollback())


async def page(office: Office, world: tenants.World, subject: UUID, after: Position) -> streams.Page:
    stream = streams.session_stream(world.tenant_id, subject)
    for _ in range(32):  # the pool finds out about the crash once per connection
        try:
            async with office.snapshot(world.system) as work:
                return await streams.events(work, stream, after, 500)
        except DBAPIError:
            continue
    raise AssertionError("the database does not answer")


@pytest.mark.parametrize("events_before", [0, 1])
async def test_a_reader_that_rests_misses_nothing_after_a_crash(crashing, events_before):
    _cluster, address, office, world = crashing
    subject, delivered = uuid7(), []
    for seq in range(1, events_before + 1):
        await append(address.admin_dsn, world, subject, seq, keep=True)
    await append(address.admin_dsn, world, subject, 9, keep=False)  # takes an id, and nothing makes it durable
    found = await page(office, world, subject, Position.start())
    delivered += [row.seq for row in found.rows]
    found = await page(office, world, subject, found.position)
    delivered += [row.seq for row in found.rows]

    await crash(address.admin_dsn)
    await append(address.admin_dsn, world, subject, 5, keep=True)

    found = await page(office, world, subject, found.position)
    delivered += [row.seq for row in found.rows]
    assert delivered == [*range(1, events_before + 1), 5]


@pytest.mark.parametrize("events_before", [0, 1])
async def test_a_cursor_from_now_on_misses_nothing_and_repeats_nothing_after_a_crash(crashing, events_before):
    _cluster, address, office, world = crashing
    subject = uuid7()
    for seq in range(1, events_before + 1):
        await append(address.admin_dsn, world, subject, seq, keep=True)
    await append(address.admin_dsn, world, subject, 9, keep=False)
    stream = streams.session_stream(world.tenant_id, subject)
    async with office.snapshot(world.system) as work:
        _at, start = await streams.here(work, stream)

    await crash(address.admin_dsn)
    await append(address.admin_dsn, world, subject, 5, keep=True)

    assert [row.seq for row in (await page(office, world, subject, start)).rows] == [5]


async def test_a_cursor_from_after_the_moment_that_was_restored_is_refused(crashing):
    """An old image of the disk keeps the cluster's epoch: only the id that was never handed out tells."""
    _cluster, _address, office, world = crashing
    stream = streams.session_stream(world.tenant_id, uuid7())
    async with office.snapshot(world.system) as work:
        at = await streams.horizon(work)
        lost = streams.cursor(b"secret", stream, at, Position(at.unused, uuid7()))
        with pytest.raises(CursorExpired, match="restored"):
            streams.position(b"secret", stream, at, lost)
        kept = Position(at.unused - 1, uuid7())
        assert streams.position(b"secret", stream, at, streams.cursor(b"secret", stream, at, kept)) == kept
