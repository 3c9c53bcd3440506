"""asyncpg for the process edge: one connection for a block, with types, and its many failures told apart in two.

asyncpg ships without complete types; the protocol here names what this floor uses.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
from pydantic import SecretStr

from server.addresses import parse
from server.setup_errors import DatabaseRefused, DatabaseUnreachable

CONNECT_SECONDS = 10.0


class Connection(Protocol):
    """The part of an asyncpg connection that provisioning and examination use."""

    async def execute(self, query: str, *args: object) -> str:
        """Run statements and return the last command tag."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Mapping[str, Any]]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Mapping[str, Any] | None:
        """Return the first row."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Open a transaction for a block."""
        ...

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        """Listen to a channel."""
        ...

    async def close(self) -> None:
        """End the session in order."""
        ...


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Connection]:
    """Open one connection for a block.

    Raises `DatabaseUnreachable` when the server does not answer (try again later) and `DatabaseRefused` when it
    answers no: wrong password, no such database.
    """
    connect = cast("Callable[..., Any]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - see above
    where = parse(SecretStr(dsn))
    attempt = f"No connection to database '{where.database}' at {where.host}:{where.port} as '{where.user}'"
    try:
        connection: Connection = await connect(dsn, timeout=CONNECT_SECONDS)
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.InsufficientPrivilegeError,
    ) as error:
        raise DatabaseRefused(f"{attempt}: {error}.") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise DatabaseUnreachable(f"{attempt}: {error or 'no answer'}.") from error
    try:
        yield connection
    finally:
        await connection.close()
