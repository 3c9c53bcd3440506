"""What the stream rows of `make bench` measure against: `python -m bench.relay PORT DSN CHANNEL`.

A raw relay: it listens to a channel of PostgreSQL and writes each message to every open socket, as one WebSocket frame
that is put together once. It speaks just enough of the protocol to open a socket; it knows no GraphQL, no rights, no
cursor and no slow reader, and takes what it was told for the truth.
"""

import asyncio
import base64
import hashlib
import sys
from typing import Any, Final, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
import uvloop

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = b"sec-websocket-key:"
_SHORT, _LONG = 126, 65_536


def text_frame(payload: bytes) -> bytes:
    """Return a payload as one whole text frame of a server."""
    size = len(payload)
    if size < _SHORT:
        return bytes((0x81, size)) + payload
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


class Socket(asyncio.Protocol):
    """One socket: opened by hand, and then only written to."""

    def __init__(self, everybody: set[asyncio.Transport]) -> None:
        self._everybody = everybody
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        del exc
        if self._transport is not None:
            self._everybody.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer the request to open a socket; what comes after it is not read."""
        transport = self._transport
        if transport is None or transport in self._everybody:
            return
        self._head += data
        if b"\r\n\r\n" not in self._head:
            return
        key = self._head[self._head.lower().index(_KEY) + len(_KEY) :].partition(b"\r\n")[0].strip()
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the protocol's own
        head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        transport.write(head + b"sec-websocket-accept: " + accepted + b"\r\n\r\n" + text_frame(b'{"type":"next"}'))
        self._head = b""
        self._everybody.add(transport)


async def relay(port: int, dsn: str, channel: str) -> None:
    """Relay until killed."""
    everybody: set[asyncio.Transport] = set()
    connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no types
    connection: Any = await connect(dsn)

    def heard(_connection: object, _pid: int, _channel: str, payload: str) -> None:
        frame = text_frame(payload.encode())
        for transport in everybody:
            transport.write(frame)

    await connection.add_listener(channel, heard)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Socket(everybody), "127.0.0.1", port, backlog=2_048)
    await server.serve_forever()


def main() -> None:
    """Read the command line."""
    port, dsn, channel = sys.argv[1:]
    uvloop.run(relay(int(port), dsn, channel))


if __name__ == "__main__":
    main()
