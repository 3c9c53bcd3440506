"""uvicorn's socket with a door for whole frames, so that what many are sent is put together once.

A frame goes out at once or not at all: who may have to wait for a slow reader sends as ASGI wants it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

WRITE: Final = "evalium.write"
"""The scope's extension: a function that takes a whole frame, and tells whether the transport has taken it."""

Write = Callable[[bytes], bool]

_SHORT: Final = 126
_LONG: Final = 65_536


def text_frame(payload: bytes) -> bytes:
    """Return a text as one frame of a server (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < _SHORT:
        return bytes((0x81, size)) + payload
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


class Mailbox:
    """What a socket heard, for the one task that reads it: as `asyncio.Queue`, whose three deques take 2 KiB."""

    __slots__ = ("_letters", "_reader")

    def __init__(self) -> None:
        self._letters: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, letter: Any) -> None:
        """Add a letter."""
        self._letters.append(letter)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def empty(self) -> bool:
        """Tell whether there is nothing to read."""
        return not self._letters

    async def get(self) -> Any:
        """Wait for the oldest letter, and take it."""
        while not self._letters:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._letters.pop(0)


class Gate:
    """Open for nearly all of its life: as `asyncio.Event`, which is made only while the gate is shut."""

    __slots__ = ("_shut",)

    def __init__(self) -> None:
        self._shut: asyncio.Event | None = None

    def is_set(self) -> bool:
        """Tell whether the gate is open."""
        return self._shut is None

    def clear(self) -> None:
        """Shut the gate."""
        self._shut = self._shut or asyncio.Event()

    def set(self) -> None:
        """Open the gate, and let everybody through who waits."""
        if self._shut is not None:
            self._shut.set()
            self._shut = None

    async def wait(self) -> None:
        """Wait until the gate is open."""
        if self._shut is not None:
            await self._shut.wait()


class FrameSocket(WebSocketsSansIOProtocol):
    """Offers `write` to the application, and keeps little while nothing happens."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue = cast("Any", Mailbox())
        self.writable = cast("Any", Gate())
        self._holds_handshake = True

    def handle_connect(self, event: Request) -> None:
        """Begin to serve; the application's task runs later, and finds the door."""
        super().handle_connect(event)
        if not self.close_sent:
            cast("dict[str, Any]", self.scope)["extensions"][WRITE] = self.write

    def write(self, frame: bytes) -> bool:
        """Send a whole frame now; false, and nothing sent, when the peer has yet to read or is gone."""
        if not self.writable.is_set() or self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        if self._holds_handshake:
            self._forget_handshake()
        self.transport.write(frame)
        return True

    def _forget_handshake(self) -> None:
        """Let go of the headers of both sides, which the protocol would keep; nothing asks for them any more."""
        self._holds_handshake = False
        self.request.headers.clear()
        self.response.headers.clear()


def door(scope: Scope) -> Write | None:
    """Return what writes whole frames to a socket; None where the server offers nothing of the kind."""
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return extensions.get(WRITE)
