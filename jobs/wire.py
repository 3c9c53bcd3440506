"""pgqueuer's way to the database: one connection that heals itself, and our doorbell in the place of LISTEN.

A statement waits for a database that is away instead of failing, because pgqueuer gives a job up, or loses count of it,
when the statement about it fails. What may have been run twice for that is harmless: jobs run at least once.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Self, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import structlog
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.models import TableChangedEvent
from pgqueuer.ports.driver import NotifyCallback

from realtime import topics
from realtime.hub import Hub
from services.jobs import QUEUE

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 15.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.5
LISTEN_SECONDS: Final = 60.0
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)
"""What tells that the connection, or the database, is gone. The last one: the driver has heard of the connection's end
and not of its closing, so the statement was never sent."""

log = structlog.get_logger(__name__)


class Wire:
    """A driver for pgqueuer; statements of one worker take turns on it."""

    def __init__(self, dsn: str, hub: Hub) -> None:
        self._dsn = dsn
        self._hub = hub
        self._turn = asyncio.Lock()
        self._connection: Any = None
        self._callbacks: list[NotifyCallback] = []
        self._ear: asyncio.Task[None] | None = None
        self._shutdown = asyncio.Event()
        self._hopeless = False

    @property
    def shutdown(self) -> asyncio.Event:
        """Return the event that pgqueuer sets."""
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        """Return a keeper of tasks; the wire has none that pgqueuer needs to know."""
        return TaskManager()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Run a statement and return its rows, however long the database is away."""
        rows = await self._persistently(lambda connection: connection.fetch(query, *args))
        return [dict(row) for row in rows]

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, however long the database is away."""
        return str(await self._persistently(lambda connection: connection.execute(query, *args)))

    async def notify(self, channel: str, payload: str) -> None:  # noqa: ARG002 - pgqueuer's own signature
        """Answer pgqueuer's question whether it still hears: it does, once the database has answered."""
        await self.fetch("select 1")
        for callback in list(self._callbacks):
            callback(payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:  # noqa: ARG002 - likewise
        """Have `callback` told whenever the doorbell rings for jobs."""
        self._callbacks.append(callback)
        if self._ear is None:
            self._ear = asyncio.create_task(self._listen(), name="jobs-listen")

    async def remove_listener(self, channel: str, callback: NotifyCallback) -> None:  # noqa: ARG002 - likewise
        """Stop telling `callback`."""
        self._callbacks.remove(callback)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stay open: two managers share the wire, and whoever made it closes it."""

    def give_up(self) -> None:
        """Wait for the database no longer: the process has to end."""
        self._hopeless = True

    async def close(self) -> None:
        """Stop listening, and end the connection."""
        if self._ear is not None:
            self._ear.cancel()
            await asyncio.wait([self._ear])
        self._drop()

    async def _listen(self) -> None:
        with self._hub.follow(topics.jobs()) as follower:
            while True:
                if await follower.wait(LISTEN_SECONDS):
                    told = _rung()
                    for callback in list(self._callbacks):
                        callback(told)

    async def _persistently(self, act: Callable[[Any], Any]) -> Any:
        async with self._turn:
            pause, told = FIRST_PAUSE, False
            while True:
                try:
                    async with asyncio.timeout(STATEMENT_SECONDS):
                        return await act(await self._connected())
                except AWAY as error:
                    self._drop()
                    if self._hopeless:
                        raise
                    if not told:
                        log.warning("jobs.database_away", cause=type(error).__name__)
                    told = True
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
            self._connection = await connect(
                self._dsn,
                timeout=CONNECT_SECONDS,
                server_settings={"timezone": "UTC", "jit": "off", "application_name": "evalium-jobs"},
            )
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _rung() -> str:
    """Return a ring of our doorbell in pgqueuer's words."""
    return TableChangedEvent(
        channel=QUEUE.channel,
        sent_at=datetime.now(UTC),
        type="table_changed_event",
        operation="insert",
        table=QUEUE.queue_table,
    ).model_dump_json()
