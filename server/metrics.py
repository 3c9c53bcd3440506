"""`GET /metrics` for Prometheus: what the service does and how it is, and never for whom.

No label names a tenant, a person or an object. With several workers each writes its numbers to files in one folder
(prometheus-client's multiprocess mode), and whichever worker is asked answers for them all. What is a state and not a
count is looked at every two seconds.
"""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client import generate_latest as printed
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resolvers.context import House
from server.sockets import WRITE, door
from server.workers import LIVED_WELL
from services import jobs_parked
from services.viewer import Viewer

LOOK_EVERY: Final = 2.0
PATIENCE: Final = 3.0
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_KNOWN_PATHS = frozenset(
    {
        "/",
        "/api/v1/activity/export",
        "/api/v1/assignments/redeem",
        "/auth/login",
        "/auth/verify",
        "/auth/refresh",
        "/auth/logout",
        "/graphql",
        "/graphql/stream",
        "/healthz",
        "/readyz",
        "/metrics",
        "/graphiql",
        "/invitation",
    }
)

REQUESTS = Counter("evalium_http_requests", "HTTP requests answered.", ["path", "status"])
OPERATIONS = Counter("evalium_operations", "GraphQL operations by kind and first code ('OK').", ["kind", "code"])
OPERATION_SECONDS = Histogram(
    "evalium_operation_seconds", "Seconds from a GraphQL operation to its first answer.", ["kind"], buckets=_FAST
)
OPEN = Gauge("evalium_live_connections", "Open sockets and event streams.", ["transport"], multiprocess_mode="livesum")
FRAMES = Counter("evalium_frames_sent", "Frames sent to sockets, and chunks to event streams.", ["transport"])
SENT_BYTES = Counter("evalium_frames_sent_bytes", "Bytes in these frames and chunks.", ["transport"])
POOL = Gauge(
    "evalium_pool_connections", "Database connections of the pool, by state.", ["state"], multiprocess_mode="livesum"
)
BELL_UP = Gauge(
    "evalium_wakeup_connected",
    "Whether the wake-up channel is connected; the worst worker.",
    multiprocess_mode="livemin",
)
ECHO_AGE = Gauge(
    "evalium_wakeup_echo_age_seconds",
    "Seconds since a process last heard its own wake-up, -1 before the first; the worst worker.",
    multiprocess_mode="livemax",
)
HEAD_AGE = Gauge(
    "evalium_stream_head_age_seconds",
    "Seconds for which the oldest open writing transaction of the cluster has kept events from every stream.",
    multiprocess_mode="livemax",
)
DATABASE_UP = Gauge(
    "evalium_database_up", "Whether the database answered at the last look.", multiprocess_mode="livemin"
)
STARTED = Gauge("evalium_start_time_seconds", "When the process opened, in Unix time.", multiprocess_mode="livemin")

QUEUE_WAITING = Gauge(
    "evalium_queue_jobs_waiting", "Jobs that may be begun, or are running.", multiprocess_mode="livemax"
)
QUEUE_AGE = Gauge(
    "evalium_queue_oldest_seconds", "Seconds since the oldest of these might be begun.", multiprocess_mode="livemax"
)
QUEUE_PARKED = Gauge("evalium_queue_jobs_parked", "Jobs that were given up.", multiprocess_mode="livemax")

_HORIZON = text(
    "select pg_snapshot_xmin(s)::text::bigint as oldest, pg_snapshot_xmax(s)::text::bigint as next "
    "from pg_current_snapshot() s"
)

log = structlog.get_logger(__name__)


class HeadAge:
    """How long the streams' horizon has been held by one transaction; needs no right to see other sessions."""

    def __init__(self) -> None:
        self._oldest = -1
        self._since = 0.0

    def seen(self, oldest: int, next_one: int, now: float) -> float:
        """Take in a snapshot's bounds and return the age in seconds: 0 when no writing transaction is open."""
        if oldest >= next_one:
            self._oldest = -1
            return 0.0
        if oldest != self._oldest:
            self._oldest, self._since = oldest, now
        return now - self._since


