"""A whole installation to be broken: one PostgreSQL, several API processes, perhaps a Redis."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from server import database
from server.cluster import Cluster
from server.demo_client import Client
from server.driver import connected
from server.settings import Settings, signing_key
from server.viewer import access_token
from services import demonstration
from services.tokens import Tokens
from services.work import Office

PATIENCE = 60.0
"""Seconds that anything may take to come back."""


def free_port() -> int:
    """Return a TCP port that nobody listens on, below those that the system gives to outgoing connections.

    A port from among those could be taken by a client while the process that listens on it is down.
    """
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port between 20000 and 30000")


@dataclass(slots=True)
class Api:
    """One API process."""

    port: int
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; it is up when `ready` returns."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server.main", "serve"],
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def ready(self) -> None:
        """Wait until it can answer queries."""
        async with httpx2.AsyncClient(timeout=5) as http, asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    if (await http.get(f"{self.base}/healthz")).is_success:
                        return
                await asyncio.sleep(0.05)


@dataclass(slots=True)
class Redis:
    """A Redis of our own, on a port of its own."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - as above

    def kill(self) -> None:
        """End it without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Site:
    """The installation: what it is made of, and how each part of it is broken and mended."""

    folder: Path
    cluster: Cluster
    apis: list[Api]
    redis: Redis | None
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    kills: dict[str, int] = field(default_factory=dict[str, int])

    def count(self, what: str) -> None:
        """Note one kill."""
        self.kills[what] = self.kills.get(what, 0) + 1

    def client(self, http: httpx2.AsyncClient, token: str, chance: random.Random) -> Client:
        """Return a client of one of the API processes."""
        return Client(chance.choice(self.apis).base, http, token)

    async def kill_api(self, chance: random.Random) -> None:
        """Kill one API process and start it again."""
        api = chance.choice(self.apis)
        api.kill()
        self.count("API process")
        api.start()

    async def kill_bell(self) -> None:
        """Break every connection that listens for the doorbell."""
        async with connected(self.cluster.dsn(database=database.DATABASE)) as admin:
            killed = await admin.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'evalium-bell'",
            )
        self.count("doorbell connection" if killed else "doorbell connection (was down)")

    async def kill_backend(self) -> None:
        """Kill -9 one database backend of the application; PostgreSQL then restarts all of them."""
        async with connected(self.cluster.dsn()) as admin:
            pid = await admin.fetchval(
                "select pid from pg_stat_activity where application_name = 'evalium' order by random() limit 1",
            )
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.count("database backend")

    async def kill_postmaster(self) -> None:
        """Kill -9 the database server; its supervisor starts it again."""
        if self.cluster.pid is not None:
            os.kill(self.cluster.pid, signal.SIGKILL)
            self.count("postmaster")

    async def restart_database(self) -> None:
        """Stop the database in order and start it again."""
        await asyncio.to_thread(self.cluster.stop)
        await asyncio.to_thread(self.cluster.start)
        self.count("database restart")

    async def restart_redis(self) -> None:
        """Kill Redis and start it again after a moment."""
        if self.redis is not None:
            self.redis.kill()
            await asyncio.sleep(0.5)
            self.redis.start()
            self.count("Redis")

    async def ready(self) -> None:
        """Wait until every API process can answer queries."""
        await asyncio.gather(*(api.ready() for api in self.apis))


@contextlib.asynccontextmanager
async def built(processes: int, *, redis: bool) -> AsyncGenerator[Site, None]:
    """Build a site, and take it down whatever happens."""
    folder = _folder()
    wake_up = Redis(free_port(), folder) if redis else None
    if wake_up is not None:
        wake_up.start()
    cluster = Cluster(folder)
    await asyncio.to_thread(cluster.start)
    address = await database.prepare_embedded(cluster, database.DATABASE)
    await database.migrate(address)
    environment = {
        **os.environ,
        "EVALIUM_DATA": str(folder),
        "DATABASE_URL": cluster.dsn(database=database.DATABASE),
        **({"REDIS_URL": f"redis://127.0.0.1:{wake_up.port}"} if wake_up else {}),
    }
    apis = [
        Api(port, {**environment, "EVALIUM_PORT": str(port)}, folder / f"api-{port}.log")
        for port in (free_port() for _ in range(processes))
    ]
    site = Site(folder, cluster, apis, wake_up)
    try:
        site.tokens = await _tokens(address.app, folder)
        for api in apis:
            api.start()
        await site.ready()
        yield site
    finally:
        for part in (*apis, *([wake_up] if wake_up else [])):
            part.kill()
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="evc-"))
    folder.chmod(0o755)  # for the user that PostgreSQL runs as when this runs as root
    return folder


async def _tokens(url: str, folder: Path) -> dict[str, str]:
    office = Office(url, ring=lambda _topics: None, pool_size=2)
    try:
        await demonstration.found(office)
        personas = {role: await demonstration.persona(office, "demo", role) for role in ("admin", "proctor")}
    finally:
        await office.close()
    tokens = Tokens(signing_key(Settings.model_validate({"EVALIUM_DATA": folder})))
    return {role: access_token(tokens, persona, datetime.now(UTC)) for role, persona in personas.items()}
