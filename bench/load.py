"""A load generator of its own process: `python -m bench.load` reads a plan as JSON from stdin and prints what it saw.

Each client holds one kept-alive connection and sends its own requests one after the other, over and over. What has to
be new each time is marked in a request: `FRESH` becomes a random UUID, `RISING` a number that only grows.
"""

import asyncio
import base64
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast
from uuid import uuid4

import orjson
import uvloop

FRESH = "00000000-0000-0000-0000-000000000000"
RISING = 1_234_567_890
"""As long as what it becomes: the length of the body was told before."""

PATIENCE = 30
"""Seconds that the last answers may take."""

_MILLION = 1_000_000
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(slots=True)
class Seen:
    """What all clients saw together."""

    seconds: list[float] = field(default_factory=list[float])
    faults: Counter[str] = field(default_factory=Counter[str])
    size: int = 0


class Client(asyncio.Protocol):
    """One connection: the next request is sent when the answer to the last one is complete."""

    def __init__(
        self, requests: list[bytes], until: float, seen: Seen, done: asyncio.Future[None], *, refused: bool
    ) -> None:
        self._requests = requests
        self._refused = refused
        self._until = until
        self._seen = seen
        self._done = done
        self._next = 0
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, which inherits from nothing
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a connection that the server closed is a fault."""
        if not self._done.done():
            self._seen.faults[f"connection lost: {exc!r}"] += 1
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Collect an answer, judge it, go on."""
        self._buffer += data
        head, found, body = self._buffer.partition(_HEAD_END)
        if not found or len(body) < _length(head):
            return
        self._buffer = b""
        self._judge(head, body)
        self._send()

    def _judge(self, head: bytes, body: bytes) -> None:
        """Count an answer of the kind that is expected with its time, and any other as a fault."""
        if self._refused:
            if b'"errors":' in body and b'"INTERNAL"' not in body:
                self._seen.seconds.append(perf_counter() - self._began)
            else:
                self._seen.faults[body[:300].decode()] += 1
        elif b" 200 " not in head[:20]:
            self._seen.faults[head[:20].decode()] += 1
        elif b'"errors":' in body or b'"problems":[{' in body:
            self._seen.faults[body[max(0, body.find(b'"errors":')) :][:300].decode()] += 1
        else:
            self._seen.seconds.append(perf_counter() - self._began)
            self._seen.size = len(body)

    def _send(self) -> None:
        transport = self._transport
        if transport is None or (self._next > 0 and perf_counter() >= self._until):
            if transport is not None and not self._done.done():
                self._done.set_result(None)
                transport.close()
            return
        self._began = perf_counter()
        transport.write(_renewed(self._requests[self._next % len(self._requests)]))
        self._next += 1


def _renewed(request: bytes) -> bytes:
    rising = 10**9 + time.time_ns() // _MILLION % 10**9
    return request.replace(FRESH.encode(), str(uuid4()).encode()).replace(str(RISING).encode(), str(rising).encode())


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(_LENGTH) + len(_LENGTH)
    end = lower.find(b"\r\n", start)
    return int(lower[start : end if end >= 0 else None])


async def _run(plan: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    seen = Seen()
    clients: list[list[bytes]] = [[base64.b64decode(one) for one in requests] for requests in plan["clients"]]
    waits: list[asyncio.Future[None]] = []
    began = perf_counter()
    until = began + plan["seconds"]
    for requests in clients:
        done = loop.create_future()
        waits.append(done)
        await loop.create_connection(
            lambda requests=requests, done=done: Client(
                requests, until, seen, done, refused=plan.get("refused", False)
            ),
            "127.0.0.1",
            plan["port"],
        )
    async with asyncio.timeout(plan["seconds"] + PATIENCE):
        await asyncio.gather(*waits)
    took = perf_counter() - began
    ordered = sorted(seen.seconds)
    return {
        "seconds": took,
        "answers": len(ordered),
        "p50": ordered[len(ordered) // 2] if ordered else took,
        "p99": ordered[int(len(ordered) * 0.99)] if ordered else took,
        "size": seen.size,
        "faults": dict(seen.faults),
    }


def main() -> None:
    """Run one plan."""
    plan = orjson.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(_run(plan))))


if __name__ == "__main__":
    main()
