from collections.abc import AsyncIterator

import pytest

from server.addresses import DatabaseAddress
from services.vault import Vault
from services.work import Office
from tests.factories import tenants


@pytest.fixture(scope="module")
async def office(database: DatabaseAddress) -> AsyncIterator[Office]:
    office = Office(database.app, ring=lambda _topics: None, pool_size=8, vault=Vault(bytes(32)))
    yield office
    await office.close()


@pytest.fixture(scope="module")
async def world(office: Office) -> tenants.World:
    return await tenants.found(office)
