"""Both doorbells over real servers, with one face: what can be done to a wire, and what is left of it."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime.bell import CHANNEL, Bell
from realtime.bell_postgres import PostgresBell
from realtime.bell_redis import RedisBell
from server.cluster import Cluster
from server.driver import connected

PREFIX = "one"


async def until(holds: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait until a condition holds; answers how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)
    return time.monotonic() - began


class PostgresWire:
    """A PostgreSQL that may be stopped, and the bells on it."""

    name = "postgres"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="evb-"))
        self._folder.chmod(0o755)
        self._cluster = Cluster(self._folder, fast=True)
        self._frozen: list[int] = []

    def bell(self) -> Bell:
        return PostgresBell(self._cluster.dsn())

    async def start(self) -> None:
        await asyncio.to_thread(self._cluster.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._cluster.stop)

    async def ring(self, message: str) -> None:
        async with connected(self._cluster.dsn()) as admin:
            await admin.execute("select pg_notify($1, $2)", CHANNEL, message)

    async def connections(self) -> int:
        return len(await self._backends())

    async def cut(self) -> None:
        async with connected(self._cluster.dsn()) as admin:
            for pid in await self._backends():
                await admin.execute("select pg_terminate_backend($1)", pid)

    async def freeze(self) -> None:
        self._frozen = await self._backends()
        for pid in self._frozen:
            os.kill(pid, signal.SIGSTOP)

    async def thaw(self) -> None:
        for pid in self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen = []

    async def close(self) -> None:
        await self.thaw()
        await self.stop()
        shutil.rmtree(self._folder)

    async def _backends(self) -> list[int]:
        async with connected(self._cluster.dsn()) as admin:
            rows = await admin.fetch("select pid from pg_stat_activity where application_name = 'evalium-bell'")
        return [row["pid"] for row in rows]


class RedisWire:
    """A Redis that may be stopped, and the bells on it."""

    name = "redis"

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="evr-"))
        self.url = f"unix://{self._folder}/redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def bell(self, prefix: str = PREFIX) -> Bell:
        return RedisBell(self.url, prefix=prefix)

    async def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self._folder / "redis.sock"), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - the server under test
            [self._program, *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        async with asyncio.timeout(20):
            while not await self._answers():
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def ring(self, message: str) -> None:
        async with Redis.from_url(self.url) as admin:
            await admin.publish(f"evalium.bell.{PREFIX}", message)

    async def connections(self) -> int:
        async with Redis.from_url(self.url) as admin:
            return len(await admin.client_list()) - 1

    async def cut(self) -> None:
        async with Redis.from_url(self.url) as admin:
            assert await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 1

    async def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        await self.thaw()
        await self.stop()
        shutil.rmtree(self._folder)

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError, RedisError):
            async with asyncio.timeout(1), Redis.from_url(self.url, socket_timeout=1, retry=None) as admin:
                return await admin.ping()
        return False
