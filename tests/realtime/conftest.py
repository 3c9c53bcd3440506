import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator

import pytest

from server.addresses import DatabaseAddress
from services.vault import Vault
from services.work import Office
from tests.factories import tenants
from tests.realtime.wires import PostgresWire, RedisWire, until


def redis_program() -> str:
    program = shutil.which("redis-server")
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("redis-server is missing: the bell over Redis must be tested here")
    if program is None:
        pytest.skip("no redis-server on PATH")
    return program


@pytest.fixture(scope="module")
async def redis_wire() -> AsyncIterator[RedisWire]:
    wire = RedisWire(redis_program())
    await wire.start()
    yield wire
    await wire.close()


@pytest.fixture(scope="module", params=["postgres", pytest.param("redis", marks=pytest.mark.needs_redis)])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[PostgresWire | RedisWire]:
    """One after the other: PostgreSQL and Redis, each of this module alone."""
    made = PostgresWire() if request.param == "postgres" else RedisWire(redis_program())
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def tidy() -> AsyncIterator[None]:
    """Fail when a test leaves a task running, or an exception that nobody looked at."""
    loop = asyncio.get_running_loop()
    unobserved: list[dict] = []
    before = asyncio.all_tasks()
    gc.collect()
    gc.freeze()  # what was there before this test is not looked through again after it
    loop.set_exception_handler(lambda _loop, context: unobserved.append(context))
    yield
    mine = {asyncio.current_task()}
    await until(lambda: not asyncio.all_tasks() - before - mine)
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert unobserved == []


@pytest.fixture(scope="module")
async def office(database: DatabaseAddress) -> AsyncIterator[Office]:
    office = Office(database.app, ring=lambda _topics: None, pool_size=24, vault=Vault(bytes(32)))
    yield office
    await office.close()


@pytest.fixture(scope="module")
async def world(office: Office) -> tenants.World:
    return await tenants.found(office)
