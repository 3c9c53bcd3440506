"""The wire of a worker's statements: it goes on where the database has ended its connection."""

import asyncio

import asyncpg

from jobs.wire import Wire
from realtime.hub import Hub
from server.addresses import DatabaseAddress


async def test_a_connection_that_the_database_ends_is_made_anew(database: DatabaseAddress, hub: Hub):
    """At any moment: before its end is heard of, in the middle of hearing, and after."""
    assert database.admin_dsn is not None
    admin = await asyncpg.connect(database.admin_dsn)
    wire = Wire(database.app_dsn, hub)
    try:
        async with asyncio.timeout(60):
            for turns in range(40):
                (told,) = await wire.fetch("select pg_backend_pid() as pid")
                await admin.fetchval("select pg_terminate_backend($1)", told["pid"])
                for _ in range(turns % 8):
                    await asyncio.sleep(0)
                assert await wire.fetch("select 1 as one") == [{"one": 1}]
    finally:
        await wire.close()
        await admin.close()
