"""The transaction manager: the only way to a connection (domain.md section 2, dependencies.md 6.1).

A work is one transaction as one viewer. Its variables travel on BEGIN, so that row-level security sees them from the
first statement and none outlives the transaction. Leaving a work commits, and only then rings for the topics that the
services named.
"""

import asyncio
import copy
import hashlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import structlog
from prometheus_client import Counter
from sqlalchemy import BigInteger, Executable, bindparam, event, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import QueuePool

from models.activity import Activity
from models.base import uuid7
from realtime.topics import Topic
from services.refusals import InProgress
from services.vault import Vault
from services.viewer import Viewer

R = TypeVar("R")

log = structlog.get_logger(__name__)

RETRIES = Counter("evalium_work_retries", "Units of work tried again after the database rolled them back.")

ATTEMPTS = 4
"""How often a unit of work is tried when the database rolled it back for reasons of its own."""

_ROLLED_BACK = frozenset({"40001", "40P01"})
_LOCK_NOT_AVAILABLE = "55P03"

_LOCK = text(
    "select pg_advisory_xact_lock(key), pg_current_xact_id_if_assigned() is null as clean "
    "from (select unnest(:keys) as key order by 1) keys",
).bindparams(bindparam("keys", type_=ARRAY(BigInteger)))


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


class _ScopedSession(Session):
    """An ORM session whose transactions begin with the variables in its `info`."""


@event.listens_for(_ScopedSession, "after_begin")
def _hand_over_variables(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.variables = session.info["variables"]


class Work:
    """One transaction as one viewer. Services flush; leaving the work commits."""

    def __init__(self, session: AsyncSession, viewer: Viewer, vault: Vault | None = None) -> None:
        self.session = session
        self.viewer = viewer
        self._vault = vault
        self.topics: set[Topic] = set()
        self.committing = False
        self._driver: Any = None

    @property
    def vault(self) -> Vault:
        """What seals a secret for a job; an office that was opened without a key has none."""
        if self._vault is None:
            raise RuntimeError("This office was opened without a vault, so it cannot keep secrets for jobs.")
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
        if self._driver is None:
            connection = await (await self.session.connection()).get_raw_connection()
            adapter: Any = connection.dbapi_connection
            if adapter._transaction is None:  # noqa: SLF001 - SQLAlchemy begins with its own first statement only
                await adapter._start_transaction()  # noqa: SLF001 - likewise
            self._driver = connection.driver_connection
        try:
            return await self._driver.fetch(statement, *values)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            lost = bool(self._driver.is_closed())
            raise OperationalError(statement, None, error, hide_parameters=True, connection_invalidated=lost) from error

    async def lock(self, *names: str) -> None:
        """Wait for the named locks and hold them until the transaction ends, in one order for everybody.

        It must come before the first write: a transaction gets its id with its first write, and events are streamed in
        the order of these ids, so whoever holds a session's lock later must also have the later id.
        """
        keys = sorted({int.from_bytes(hashlib.sha256(n.encode()).digest()[:8], signed=True) for n in names})
        try:
            rows = (await self.session.execute(_LOCK, {"keys": keys})).all()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
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
        viewer = self.viewer
        self.session.add(
            Activity(
                tenant_id=viewer.tenant_id,  # a key that is known here lets many rows go in one statement
                id=uuid7(),
                actor_kind=viewer.via,
                actor_id=viewer.user_id or viewer.session_id,
                actor_name=viewer.name,
                org_unit_id=viewer.org_unit_id,
                act=act,
                subject_kind=subject[0],
                subject_id=subject[1],
                reason=reason,
                before=before,
                after=after,
            ),
        )


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
            connect_args={
                "connection_class": TenantConnection,
                "timeout": 5,
                "server_settings": {"timezone": "UTC", "jit": "off", "application_name": "evalium"},
            },
        )
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

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
        variables = viewer.variables()
        if self._shift:
            variables["app.clock_shift"] = f"{self._shift.total_seconds()} seconds"
        return AsyncSession(
            engine,
            sync_session_class=_ScopedSession,
            expire_on_commit=False,
            info={"variables": variables},
        )

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
        """Open a read-only transaction that sees one consistent state throughout."""
        async with self._session(self._snapshots, viewer) as session:
            yield Work(session, viewer, self._vault)

    async def perform(self, viewer: Viewer, act: Callable[[Work], Awaitable[R]], *, repeatable: bool = False) -> R:
        """Run `act` in a work and commit; try again when the database rolled it back or the connection broke.

        A connection that breaks during COMMIT leaves open whether it took effect, so that case is tried again only
        if the act is `repeatable`: it finds its own effect, for example by an idempotency key.
        """
        for attempt in range(1, ATTEMPTS + 1):
            work: Work | None = None
            try:
                async with self.work(viewer) as work:
                    answer = await act(work)
            except DBAPIError as error:
                unsure = work is not None and work.committing and not repeatable
                again = _rolled_back(error) or (error.connection_invalidated and not unsure)
                if not again or attempt == ATTEMPTS:
                    raise
                RETRIES.inc()
                log.info("work.retried", attempt=attempt, cause=type(error.orig).__name__)
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter
            else:
                return answer
        raise AssertionError("unreachable: the last attempt returns or raises")


def is_passing(error: BaseException) -> bool:
    """Tell whether a read may have failed only because the database was away or overloaded: worth another attempt."""
    return isinstance(error, DBAPIError | PoolTimeout | OSError)


def _rolled_back(error: DBAPIError) -> bool:
    """Tell whether the database says that the transaction left no trace and may simply be tried again."""
    cause = getattr(error.orig, "__cause__", None)
    return getattr(error.orig, "sqlstate", None) in _ROLLED_BACK or isinstance(
        cause,
        asyncpg.InvalidCachedStatementError,
    )
