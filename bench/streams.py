"""How the stream rows are measured: the product's API process and a raw relay, watched and rung for alike."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from bench.chaos_site import PATIENCE, free_port
from bench.measure import Bench, cpu
from bench.world import World
from realtime import topics
from realtime.bell import CHANNEL
from server import database

FOLLOW: Final = """subscription Follow($assignmentId: ID!) { assignmentStream(assignmentId: $assignmentId) {
  cursor asOf heartbeat events {
    __typename seq kind at clientAt ... on ItemEvent { position }
    session { id displayStatus answeredCount itemCount focusLostCount candidate { displayName } } } } }"""
"""What a monitor follows, and the time that the writer put into the event."""

ESTABLISHED: Final = "01"
"""How Linux tells of a TCP connection that neither side has closed."""

SETTLED: Final = 60.0
"""Seconds that the last event may take to reach everybody."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One side: where its sockets are opened, what is said on them, and how its writer rings."""

    port: int
    pid: int
    path: str
    say: Sequence[str]
    channel: str
    message: str
    assignment_id: UUID
    """Each side has an assignment of its own, so that the product is not told of the relay's events."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the readers of one round saw of so many events."""

    committed: dict[str, int]
    arrived: dict[str, list[int]]
    frames: int
    events: int
    last: int
    cpu: float
    """CPU microseconds of the serving process."""

    @property
    def seconds(self) -> float:
        """How long it took from the first commit to the last arrival."""
        return (self.last - min(self.committed.values())) / 1e9

    @property
    def delays(self) -> list[float]:
        """Milliseconds from commit to arrival, in order."""
        return sorted(
            (at - self.committed[stamp]) / 1e6
            for stamp, times in self.arrived.items()
            if stamp in self.committed
            for at in times
        )


def product(bench: Bench, world: World) -> Stream:
    """Return the product's stream of the assignment with the running sessions."""
    api = bench.site.apis[0]
    assert api.process is not None  # noqa: S101 - the site is up for as long as anything is measured
    payload = {"query": FOLLOW, "variables": {"assignmentId": world.assignment}}
    say = [
        orjson.dumps(one).decode()
        for one in (
            {"type": "connection_init", "payload": {"Authorization": f"Bearer {bench.site.tokens['proctor']}"}},
            {"type": "subscribe", "id": "1", "payload": payload},
        )
    ]
    return Stream(api.port, api.process.pid, "/graphql", say, CHANNEL, str(_topic(world)), world.assignment_id)


def _topic(world: World) -> topics.Topic:
    return topics.assignment_sessions(UUID(world.scope["app.tenant_id"]), world.assignment_id)


@contextlib.asynccontextmanager
async def relayed(bench: Bench, world: World) -> AsyncGenerator[Stream, None]:
    """Run a relay for the length of the block."""
    port, channel = free_port(), f"relay_{uuid4().hex[:8]}"
    dsn = bench.site.cluster.dsn(database=database.DATABASE)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.relay", str(port), dsn, channel)
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _answers(port):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        yield Stream(port, process.pid, "/", (), channel, "", world.crowded_id)
    finally:
        process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


class Watch:
    """So many sockets of one side, open in a process of their own."""

    def __init__(self, process: asyncio.subprocess.Process, sockets: int) -> None:
        self._process = process
        self.sockets = sockets

    async def seen(self) -> dict[str, Any]:
        """Return what came since the last call."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe, see `watching`
        assert self._process.stdout is not None  # noqa: S101 - likewise
        self._process.stdin.write(b"\n")
        found: dict[str, Any] = orjson.loads(await self._process.stdout.readline())
        if found["lost"] or found["refused"]:
            raise RuntimeError(f"{found['lost']} of the readers lost their socket. {found['refused']}")
        return found


@contextlib.asynccontextmanager
async def watching(
    stream: Stream, sockets: int, *, paused: bool = False, apart: bool = False
) -> AsyncGenerator[Watch, None]:
    """Open so many sockets of a side, each of which has had its first frame when the block begins.

    The `paused` read nothing after it. Those `apart` ask with a document of their own each, and share no answer.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.watch", stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**28
    )
    assert process.stdin is not None  # noqa: S101 - a pipe
    assert process.stdout is not None  # noqa: S101 - a pipe
    plan = {
        "port": stream.port,
        "path": stream.path,
        "say": stream.say,
        "sockets": sockets,
        "patience": PATIENCE,
        "paused": paused,
        "apart": apart,
    }
    try:
        process.stdin.write(orjson.dumps(plan) + b"\n")
        if not await process.stdout.readline():
            raise RuntimeError("The readers could not open their sockets; what they said stands above.")
        yield Watch(process, sockets)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def told(
    bench: Bench, world: World, stream: Stream, watch: Watch, *, events: int, connections: int = 1, rate: float = 0
) -> Seen:
    """Commit so many events while somebody watches, and return what was seen when everybody has all of them.

    `rate` is events in a second for each connection, at random times; 0 commits one after the other.
    """
    plan = {
        "dsn": bench.site.cluster.dsn(database=database.DATABASE),
        "tenant": world.scope["app.tenant_id"],
        "unit": str(world.org_unit_id),
        "assignment": str(stream.assignment_id),
        "sessions": [str(one.session_id) for one in world.candidates],
        "channel": stream.channel,
        "message": stream.message,
        "events": events,
        "connections": connections,
        "rate": rate,
    }
    before = cpu(stream.pid)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.commit", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate(orjson.dumps(plan))
    if process.returncode:
        raise RuntimeError("The writer failed; what it said stands above.")
    committed: dict[str, int] = orjson.loads(out)
    arrived: dict[str, list[int]] = {}
    frames = total = last = 0
    async with asyncio.timeout(SETTLED):
        while total < events * watch.sockets:
            await asyncio.sleep(0.2)
            found = await watch.seen()
            frames, total, last = frames + found["frames"], total + found["events"], max(last, found["last"])
            for stamp, times in found["arrived"].items():
                arrived.setdefault(stamp, []).extend(times)
    if total != events * watch.sockets:
        raise RuntimeError(f"{total} arrivals of {events} events at {watch.sockets} readers.")
    return Seen(committed, arrived, frames, total, last, cpu(stream.pid) - before)


def memory(pid: int) -> int:
    """Return the bytes of memory that a process occupies."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    (line,) = (one for one in lines if one.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def established(port: int) -> int:
    """Return how many connections to a port of this machine are open on the side that listens."""
    lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    fields = (line.split() for line in lines)
    return sum(one[1].endswith(f":{port:04X}") and one[3] == ESTABLISHED for one in fields)
