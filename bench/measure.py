"""How a row is measured: both sides in turn under the same load, with the CPU that each request cost."""

import asyncio
import base64
import contextlib
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson

from bench.chaos_site import PATIENCE, Site, free_port
from server import database

ROUNDS = 3
WARM = 0.3
"""Share of a round's time that is spent before anything counts."""

_TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one side."""

    rate: float
    p50: float
    p99: float
    app: float
    db: float
    """CPU microseconds of application and database for each request."""


@dataclass(slots=True)
class Side:
    """One side of a row: where it answers, and each client's requests."""

    port: int
    pid: int
    clients: Sequence[Sequence[bytes]]
    rounds: list[Round] = field(default_factory=list[Round])
    faults: Counter[str] = field(default_factory=Counter[str])
    refused: bool = False
    """Whether a refusal is the good answer."""

    def middle(self, name: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(float(getattr(one, name)) for one in self.rounds)

    def told(self) -> dict[str, Any]:
        """Return the medians and the faults, for the results file."""
        medians = {name: round(self.middle(name), 6) for name in ("rate", "p50", "p99", "app", "db")}
        return medians | {"faults": dict(self.faults)}


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured: a site with one API process, and the reference beside it."""

    site: Site
    reference_port: int
    reference_pid: int
    seconds: float
    """How long one round takes."""

    async def compare(self, ours: Side, theirs: Side) -> None:
        """Measure both sides in turn."""
        for number in range(ROUNDS):
            for side in (ours, theirs) if number % 2 == 0 else (theirs, ours):
                await self.measure(side)

    async def measure(self, side: Side) -> None:
        """Measure one more round of a side."""
        if not side.rounds:
            await _load(side, self.seconds * WARM)
        side.rounds.append(await self._round(side))

    async def _round(self, side: Side) -> Round:
        postmaster = self.site.cluster.pid
        assert postmaster is not None  # noqa: S101 - the site is up for as long as anything is measured
        app, db = cpu(side.pid), cpu_of_family(postmaster)
        seen = await _load(side, self.seconds)
        answers = max(1, int(seen["answers"]))
        spent = (cpu(side.pid) - app) / answers, (cpu_of_family(postmaster) - db) / answers
        return Round(answers / seen["seconds"], seen["p50"], seen["p99"], *spent)

    def ours(self, clients: Sequence[Sequence[bytes]]) -> Side:
        """Return the product under these requests."""
        api = self.site.apis[0]
        assert api.process is not None  # noqa: S101 - likewise
        return Side(api.port, api.process.pid, clients)

    def theirs(self, clients: Sequence[Sequence[bytes]]) -> Side:
        """Return the reference under these requests."""
        return Side(self.reference_port, self.reference_pid, clients)


async def _load(side: Side, seconds: float) -> dict[str, Any]:
    plan = {
        "port": side.port,
        "seconds": seconds,
        "refused": side.refused,
        "clients": [[base64.b64encode(one).decode() for one in requests] for requests in side.clients],
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate(orjson.dumps(plan))
    if process.returncode:
        raise RuntimeError("The load generator failed; what it said stands above.")
    seen: dict[str, Any] = orjson.loads(out)
    side.faults.update(seen["faults"])
    return seen


def post(path: str, body: object, token: str | None = None) -> bytes:
    """Return one whole HTTP request."""
    content = orjson.dumps(body)
    bearer = f"authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{bearer}"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def cpu(pid: int) -> float:
    """Return the CPU time of a process so far, in microseconds."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * _TICK


def cpu_of_family(pid: int) -> float:
    """Return the CPU time of a process, its children, and those of its children that have ended."""
    spent = 0.0
    for child in _children(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended, and is counted below
            spent += cpu(child)
    ended = _stat(pid)
    return spent + cpu(pid) + (int(ended[13]) + int(ended[14])) * _TICK


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]


@contextlib.asynccontextmanager
async def beside(site: Site, seconds: float) -> AsyncGenerator[Bench, None]:
    """Run the reference beside a site."""
    port = free_port()
    dsn = database.address_in(site.cluster, database.DATABASE).app_dsn
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.reference", str(port), dsn)
    try:
        async with httpx2.AsyncClient(timeout=5) as http, asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    if (await http.get(f"http://127.0.0.1:{port}/healthz")).is_success:
                        break
                await asyncio.sleep(0.05)
        yield Bench(site, port, process.pid, seconds)
    finally:
        process.kill()
        await process.wait()