@asynccontextmanager
async def looking(house: House) -> AsyncGenerator[None, None]:
    """Look at what is a state, again and again, for the length of the block."""
    STARTED.set_to_current_time()
    task = asyncio.create_task(_look_often(house), name="metrics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _look_often(house: House) -> None:
    age = HeadAge()
    while True:
        await _look(house, age)
        await asyncio.sleep(LOOK_EVERY)


async def _look(house: House, age: HeadAge) -> None:
    BELL_UP.set(house.hub.connected)
    echo = house.hub.last_echo_age
    ECHO_AGE.set(-1 if echo is None else echo)
    used, size = house.office.connections
    POOL.labels("in use").set(used)
    POOL.labels("most").set(size)
    try:
        async with asyncio.timeout(PATIENCE), house.office.snapshot(Viewer.anonymous()) as work:
            (row,) = await work.rows(_HORIZON)
            queue = await jobs_parked.figures(work)
    except (SQLAlchemyError, OSError, TimeoutError):
        DATABASE_UP.set(0)  # the log tells of it where it hurts
        return
    DATABASE_UP.set(1)
    QUEUE_WAITING.set(queue.waiting)
    QUEUE_AGE.set(queue.oldest_seconds)
    QUEUE_PARKED.set(queue.parked)
    HEAD_AGE.set(age.seen(row.oldest, row.next, time.monotonic()))


@lru_cache(maxsize=512)
def _operations(kind: str, code: str) -> Counter:
    """Keep the child of a metric: to find it takes longer than to count."""
    return OPERATIONS.labels(kind, code)


@lru_cache(maxsize=512)
def _seconds(kind: str) -> Histogram:
    return OPERATION_SECONDS.labels(kind)


@lru_cache(maxsize=512)
def _requests(path: str, status: int) -> Counter:
    return REQUESTS.labels(path, status)


def answered(kind: str, code: str, seconds: float) -> None:
    """Count an operation by its first answer."""
    _operations(kind, code).inc()
    _seconds(kind).observe(seconds)


class Measured:
    """ASGI middleware: counts requests by path and status, open streams and sockets, and what they are sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on unchanged."""
        path: str = scope.get("path", "")
        if scope["type"] == "websocket":
            await self._live("websocket", "websocket.send", scope, receive, send)
        elif path == "/graphql/stream" and scope["type"] == "http":
            await self._live("sse", "http.response.body", scope, receive, send)
        elif scope["type"] == "http":
            await self._app(scope, receive, _counting(path, send))
        else:
            await self._app(scope, receive, send)

    async def _live(self, transport: str, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        frames, size, is_open = FRAMES.labels(transport), SENT_BYTES.labels(transport), OPEN.labels(transport)

        async def counting(message: Message) -> None:
            if message["type"] == kind:
                frames.inc()
                size.inc(len(message.get("text") or message.get("body") or b""))
            await send(message)

        write = door(scope)
        if write is not None:

            def counted(frame: bytes) -> bool:
                taken = write(frame)
                if taken:
                    frames.inc()
                    size.inc(len(frame))
                return taken

            scope["extensions"][WRITE] = counted
        is_open.inc()
        try:
            await self._app(scope, receive, counting)
        finally:
            is_open.dec()


def _pattern(path: str) -> str:
    """Return under which label a path is counted that has an id in it, or is none of ours."""
    is_monitor = path.startswith("/api/v1/assignments/") and path.endswith("/monitor")
    return "/api/v1/assignments/{id}/monitor" if is_monitor else "other"


def _counting(path: str, send: Send) -> Send:
    async def counting(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = path if path in _KNOWN_PATHS else _pattern(path)
            _requests(known, message["status"]).inc()
        await send(message)

    return counting


def routes(token: SecretStr | None, folder: Path | None) -> list[Route]:
    """Return the route of /metrics: for whoever has the token or, without one, for this machine only.

    `folder` is where several workers put their numbers.
    """

    async def metrics(request: Request) -> Response:
        if not _may_read(request, token):
            return PlainTextResponse("Not for you: see EVALIUM_METRICS_TOKEN in docs/settings.md.\n", 403)
        body = await asyncio.to_thread(_printed, folder)
        return Response(body, headers={"content-type": CONTENT_TYPE_LATEST, "cache-control": "no-store"})

    return [Route("/metrics", metrics, methods=["GET"])]


def forget_worker(folder: Path, pid: int, lived: float) -> None:
    """Drop the states of a worker that has ended; its counts stay, unless it died young and others may follow it."""
    forget: Callable[[int, str], None] = multiprocess.mark_process_dead  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - typed in part only
    forget(pid, str(folder))
    if lived < LIVED_WELL:
        for file in folder.glob(f"*_{pid}.db"):
            file.unlink(missing_ok=True)


def _printed(folder: Path | None) -> bytes:
    if folder is None:
        return printed(REGISTRY)
    registry: Any = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(folder))
    return printed(registry)


def _may_read(request: Request, token: SecretStr | None) -> bool:
    if token is not None:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, b"Bearer " + token.get_secret_value().strip().encode())
    return is_this_machine(request)


def is_this_machine(request: Request) -> bool:
    """Whether a request comes from this machine, and not from elsewhere through a proxy on it."""
    if request.client is None or not {"forwarded", "x-forwarded-for"}.isdisjoint(request.headers):
        return False  # a proxy on this machine speaks for somebody elsewhere
    return ipaddress.ip_address(request.client.host.partition("%")[0]).is_loopback
