"""The product as a process of its own, started and killed as an operator would: `evalium serve` on a free port."""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from server.addresses import DatabaseAddress
from server.cluster import Cluster
from server.database import DATABASE, address_in
from tests.walks.conftest import Live

EVALIUM = [sys.executable, "-m", "server.main"]
ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def data_directory() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, and that the user of PostgreSQL may enter."""
    folder = Path(tempfile.mkdtemp(prefix="evp-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def environment(data: Path, **more: str) -> dict[str, str]:
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("EVALIUM_", "PYTHONDONTWRITE")) and not k.endswith(("DATABASE_URL", "REDIS_URL"))
    }
    return {**kept, "EVALIUM_DATA": str(data), **more}


def evalium(data: Path, *arguments: str, seconds: float = PATIENCE, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*EVALIUM, *arguments]
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=ROOT, env=environment(data, **more), capture_output=True, text=True, timeout=seconds, check=False
    )


@dataclass
class Served:
    """A running `evalium serve`: `took` seconds passed from its launch to the first healthy answer."""

    process: subprocess.Popen[bytes]
    data: Path
    took: float = 0.0

    @property
    def base(self) -> str:
        """Its address, as printed."""
        (address,) = re.findall(r"(http://\S+)/healthz", self.told)
        return address

    @property
    def port(self) -> str:
        return self.base.rpartition(":")[2]

    @property
    def told(self) -> str:
        """What it has printed for the operator."""
        return (self.data / "stdout").read_text()

    @property
    def complained(self) -> str:
        """What it has logged."""
        return (self.data / "stderr").read_text()

    @property
    def tokens(self) -> dict[str, str]:
        return dict(re.findall(r"^ +(\w+) +(ey\S+)$", self.told, re.MULTILINE))

    @property
    def database(self) -> DatabaseAddress:
        """The embedded PostgreSQL, from the operator's side."""
        cluster = Cluster(self.data)
        cluster.find_running()
        return address_in(cluster, DATABASE)

    def end(self, name: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(name)
        return self.process.wait(PATIENCE)

    @contextlib.asynccontextmanager
    async def visited(self) -> AsyncIterator[Live]:
        """Speak to it as every client does; the staff are those whose tokens it prints, and a manager."""
        tokens = {f"demo/{role}": token for role, token in self.tokens.items()}
        manager = await asyncio.to_thread(evalium, self.data, "token", "--role", "manager")
        tokens["demo/manager"] = manager.stdout.strip()
        async with httpx2.AsyncClient(timeout=30) as http:
            yield Live(self.base, None, None, http, tokens)


def begin(data: Path, port: int = 0, arguments: Sequence[str] = (), **more: str) -> Served:
    """Start the server and wait for nothing; its output goes to files beside its data."""
    with (data / "stdout").open("wb") as out, (data / "stderr").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*EVALIUM, "serve", *arguments],
            cwd=ROOT,
            env=environment(data, EVALIUM_PORT=str(port), **more),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            start_new_session=True,
        )
    return Served(process, data)


def launch(data: Path, port: int = 0, arguments: Sequence[str] = (), **more: str) -> Served:
    """Start the server, by default on a port that the system chooses, and return when it is healthy."""
    start = time.monotonic()
    served = begin(data, port, arguments, **more)
    try:
        with httpx2.Client(timeout=5) as http:
            while not is_healthy(served, http):
                assert served.process.poll() is None, f"ended with {served.process.returncode}: {served.complained}"
                assert time.monotonic() < start + PATIENCE, f"not healthy in time: {served.complained}"
                time.sleep(0.02)
    except BaseException:
        served.end(signal.SIGKILL)
        raise
    served.took = time.monotonic() - start
    return served


def is_healthy(served: Served, http: httpx2.Client) -> bool:
    if "Stop with" not in served.told:
        return False
    try:
        return http.get(f"{served.base}/healthz").status_code == 200
    except httpx2.TransportError:
        return False


@contextlib.contextmanager
def running(data: Path, **more: str) -> Iterator[Served]:
    """Serve for the length of the block, and leave nothing behind."""
    served = launch(data, **more)
    try:
        yield served
    finally:
        served.end(signal.SIGINT)
        assert wait_until_quiet(data) is not None, left_over(data)


def left_over(data: Path) -> list[int]:
    """Processes that work in a data directory, PostgreSQL's among them; only Linux tells."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if data in entry.readlink().parents:
                found.append(int(entry.parent.name))
    return found


def is_quiet(data: Path) -> bool:
    """Whether no process of a cluster is left: all of them inherit the lock on its data directory."""
    if left_over(data):
        return False
    with (data / "postgres.lock").open("rb+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def wait_until_quiet(data: Path, seconds: float = 15.0) -> float | None:
    """Return after how many seconds no process was left; None when some were until the end."""
    start = time.monotonic()
    while not is_quiet(data):
        if time.monotonic() - start > seconds:
            return None
        time.sleep(0.02)
    return time.monotonic() - start
