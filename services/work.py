"""The transaction manager: the only way to a connection (domain.md section 2, dependencies.md 6.1).

A work is one transaction as one viewer. Its variables travel on BEGIN, so that row-level security sees them from the
first statement and none outlives the transaction. Leaving a work commits, and only then rings for the topics that the
services named.
"""

import asyncio
import copy
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import orjson
import structlog
from prometheus_client import Counter
from sqlalchemy import BigInteger, Boolean, Executable, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.util import greenlet_spawn

from models.activity import Activity
from models.base import uuid7
from realtime.topics import Topic
from services.driver import (
    DRIVER_ERRORS,
    LOCK_NOT_AVAILABLE,
    ScopedSession,
    TenantConnection,
    is_at_rest,
    is_lost,
    lies_ready,
    lock_key,
    rolled_back,
    translated,
    uninterrupted,
    watch_for_loss,
)
from services.refusals import InProgress
from services.unit import Unit
from services.vault import Vault
from services.viewer import Viewer

R = TypeVar("R")
W = TypeVar("W", "Work", "Unit")

log = structlog.get_logger(__name__)

RETRIES = Counter("evalium_work_retries", "Units of work tried again after the database rolled them back.")

ATTEMPTS = 4
"""How often a unit of work is tried when the database rolled it back for reasons of its own."""

SERVER_SETTINGS = {
    "timezone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "application_name": "evalium",
}
"""Of every connection. A statement under row-level security costs more to plan than to run, and our values are of one
kind (ids, small pages), so that the plan for any of them is the plan for all."""

_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
_BEGUN = object()
"""Stands for a transaction that the driver has begun and will end."""

_LOCK = text(
    "select case when shared then pg_advisory_xact_lock_shared(key) else pg_advisory_xact_lock(key) end, "
    "pg_current_xact_id_if_assigned() is null as clean "
    "from (select * from unnest(:keys, :modes) as wanted (key, shared) order by 1) keys",
).bindparams(bindparam("keys", type_=ARRAY(BigInteger)), bindparam("modes", type_=ARRAY(Boolean)))


