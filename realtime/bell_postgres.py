"""The doorbell over PostgreSQL's LISTEN and NOTIFY, on a connection of its own."""

import asyncio
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none

from realtime.bell import CHANNEL, CONNECTING, HEARTBEAT, Bell, NotConnected


class PostgresBell(Bell):
    """Listens on one direct connection that never opens a transaction, and rings over the same one."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self._dsn = dsn
        self._connection: Any = None
        self._turn = asyncio.Lock()

    async def session(self) -> None:
        """Listen until the connection ends or no longer answers."""
        connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - asyncpg has no types
        connection: Any = await connect(
            self._dsn,
            timeout=CONNECTING,
            server_settings={"application_name": "evalium-bell"},
        )
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: lost.set())  # pyright: ignore[reportUnknownLambdaType] - as above
            async with asyncio.timeout(CONNECTING):
                await connection.add_listener(CHANNEL, self._on_notify)
            self._connection = connection
            self.opened()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await lost.wait()
                except TimeoutError:
                    await self._run(connection, "select 1")
        finally:
            self._connection = None
            connection.terminate()

    async def publish(self, channel: str, message: Any) -> None:
        """Ring; raises when there is no connection or it breaks."""
        connection = self._connection
        if connection is None:
            raise NotConnected("the bell's connection to PostgreSQL is down")
        await self._run(connection, "select pg_notify($1, $2)", channel, message)

    async def _run(self, connection: Any, statement: str, *values: str) -> None:
        """Run a statement when it is its turn; a connection that does not answer in time is given up."""
        async with self._turn:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await connection.execute(statement, *values)
            except TimeoutError:
                connection.terminate()
                raise

    def _on_notify(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        self.heard(payload)
