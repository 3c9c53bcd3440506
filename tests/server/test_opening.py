"""What a start waits for: a database that is away or in recovery, as the driver and as SQLAlchemy tell it."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from server.addresses import DatabaseAddress
from server.opening import is_away
from services.viewer import Viewer
from services.work import Office

AWAY = [
    asyncpg.CannotConnectNowError("the database system is in recovery mode"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
]


async def told_by_sqlalchemy(database: DatabaseAddress, monkeypatch, said: Exception) -> Exception:
    """What an office raises when the driver cannot connect and says this."""

    async def refuse(*_args, **_options):
        raise said

    monkeypatch.setattr(asyncpg, "connect", refuse)
    office = Office(database.app, ring=lambda _topics: None, pool_size=1)
    with pytest.raises(Exception, match=str(said)) as raised:
        async with office.snapshot(Viewer.anonymous()) as work:
            await work.now()
    await office.close()
    return raised.value


@pytest.mark.parametrize("said", AWAY, ids=lambda said: type(said).__name__)
async def test_a_database_that_is_away_is_waited_for(database, monkeypatch, said):
    assert is_away(said)
    wrapped = await told_by_sqlalchemy(database, monkeypatch, said)
    assert isinstance(wrapped, DBAPIError)
    assert is_away(wrapped)


async def test_a_wrong_password_is_not_waited_for(database, monkeypatch):
    said = asyncpg.InvalidPasswordError("password authentication failed")
    assert not is_away(said)
    assert not is_away(await told_by_sqlalchemy(database, monkeypatch, said))
