"""uvicorn's socket with a door for whole frames, so that what many are sent is put together once.

A frame goes out at once or not at all: who may have to wait for a slow reader sends as ASGI wants it.
"""

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


class FrameSocket(WebSocketsSansIOProtocol):
    """Offers `write` to the application."""

    def handle_connect(self, event: Request) -> None:
        """Begin to serve; the application's task runs later, and finds the door."""
        super().handle_connect(event)
        if not self.close_sent:
            cast("dict[str, Any]", self.scope)["extensions"][WRITE] = self.write

    def write(self, frame: bytes) -> bool:
        """Send a whole frame now; false, and nothing sent, when the peer has yet to read or is gone."""
        if not self.writable.is_set() or self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True


def door(scope: Scope) -> Write | None:
    """Return what writes whole frames to a socket; None where the server offers nothing of the kind."""
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return extensions.get(WRITE)
