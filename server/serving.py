"""`evalium serve`: from nothing to a running service, and the table that tells how to use it."""

import asyncio
import contextlib
import gc
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import uvicorn
from rich.console import Console
from rich.table import Table

from server import database, opening
from server.app import Service, build
from server.limits import UVICORN_OPTIONS
from server.live import DrainingServer, LiveConnections
from server.metrics import forget_worker
from server.opening import Gate
from server.settings import METRICS_FOLDER, Settings, environment
from server.setup_errors import PortTaken
from server.viewer import access_token
from server.workers import end_with_parent, supervise
from services import demonstration

R = TypeVar("R")

SHOWN_ROLES = ("admin", "author", "proctor", "assessor", "viewer")


def serve(settings: Settings, workers: int = 1) -> None:
    """Listen, start the database, migrate, found the demonstration tenants, and serve until SIGINT or SIGTERM.

    With several workers this process serves nothing itself: it keeps them running.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that PostgreSQL is stopped in order, too
    with (
        contextlib.closing(_listen(settings.host, settings.port)) as listener,
        database.embedded(settings) as cluster,
        contextlib.suppress(KeyboardInterrupt),  # uvicorn has shut down in order by the time it raises this
    ):
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})  # which links in mails name
        if workers == 1:
            run(_serve(listener, partial(_owned, settings, cluster), partial(_announce, settings, listener)))
        else:
            run(_keep_workers(settings, cluster, listener, workers))


def work(settings: Settings, descriptor: int) -> None:
    """Serve as one worker of several, on the socket that the parent opened."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end_with_parent()
    with contextlib.suppress(KeyboardInterrupt):
        run(_serve(socket.socket(fileno=descriptor), partial(_joined, settings), _silence))


def run(main: Coroutine[Any, Any, R]) -> R:
    """Run to the end on the fastest loop that there is."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where uvicorn finds it, else the standard one."""
    return uvicorn.Config("", loop="auto").get_loop_factory()


async def _serve(
    listener: socket.socket,
    prepare: Callable[[LiveConnections], Awaitable[Service]],
    opened: Callable[[Service], Awaitable[None]],
) -> None:
    live = LiveConnections()
    gate = Gate(partial(prepare, live), opened)
    config = uvicorn.Config(gate, log_level="warning", access_log=False, **UVICORN_OPTIONS)
    server = DrainingServer(config, live)

    def stop() -> None:
        server.should_exit = True

    gate.failed = stop
    await server.serve(sockets=[listener])
    if gate.failure is not None:
        raise gate.failure


async def _owned(settings: Settings, cluster: database.Cluster | None, live: LiveConnections) -> Service:
    return _settled(build(settings, await opening.owned(settings, cluster), live))


async def _joined(settings: Settings, live: LiveConnections) -> Service:
    return _settled(build(settings, await opening.joined(settings), live))


def _settled(service: Service) -> Service:
    """Leave what a process is made of out of garbage collection: it stays, and to look through it costs every request.

    What requests leave behind is freed by counting references; cycles are few, and looked for less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    return service


async def _silence(_service: Service) -> None:
    """Announce nothing: the parent does."""


async def _keep_workers(
    settings: Settings, cluster: database.Cluster | None, listener: socket.socket, count: int
) -> None:
    """Make the database ready and announce the service, while the workers wait for it and then serve."""

    async def make_ready() -> None:
        service = build(settings, await opening.owned(settings, cluster))
        await opening.persistently(partial(_announce, settings, listener, service))
        await service.house.office.close()

    folder = settings.data / f"metrics-{listener.getsockname()[1]}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shared = environment(**{METRICS_FOLDER: str(folder), "EVALIUM_PORT": str(settings.port)})
    try:
        await supervise(count, listener, started=make_ready, environment=shared, ended=partial(forget_worker, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is announced, so that a busy one is a clear message and nothing else."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(host, port) from error
    listener.listen(2048)
    return listener


async def _announce(settings: Settings, listener: socket.socket, service: Service) -> None:
    base = f"http://{settings.host}:{listener.getsockname()[1]}"
    personas = {role: await demonstration.persona(service.house.office, "demo", role) for role in SHOWN_ROLES}
    console = Console(soft_wrap=True, highlight=False)
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, path in (
        ("GraphiQL", "/graphiql"),
        ("GraphQL", "/graphql"),
        ("Streams (SSE)", "/graphql/stream"),
        ("Health", "/healthz"),
    ):
        table.add_row(name, base + path)
    console.print(table)
    console.print("\nAccess tokens of the demonstration tenant, good for 24 hours:")
    now = datetime.now(UTC)
    for role, persona in personas.items():
        console.print(f"  {role:<9} {access_token(service.house.tokens, persona, now)}")
    console.print("\nStop with Ctrl-C.")