class Work:
    """One transaction as one viewer. Services flush; leaving the work commits."""

    def __init__(
        self,
        session: AsyncSession | Callable[[], AsyncSession],
        viewer: Viewer,
        vault: Vault | None = None,
        *,
        driver: Any = None,
    ) -> None:
        self._session = session
        self.viewer = viewer
        self._vault = vault
        self.topics: set[Topic] = set()
        self.committing = False
        self.read_at: datetime | None = None
        """When the rows of a snapshot were read, once a statement has told; a writing work has no such instant."""
        self.is_snapshot = driver is not None
        self._driver: Any = driver

    @property
    def session(self) -> AsyncSession:
        """The ORM's session; a work that reads by the driver alone makes none."""
        if not isinstance(self._session, AsyncSession):
            self._session = self._session()
        return self._session

    @property
    def opened(self) -> AsyncSession | None:
        """The ORM's session, if there was any need for it."""
        return self._session if isinstance(self._session, AsyncSession) else None

    @property
    def vault(self) -> Vault:
        """What seals a secret for its row; an office that was opened without a key has none."""
        if self._vault is None:
            raise RuntimeError("This office was opened without a vault, so it cannot keep secrets.")
        return self._vault

    async def now(self) -> datetime:
        """Return the database's clock at this statement; every rule about time uses it."""
        return (await self.session.execute(select(func.evalium_now()))).scalar_one()

    async def rows(self, statement: Executable, parameters: dict[str, Any] | None = None) -> Sequence[Row[Any]]:
        """Run a statement and return all of its rows."""
        return (await self.session.execute(statement, parameters)).all()

    async def fetch(self, statement: str, *values: Any) -> Sequence[Mapping[str, Any]]:
        """Run a reading statement by the driver alone, in this transaction, and return its records.

        What the session has not flushed is not seen.
        """
        try:
            if self._driver is None:
                self._driver = await self._begun()
            return await self._driver.fetch(statement, *values)
        except (*DRIVER_ERRORS, OSError) as error:
            lost = await self._is_lost(error)
            raise OperationalError(statement, None, error, hide_parameters=True, connection_invalidated=lost) from error

    async def _is_lost(self, error: BaseException) -> bool:
        """Tell whether the connection is gone, and take it from the pool, which would lend it to the next reader."""
        if self.is_snapshot:
            return is_lost(self._driver, error)  # whoever opened the snapshot gives it back, and looks too
        connection = await self.session.connection()
        lost = is_lost((await connection.get_raw_connection()).driver_connection, error)
        if lost:
            await connection.invalidate(error)
        return lost

    async def _begun(self) -> Any:
        """Return the driver's connection, in the session's transaction."""
        connection = await (await self.session.connection()).get_raw_connection()
        adapter: Any = connection.dbapi_connection
        if adapter._transaction is None:  # noqa: SLF001 - SQLAlchemy begins with its own first statement only
            await adapter._start_transaction()  # noqa: SLF001 - likewise
        return connection.driver_connection

    async def lock(self, *names: str, shared: Sequence[str] = ()) -> None:
        """Wait for the named locks and hold them until the transaction ends, in one order for everybody.

        Those of `shared` are held together with others who share them, and keep only those out who want them alone.

        It must come before the first write: a transaction gets its id with its first write, and events are streamed in
        the order of these ids, so whoever holds a session's lock later must also have the later id.
        """
        modes = {lock_key(name): True for name in shared} | {lock_key(name): False for name in names}
        try:
            given = {"keys": list(modes), "modes": list(modes.values())}
            rows = (await self.session.execute(_LOCK, given)).all()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                raise InProgress from error
            raise
        if not all(row.clean for row in rows):
            raise RuntimeError(f"The locks {names} were asked for after the first write of the transaction.")

    def touch(self, *topics: Topic) -> None:
        """Name what changed; its followers are woken after the commit."""
        self.topics.update(topics)

    def record(
        self,
        act: str,
        subject: tuple[str, UUID],
        *,
        reason: str | None = None,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        """Append one row to the activity ledger, in the transaction of the change that it tells of."""
        told = activity_of(self.viewer, act, subject, reason=reason, before=before, after=after)
        # A key that is known here lets many rows go in one statement.
        self.session.add(Activity(tenant_id=self.viewer.tenant_id, id=uuid7(), **told))


async def _ended_by_driver(work: Work, adapter: Any) -> None:
    """End a snapshot; SQLAlchemy's session, where there is one, finds nothing left to end."""
    adapter._transaction = None  # noqa: SLF001 - as in `Office.snapshot`
    try:
        if work.opened is not None:
            await work.opened.close()
    finally:
        driver = adapter.driver_connection
        if not driver.is_closed():
            try:
                with translated("ROLLBACK", driver):
                    await driver.execute("ROLLBACK")
            except BaseException:
                driver.terminate()  # it may still be in the snapshot, as its viewer
                raise


class Office:
    """Opens works. One per process; `ring` hands the topics of a committed work to the doorbell."""

    def __init__(
        self,
        url: str,
        *,
        ring: Callable[[Iterable[Topic]], None],
        pool_size: int = 16,
        clock_shift: timedelta = timedelta(0),
        vault: Vault | None = None,
    ) -> None:
        self._ring = ring
        self._vault = vault
        self._shift = clock_shift
        self._engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            hide_parameters=True,
            json_deserializer=orjson.loads,
            connect_args={
                "connection_class": TenantConnection,
                "timeout": 5,
                "server_settings": SERVER_SETTINGS,
            },
        )

        watch_for_loss(self._engine)
        self._followers = asyncio.Semaphore(max(1, pool_size // 2))

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections of the pool are in use, and how many there may be."""
        pool = cast("QueuePool", self._engine.pool)
        return pool.checkedout(), pool.size()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    def shifted(self, shift: timedelta) -> "Office":
        """Return an office on the same connections whose clock is moved; for tests and simulations of time."""
        other = copy.copy(self)
        other._shift = shift  # noqa: SLF001 - a copy of this very object
        return other

    def _session(self, engine: AsyncEngine, viewer: Viewer) -> AsyncSession:
        return AsyncSession(
            engine,
            sync_session_class=ScopedSession,
            expire_on_commit=False,
            info={"variables": self._variables(viewer)},
        )

    def _variables(self, viewer: Viewer) -> dict[str, str]:
        return viewer.variables() | self._moved()

    def _moved(self) -> dict[str, str]:
        return {"app.clock_shift": f"{self._shift.total_seconds()} seconds"} if self._shift else {}

    @asynccontextmanager
    async def work(self, viewer: Viewer) -> AsyncGenerator[Work, None]:
        """Open a writing transaction; leaving it commits and rings, an exception rolls everything back."""
        async with self._session(self._engine, viewer) as session:
            work = Work(session, viewer, self._vault)
            yield work
            await session.flush()
            work.committing = True
            await session.commit()
        if work.topics:
            self._ring(work.topics)

    @asynccontextmanager
    async def snapshot(self, viewer: Viewer) -> AsyncGenerator[Work, None]:
        """Open a read-only transaction that sees one consistent state throughout.

        It is begun and ended by the driver alone; the ORM is put on top only where `Work.session` is asked for.
        """
        async with self._borrowed() as connection:
            adapter: Any = connection.dbapi_connection
            driver = adapter.driver_connection
            driver.variables = self._variables(viewer)
            try:
                with translated("BEGIN", driver):
                    await driver.execute(_BEGIN_SNAPSHOT)
            except BaseException:
                connection.invalidate()  # whether it took effect is not known
                raise
            adapter._transaction = _BEGUN  # noqa: SLF001 - the ORM, where there is need of it, finds a transaction begun
            work = Work(lambda: self._session_on(connection), viewer, self._vault, driver=driver)
            try:
                yield work
            finally:
                await uninterrupted(_ended_by_driver(work, adapter))

    @asynccontextmanager
    async def following(self, viewer: Viewer) -> AsyncGenerator[Work, None]:
        """Open a snapshot for who follows a stream; all of them together are lent half of the connections.

        Whoever has to wait takes turns. A thousand followers who read by themselves, as after a disturbance, would
        otherwise keep every connection from those who answer, save and hand in.
        """
        async with self._followers, self.snapshot(viewer) as work:
            yield work

    @asynccontextmanager
    async def _borrowed(self) -> AsyncGenerator[PoolProxiedConnection, None]:
        """Lend one connection of the pool; one that was lost while it lay there is replaced."""
        connection = await self._taken()
        while cast("Any", connection).driver_connection.is_closed():
            connection.invalidate()
            await greenlet_spawn(connection.close)
            connection = await self._taken()
        driver = cast("Any", connection).driver_connection
        try:
            yield connection
        finally:
            if driver.is_closed() and connection.is_valid:  # the ORM, where it met the loss, has done so itself
                connection.invalidate()
            if connection.is_valid and is_at_rest(connection):
                connection.close()
            else:
                await uninterrupted(greenlet_spawn(connection.close))

    async def _taken(self) -> PoolProxiedConnection:
        """Take a connection from the pool; one that lies there is taken without the detour that a wait needs."""
        sync = self._engine.sync_engine
        dbapi: Any = sync.dialect.loaded_dbapi
        if lies_ready(sync.pool):
            return sync.raw_connection()
        try:
            return await greenlet_spawn(sync.raw_connection)
        except dbapi.Error as error:
            raise OperationalError("connect", None, error, hide_parameters=True) from error

    def _session_on(self, connection: PoolProxiedConnection) -> AsyncSession:
        """Put the ORM on a connection whose transaction the driver has begun."""
        bound = AsyncConnection(self._engine, Connection(self._engine.sync_engine, connection))
        return AsyncSession(bound, expire_on_commit=False)

    async def perform(self, viewer: Viewer, act: Callable[[Work], Awaitable[R]], *, repeatable: bool = False) -> R:
        """Run `act` in a work and commit; try again when the database rolled it back or the connection broke.

        A connection that breaks during COMMIT leaves open whether it took effect, so that case is tried again only
        if the act is `repeatable`: it finds its own effect, for example by an idempotency key.
        """
        return await self._persistently(lambda: self.work(viewer), act, repeatable=repeatable)

    async def perform_unit(
        self, variables: dict[str, str], act: Callable[[Unit], Awaitable[R]], *, repeatable: bool = False
    ) -> R:
        """Run `act` by the driver alone, in a transaction with these variables, and try again as `perform` does."""
        return await self._persistently(lambda: self._unit(variables), act, repeatable=repeatable)

    @asynccontextmanager
    async def _unit(self, variables: dict[str, str]) -> AsyncGenerator[Unit, None]:
        async with self._borrowed() as connection:
            unit = Unit(cast("Any", connection).driver_connection)
            try:
                await unit.begin(variables | self._moved())
                yield unit
                await unit.commit()
            except BaseException:
                if not await unit.give_up() and connection.is_valid:
                    connection.invalidate()
                raise
        if unit.topics:
            self._ring(unit.topics)

    async def _persistently(
        self,
        opened: Callable[[], AbstractAsyncContextManager[W]],
        act: Callable[[W], Awaitable[R]],
        *,
        repeatable: bool,
    ) -> R:
        for attempt in range(1, ATTEMPTS + 1):
            work: W | None = None
            try:
                async with opened() as work:
                    answer = await act(work)
            except DBAPIError as error:
                unsure = work is not None and work.committing and not repeatable
                again = rolled_back(error) or (error.connection_invalidated and not unsure)
                if not again or attempt == ATTEMPTS:
                    raise
                RETRIES.inc()
                log.info("work.retried", attempt=attempt, cause=type(error.orig).__name__)
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter
            else:
                return answer
        raise AssertionError("unreachable: the last attempt returns or raises")


def activity_of(
    actor: Viewer,
    act: str,
    subject: tuple[str, UUID],
    *,
    reason: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the columns of a ledger row by which `actor` did something; the database adds tenant, time, position."""
    return {
        "actor_kind": str(actor.via),
        "actor_id": actor.actor_id,
        "actor_name": actor.name,
        "org_unit_id": actor.org_unit_id,
        "act": act,
        "subject_kind": subject[0],
        "subject_id": subject[1],
        "reason": reason,
        "before": before,
        "after": after,
    }


def is_passing(error: BaseException) -> bool:
    """Tell whether a read may have failed only because the database was away or overloaded: worth another attempt."""
    return isinstance(error, DBAPIError | PoolTimeout | OSError)
