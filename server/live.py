"""The connections that live longer than one answer, so that they can be ended from outside.

A socket or an event stream ends when its token expires, when the rights of its principal change (`cut`), and when the
process shuts down (`drain`). Each has one verdict, the first; whoever serves the connection waits for it, cancels the
operations first, and then says goodbye in the words of its protocol:

- a socket is closed with the verdict's code;
- an event stream ends with one `next` that holds the error and `complete`, or, when the process only restarts, with
  `retry:` and no `complete`, so that clients come back and resume from their cursor. For the same reason a socket
  gets no `complete` frames then, but 1012, on which graphql-ws connects again.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from socket import socket
from typing import Any, Final, NamedTuple, Protocol

import uvicorn

TOKEN_EXPIRED: Final = 4401
SERVICE_RESTART: Final = 1012
DRAIN_SECONDS: Final = 3.0
_LONGEST_SLEEP: Final = 30.0
_RESTARTING: Final = "The service restarts; connect again and resume; retryAfterMs=1000"


class Principal(Protocol):
    """Who acts; `expires_at` ends every connection opened with the same token, None never does."""

    @property
    def expires_at(self) -> datetime | None:
        """Return when the token's life is over, with a time zone."""
        ...


class Verdict(NamedTuple):
    """Why a connection ends, as a WebSocket close code and a reason of at most 123 bytes."""

    code: int
    reason: str


class LiveConnection:
    """One socket or event stream. `ended` resolves with the verdict; later verdicts change nothing."""

    def __init__(self, principal: Principal | None = None) -> None:
        self.principal: Any = None
        self.ended: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None
        if principal is not None:
            self.belongs_to(principal)

    def belongs_to(self, principal: Principal) -> None:
        """Say who uses the connection, and end it when the token expires."""
        self.principal = principal
        self.stop_waiting()
        if principal.expires_at is not None:
            self._watch(principal.expires_at)

    def end(self, code: int, reason: str) -> None:
        """Give the verdict."""
        self.stop_waiting()
        if not self.ended.done():
            self.ended.set_result(Verdict(code, reason))

    def end_in(self, seconds: float, code: int, reason: str) -> None:
        """Give the verdict after `seconds`, unless somebody claims the connection before."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end, code, reason)

    def stop_waiting(self) -> None:
        """Forget the pending verdict of a clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, expires_at: datetime) -> None:
        # In short sleeps, since the loop's clock stands still while a machine is suspended and a token's does not.
        left = (expires_at - datetime.now(UTC)).total_seconds()
        if left <= 0:
            self.end(TOKEN_EXPIRED, "The token has expired")
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(left, _LONGEST_SLEEP), self._watch, expires_at)


class LiveConnections:
    """Every live connection of the process."""

    def __init__(self) -> None:
        self._all: set[LiveConnection] = set()
        self._none_left = asyncio.Event()
        self._is_draining = False

    def __len__(self) -> int:
        return len(self._all)

    @property
    def is_draining(self) -> bool:
        """Whether the process goes away."""
        return self._is_draining

    @contextmanager
    def joined(self, connection: LiveConnection) -> Generator[None]:
        """Count a connection among the live ones for the block."""
        self._all.add(connection)
        self._none_left.clear()
        if self._is_draining:
            connection.end(SERVICE_RESTART, _RESTARTING)
        try:
            yield
        finally:
            self._all.discard(connection)
            connection.stop_waiting()
            if not self._all:
                self._none_left.set()

    def cut(self, predicate: Callable[[Any], bool], code: int = 4403, reason: str = "Your access has changed") -> int:
        """End the connections whose principal fulfils `predicate`; returns how many. Unclaimed sockets are spared."""
        doomed = [one for one in self._all if one.principal is not None and predicate(one.principal)]
        for connection in doomed:
            connection.end(code, reason)
        return len(doomed)

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """End every connection, and any that still comes, because the process goes away; wait up to `seconds`."""
        self._is_draining = True
        for connection in self._all:
            connection.end(SERVICE_RESTART, _RESTARTING)
        if self._all:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._none_left.wait()


class DrainingServer(uvicorn.Server):
    """A uvicorn server that drains its live connections on shutdown, before uvicorn waits for them to end."""

    def __init__(self, config: uvicorn.Config, live: LiveConnections) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop listening, let streams say goodbye, then shut down as uvicorn does."""
        for server in self.servers:
            server.close()
        await self._live.drain()
        await super().shutdown(sockets)
