"""What works need of the driver below SQLAlchemy: variables on BEGIN, one kind of failure, a pool without detours."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import PoolProxiedConnection

R = TypeVar("R")

_ROLLED_BACK = frozenset({"40001", "40P01"})
_AWAY = ("08", "57P", "53300")
"""SQLSTATE: connection exceptions, the server's start and shutdown, too many connections."""

LOCK_NOT_AVAILABLE = "55P03"
OUT_OF_STEP = (asyncpg.InternalClientError, AsyncAdapt_asyncpg_dbapi.InternalClientError)
"""Raised where the driver can do nothing with a connection: the server said its last word, the end is still to come."""
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    AsyncAdapt_asyncpg_dbapi.Error,
)
"""What the driver raises, and what SQLAlchemy's adapter makes of it."""


@lru_cache(maxsize=4096)
def lock_key(name: str) -> int:
    """Return the number under which PostgreSQL knows the lock of this name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


class TenantConnection(asyncpg.Connection):
    """A driver connection that puts the variables of the next transaction on its BEGIN, at no extra round trip."""

    __slots__ = ("variables",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType] - asyncpg has no types
        self.variables: dict[str, str] | None = None

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's own signature
        """Run a command; a BEGIN carries the waiting variables with it."""
        if self.variables and query.startswith("BEGIN"):
            settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in self.variables.items())
            query = f"{query} SELECT {settings}"
            self.variables = None
        return await super().execute(query, *args, timeout=timeout)  # pyright: ignore[reportUnknownMemberType] - as above


class ScopedSession(Session):
    """An ORM session whose transactions begin with the variables in its `info`."""


@event.listens_for(ScopedSession, "after_begin")
def _hand_over_variables(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.variables = session.info["variables"]


def watch_for_loss(engine: AsyncEngine) -> None:
    """Have the ORM take a connection that is out of step for what it is: lost."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def _note(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, OUT_OF_STEP):
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False


def is_lost(driver: Any, error: BaseException) -> bool:
    """Tell whether a failure cost the connection; one that is out of step is ended here."""
    if isinstance(error, OUT_OF_STEP):
        driver.terminate()
    return bool(driver.is_closed())


@contextmanager
def translated(statement: str, driver: Any) -> Generator[None]:
    """Raise the driver's failures as SQLAlchemy would, so that there is one kind of them."""
    try:
        yield
    except (*DRIVER_ERRORS, OSError) as error:
        lost = is_lost(driver, error)
        raise OperationalError(statement, None, error, hide_parameters=True, connection_invalidated=lost) from error


async def driven(driver: Any, act: Callable[..., Awaitable[R]], statement: str, *values: Any) -> R:
    """Let the driver act, and tell its errors as SQLAlchemy would."""
    with translated(statement, driver):
        return await act(statement, *values)


async def uninterrupted(work: Coroutine[Any, Any, R]) -> R:
    """Await `work` to its end even while the current task is being cancelled, then let the cancellation go on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


def lies_ready(pool: Any) -> bool:
    """Tell whether the connection that a pool lends next is there and need not be made again, which is awaited."""
    idle = pool._pool._queue._queue  # noqa: SLF001 - the pool tells how many lie there, but not of what kind the next is
    return bool(idle) and not idle[0]._is_hard_or_soft_invalidated()  # noqa: SLF001 - likewise


def is_at_rest(connection: PoolProxiedConnection) -> bool:
    """Tell whether a connection can go back to the pool with nothing to be awaited."""
    adapter: Any = connection.dbapi_connection
    driver = adapter.driver_connection
    return adapter._transaction is None and not driver.is_closed() and not driver.is_in_transaction()  # noqa: SLF001 - as in `Office.snapshot`


def is_away(error: BaseException) -> bool:
    """Tell whether the database was away, starting, shutting down or had no connection to give: nothing is broken."""
    if isinstance(error, PoolTimeout | OSError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or state.startswith(_AWAY)


def rolled_back(error: DBAPIError) -> bool:
    """Tell whether the database says that the transaction left no trace and may simply be tried again."""
    cause = getattr(error.orig, "__cause__", None)
    return getattr(error.orig, "sqlstate", None) in _ROLLED_BACK or isinstance(
        cause,
        asyncpg.InvalidCachedStatementError,
    )
