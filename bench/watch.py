"""Many readers in a process of its own: `python -m bench.watch` reads a plan as JSON from stdin, one line.

It opens so many sockets, says on each what the plan says, and prints a line when each has had its first frame of the
type `next`. At a line on stdin it prints what it has seen: frames, events, and when the events with a stamp arrived.
The readers are cheap, or they would be what is measured: frames are split by their lengths, and a frame that came
to somebody before is not looked into again.
"""

import asyncio
import re
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
import uvloop

STAMP: Final = re.compile(rb'"clientAt":"([^"]+)"')
MARK: Final = "asOf"
"""What is asked for under a name of its own on each socket, where all of them are to ask for something different."""

OPENING: Final = 32
"""Sockets that are opened at the same time."""

MOST_SEEN: Final = 20_000
_SHORT, _LONG = 126, 127
_PING = 9


@dataclass(slots=True)
class Watched:
    """What all readers saw together; times are nanoseconds of the machine's monotonic clock."""

    frames: int = 0
    events: int = 0
    last: int = 0
    lost: int = 0
    refused: str = ""
    arrived: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict[str, list[int]](list))
    known: dict[bytes, list[str]] = field(default_factory=dict[bytes, list[str]])

    def take(self, payload: bytes) -> None:
        """Count one frame."""
        stamps = self.known.get(payload)
        if stamps is None:
            stamps = [found.decode() for found in STAMP.findall(payload)]
            if len(self.known) > MOST_SEEN:
                self.known.clear()
            self.known[payload] = stamps
        if not stamps:
            return
        self.last = time.monotonic_ns()
        self.frames += 1
        self.events += len(stamps)
        for stamp in stamps:
            self.arrived[stamp].append(self.last)


class Reader(asyncio.Protocol):
    """One socket."""

    def __init__(self, plan: dict[str, Any], number: int, watched: Watched, ready: asyncio.Future[None]) -> None:
        self._plan = plan
        self._say = [one.replace(MARK, f"own{number}: {MARK}") if plan.get("apart") else one for one in plan["say"]]
        self._watched = watched
        self._ready = ready
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the socket, and say everything at once."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, which inherits from nothing
        head = (
            f"GET {self._plan['path']} HTTP/1.1\r\nhost: bench\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
        )
        self._transport.write(head.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a socket that the other end closed."""
        self._watched.lost += 1
        if not self._ready.done():
            self._ready.set_exception(exc or ConnectionError(f"closed before the first frame: {self._buffer[:200]!r}"))

    def data_received(self, data: bytes) -> None:
        """Split what came into frames."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._is_open:
            self._open()
        while self._is_open and (size := self._length()) and len(self._buffer) >= sum(size):
            start, length = size
            opcode, payload = self._buffer[0] & 15, self._buffer[start : start + length]
            self._buffer = self._buffer[start + length :]
            self._take(opcode, payload)

    def _open(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if found and b" 101 " in head[:20] and self._transport is not None:
            self._is_open, self._buffer = True, rest
            for text in self._say:
                self._transport.write(_masked(1, text.encode()))

    def _length(self) -> tuple[int, int] | None:
        """Return where the payload of the first frame begins and how long it is, once that has arrived."""
        short = self._buffer[1] & 127 if len(self._buffer) > 1 else 0
        if short < _SHORT:
            return (2, short) if len(self._buffer) > 1 else None
        start = 10 if short == _LONG else 4
        return (start, int.from_bytes(self._buffer[2:start])) if len(self._buffer) >= start else None

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING and self._transport is not None:
            self._transport.write(_masked(10, payload))
        elif opcode == 1:
            if not self._ready.done() and b'"type":"next"' in payload:
                self._ready.set_result(None)
                if self._plan.get("paused") and self._transport is not None:
                    self._transport.pause_reading()
            if b'"type":"error"' in payload:
                self._watched.refused = payload[:300].decode()
            self._watched.take(payload)


def _masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; its mask is zero, so that nothing has to be computed."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < _SHORT else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2)
    return head + bytes(4) + payload


async def _run() -> None:
    loop = asyncio.get_running_loop()
    plan = orjson.loads(await loop.run_in_executor(None, sys.stdin.readline))
    watched = Watched()
    slots = asyncio.Semaphore(OPENING)

    async def opened(number: int) -> asyncio.BaseTransport:
        async with slots:
            ready = loop.create_future()
            transport, _ = await loop.create_connection(
                lambda: Reader(plan, number, watched, ready), "127.0.0.1", plan["port"]
            )
            async with asyncio.timeout(plan["patience"]):
                await ready
            return transport

    sockets = await asyncio.gather(*(opened(number) for number in range(plan["sockets"])))
    _tell({"ready": len(sockets)})
    while await loop.run_in_executor(None, sys.stdin.readline):
        _tell(
            {
                "frames": watched.frames,
                "events": watched.events,
                "last": watched.last,
                "lost": watched.lost,
                "refused": watched.refused,
                "arrived": watched.arrived,
            }
        )
        watched.frames = watched.events = 0
        watched.arrived.clear()


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(_run())
