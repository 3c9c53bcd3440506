"""What one request or one socket may ask of the process, and the strict reading of JSON.

uvicorn has no time-out for a request body and the json module accepts what PostgreSQL cannot store; both are closed
here. Everything that is refused is refused as an answer with a status below 500.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from services.refusals import BadUserInput, LimitExceeded, Refusal

MAX_BODY_BYTES: Final = 262_144
MAX_JSON_DEPTH: Final = 64
BODY_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 20.0
MAX_OPERATIONS_PER_SOCKET: Final = 100
INIT_SECONDS: Final = 5.0

# A frame above the limit is answered with 1009, a peer that answers no ping is cut with 1011 within ten seconds.
UVICORN_OPTIONS: Final[dict[str, Any]] = {
    "ws": "server.sockets:FrameSocket",
    "ws_max_size": MAX_BODY_BYTES,
    "ws_ping_interval": 5.0,
    "ws_ping_timeout": 5.0,
    "ws_per_message_deflate": False,
    "limit_concurrency": 2_000,
    "timeout_keep_alive": 5,
    "timeout_graceful_shutdown": 10,
    "server_header": False,
}


class HttpRefusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A request that never became an operation, with the status that says so; `headers` go with the answer."""

    def __init__(self, status: int, refusal: Refusal, headers: dict[str, str] | None = None) -> None:
        super().__init__(refusal.message)
        self.status = status
        self.refusal = refusal
        self.headers = headers or {}


def check_json_headers(headers: Mapping[str, str]) -> None:
    """Refuse a body that is not plain UTF-8 JSON by its own headers; this also stops forms sent across sites."""
    media, *parameters = [part.strip().lower() for part in headers.get("content-type", "").split(";")]
    if media != "application/json" or any(_is_foreign_charset(part) for part in parameters):
        found = headers.get("content-type", "")[:100] or "none"
        refusal = BadUserInput(
            f"The body's Content-Type is '{found}'; only application/json in UTF-8 is read.",
            hint="Send 'Content-Type: application/json'.",
        )
        raise HttpRefusal(415, refusal, _CLOSE)
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        refusal = BadUserInput(
            "The body has a Content-Encoding; compressed bodies are not read.", hint="Send it plain."
        )
        raise HttpRefusal(415, refusal, _CLOSE)


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Return the body, at most 256 KiB of it and within 10 seconds; more is refused before it is taken in."""
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:20]) > MAX_BODY_BYTES:
        raise HttpRefusal(413, _too_large(), _CLOSE)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collect(receive)
    except TimeoutError as error:
        refusal = LimitExceeded(
            f"The body did not arrive within {BODY_SECONDS:g} seconds.", hint="Send the whole body at once."
        )
        raise HttpRefusal(408, refusal, _CLOSE) from error


async def _collect(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise HttpRefusal(413, _too_large(), _CLOSE)
        if not message.get("more_body", False):
            return bytes(body)


def read_json(text: bytes | str) -> Any:
    """Return the JSON value of `text`.

    Refuses (BadUserInput) what is not UTF-8 or not JSON, NaN, Infinity and numbers that are neither, more than 64
    levels, and text with NUL or a lone surrogate, which PostgreSQL cannot store.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadUserInput(
            f"This is not JSON in UTF-8: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error
    if _is_flat(text if isinstance(text, bytes) else text.encode()):
        return value
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            _refuse_nul(item)
            continue
        if not isinstance(item, dict | list):
            continue
        if depth > MAX_JSON_DEPTH:
            raise LimitExceeded(
                f"The JSON is nested more than {MAX_JSON_DEPTH} levels deep.", hint="Send flatter input."
            )
        if isinstance(item, dict):
            members = cast("dict[str, object]", item)
            waiting.extend((key, depth + 1) for key in members)
            waiting.extend((member, depth + 1) for member in members.values())
        else:
            waiting.extend((member, depth + 1) for member in cast("list[object]", item))
    return value


def _is_flat(text: bytes) -> bool:
    """Tell of JSON, without looking into it, that it has no NUL, which can only be escaped, and is not too deep."""
    return _NUL not in text and text.count(b"{") + text.count(b"[") <= MAX_JSON_DEPTH


_NUL: Final = b"\\u0000"
_CLOSE: Final = {"Connection": "close"}


def _too_large() -> LimitExceeded:
    return LimitExceeded(
        f"The body is larger than {MAX_BODY_BYTES} bytes.",
        hint="Split the request, or send files through the upload address.",
    )


def _is_foreign_charset(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "charset" and value.strip().strip('"') not in {"utf-8", "utf8"}


def _refuse_nul(text: str) -> None:
    if "\x00" in text:
        raise BadUserInput("A string contains the character NUL (U+0000), which cannot be stored.")
