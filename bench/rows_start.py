"""The row of the scoreboard about starting: a second start, against that of the libraries it stands on."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import httpx2

from bench.chaos_site import free_port
from bench.measure import ROUNDS, Bench
from bench.rows import Found, Row
from bench.world import World

LIBRARIES = "import asyncpg, cryptography, sqlalchemy.ext.asyncio, starlette.applications, strawberry, uvicorn"
PATIENCE = 60.0


async def second_start(bench: Bench, world: World) -> Found:
    """Start the product on a folder that holds its data already, until it answers; stop it, and start it again."""
    del bench, world
    with tempfile.TemporaryDirectory(prefix="evs-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        await asyncio.to_thread(folder.chmod, 0o755)
        await _started(folder)
        ours = [await _started(folder) for _ in range(ROUNDS)]
    theirs = [await asyncio.to_thread(_imported) for _ in range(ROUNDS)]
    took, bare = median(ours), median(theirs)
    return Found(took / bare, f"{took:.2f} s", f"{bare:.2f} s", {"ours": ours, "reference": theirs})


async def _started(folder: Path) -> float:
    """Return after how many seconds a started server is ready; it is stopped again."""
    port = free_port()
    environment = {**os.environ, "EVALIUM_DATA": str(folder), "EVALIUM_PORT": str(port)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = time.perf_counter()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.main", "serve"),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE), httpx2.AsyncClient() as http:
            while not await _is_ready(http, f"http://127.0.0.1:{port}/readyz"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
        return time.perf_counter() - before
    finally:
        server.send_signal(signal.SIGINT)
        await asyncio.wait_for(server.wait(), PATIENCE)


async def _is_ready(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).is_success
    except httpx2.TransportError:
        return False


def _imported() -> float:
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)  # noqa: S603 - our own command
    return time.perf_counter() - before


GOAL, AIM = 4.0, 2.0

START: Sequence[Row] = (Row("U1", "a second start, until it answers", GOAL, AIM, second_start, most=True),)
