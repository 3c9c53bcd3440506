"""`evalium serve`: from nothing to a running service, and the table that tells how to use it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import uvicorn
from rich.console import Console
from rich.table import Table

from server import database
from server.app import Service, build
from server.limits import UVICORN_OPTIONS
from server.live import DrainingServer
from server.settings import Settings
from server.setup_errors import PortTaken
from server.viewer import access_token
from services import demonstration

SHOWN_ROLES = ("admin", "author", "proctor", "assessor", "viewer")


def serve(settings: Settings) -> None:
    """Start the database, migrate, found the demonstration tenants, and serve until interrupted."""
    with (
        database.embedded(settings) as cluster,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
        contextlib.suppress(KeyboardInterrupt),  # uvicorn has shut down in order by the time it raises this
    ):
        runner.run(_serve(settings, cluster))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where uvicorn finds it, else the standard one."""
    return uvicorn.Config("", loop="auto").get_loop_factory()


async def _serve(settings: Settings, cluster: database.Cluster | None) -> None:
    address = await database.prepare(settings, cluster)
    await database.migrate(address)
    service = build(settings, address)
    await demonstration.found(service.house.office)
    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    await _announce(service, f"http://{settings.host}:{port}")
    config = uvicorn.Config(service.app, log_level="warning", access_log=False, **UVICORN_OPTIONS)
    await DrainingServer(config, service.live).serve(sockets=[listener])


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


async def _announce(service: Service, base: str) -> None:
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
    for role in SHOWN_ROLES:
        persona = await demonstration.persona(service.house.office, "demo", role)
        console.print(f"  {role:<9} {access_token(service.house.tokens, persona, now)}")
    console.print("\nStop with Ctrl-C.")
