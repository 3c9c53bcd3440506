"""From a process that listens to a service that answers, whenever the database comes.

A process listens from its first moment. Until its database is there and at the newest revision, everything is answered
with 503 and the advice to come again; then the service opens behind the same socket. What cannot mend itself (a wrong
password, a login that is not safe, migrations that this login may not run) ends the start with a message instead.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import structlog
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from server import database
from server.addresses import DatabaseAddress
from server.app import Service
from server.cluster import Cluster
from server.settings import Settings
from server.setup_errors import DatabaseUnreachable, SetupError
from services import demonstration
from services.refusals import InProgress
from services.work import Office

T = TypeVar("T")

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 2.0
RETRY_AFTER_MS: Final = 2000
TRY_AGAIN_LATER: Final = 1013
_AWAY = (
    DatabaseUnreachable,
    OSError,
    TimeoutError,
    InProgress,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the end of the connection was told, and is still to come
    asyncpg.ReadOnlySQLTransactionError,  # still in recovery: it will be promoted, or is a replica, which doctor tells
)
_HEALTH = frozenset({"/healthz", "/readyz"})

log = structlog.get_logger(__name__)


async def owned(settings: Settings, cluster: Cluster | None) -> DatabaseAddress:
    """Wait for the database, bring it up to date, found the demonstration tenants, and return its addresses.

    Any number of processes and machines may do so at once. Raises a `SetupError` that waiting would not mend.
    """

    async def attempt() -> DatabaseAddress:
        address = await database.prepare(settings, cluster)
        await database.migrate(address)
        office = Office(address.app, ring=lambda _topics: None, pool_size=2)
        try:
            await demonstration.found(office)
        finally:
            await office.close()
        return address

    return await persistently(attempt)


async def joined(settings: Settings) -> DatabaseAddress:
    """Wait until another process has made the database ready, and return its addresses; nothing ends this wait."""

    async def attempt() -> DatabaseAddress:
        address = await database.find(settings)
        await database.require_current(address)
        return address

    def may_pass(error: Exception) -> bool:
        """Whatever the server says: login and database are made by the other process, a moment from now."""
        return isinstance(error, SetupError | asyncpg.PostgresError) or is_away(error)

    return await persistently(attempt, may_pass)


def is_away(error: Exception) -> bool:
    """Whether the database is only not there at the moment; SQLAlchemy wraps what the driver said."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(getattr(error.orig, "__cause__", None), _AWAY)
    return isinstance(error, _AWAY)


async def persistently(attempt: Callable[[], Awaitable[T]], may_pass: Callable[[Exception], bool] = is_away) -> T:
    """Try until it works, with growing pauses and one line in the log for each new reason to wait."""
    pause, told = FIRST_PAUSE, ""
    while True:
        try:
            found = await attempt()
        except Exception as error:
            if not may_pass(error):
                raise
            cause = str(error)[:300] or type(error).__name__
            if cause != told:
                log.warning("database.waiting", cause=cause)
            told = cause
        else:
            if told:
                log.info("database.ready")
            return found
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        pause = min(pause * 1.5, LONGEST_PAUSE)


class Gate:
    """The ASGI application of a process: closed with 503 until `prepare` has built the service, then the service.

    `failed` is called, once, when the service cannot be opened at all; `failure` then tells why.
    """

    def __init__(self, prepare: Callable[[], Awaitable[Service]], opened: Callable[[Service], Awaitable[None]]) -> None:
        self.failure: Exception | None = None
        self.failed: Callable[[], None] = lambda: None
        self._prepare = prepare
        self._opened = opened
        self._service: Service | None = None
        self._shell = Starlette(lifespan=self._life)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward to the service, or say that it is not there yet."""
        if scope["type"] == "lifespan":
            await self._shell(scope, receive, send)
        elif self._service is not None:
            await self._service.app(scope, receive, send)
        elif scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await socket.accept(next(iter(scope["subprotocols"]), None))
            await socket.close(TRY_AGAIN_LATER, "The service is starting; try again")
        else:
            await _not_yet(scope["path"])(scope, receive, send)

    @asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncGenerator[None, None]:
        over = asyncio.Event()
        life = asyncio.create_task(self._live(over), name="service")
        try:
            yield
        finally:
            over.set()
            if self._service is None:
                life.cancel()
            await asyncio.wait([life])

    async def _live(self, over: asyncio.Event) -> None:
        try:
            service = await self._prepare()
            async with service.app.router.lifespan_context(service.app):
                self._service = service
                await self._tell(service, over)
        except Exception as error:  # noqa: BLE001 - whoever started us raises it again, after everything is closed
            self.failure = error
            self.failed()

    async def _tell(self, service: Service, over: asyncio.Event) -> None:
        """Announce the service, even if its database goes away again just now, and stay until it is over."""
        ending = asyncio.create_task(over.wait())
        telling = asyncio.create_task(persistently(lambda: self._opened(service)))
        await asyncio.wait({ending, telling}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if telling.done():
                telling.result()
                await ending
        finally:
            for task in (ending, telling):
                task.cancel()
            await asyncio.wait({ending, telling})


def _not_yet(path: str) -> JSONResponse:
    headers = {"retry-after": str(RETRY_AFTER_MS // 1000), "cache-control": "no-store"}
    if path in _HEALTH:
        return JSONResponse({"status": "unavailable", "database": "does not answer"}, 503, headers)
    extensions = {
        "code": "UNAVAILABLE",
        "classification": "UNAVAILABLE",
        "hint": "Try again in a moment, with the same idempotency key.",
        "retryAfterMs": RETRY_AFTER_MS,
    }
    error = {"message": "The service is starting, or waits for its database.", "extensions": extensions}
    return JSONResponse({"errors": [error]}, 503, headers)
