"""The way of simulated people to a running service: operation documents over HTTP, several streams on one socket.

Every call is timed. What a service that is restarting answers is not the end: the same call is made again, under the
same idempotency key, until it is answered.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import cache
from time import monotonic, perf_counter
from types import TracebackType
from typing import Any, Final, Self, cast
from uuid import uuid4

import httpx2
import orjson
import websockets
from websockets.asyncio.client import ClientConnection

from server.demo_client import document
from server.simulate_tally import Tally

PATIENCE: Final = 120.0
"""Seconds after which somebody who is not answered gives up."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 4.0
"""Seconds before the same is tried again; each pause is about twice the one before."""

CONNECTIONS: Final = 200
KEPT_SECONDS: Final = 3.0
"""For less than the five seconds after which the service closes an idle connection."""

OVERLOADED: Final = "LIMIT_EXCEEDED"
"""What an operation is answered with that the service stopped since it took too long."""

PASSING: Final = frozenset(
    {"CONNECTION", "HTTP_429", "HTTP_502", "HTTP_503", "UNAVAILABLE", "IN_PROGRESS", "TIMEOUT", OVERLOADED}
)
"""Answers after which the same is tried again."""

EXPECTED: Final = PASSING | {"STATE_DRIFT"}
"""Answers that are no fault of the service: somebody else was faster, or it restarts."""

SUMMARY: Final = "SessionSummary"
_OWN: Final = {
    SUMMARY: """query SessionSummary($id: ID!) { session(id: $id) {
  id state displayStatus startedAt deadlineAt secondsRemaining itemCount answeredCount currentPosition
  focusLostCount lastActivityAt disconnectedAt candidate { displayName email } assignment { name runLabel } } }""",
}
"""What has no document of its own: the summary that a proctor sees, who may not read submissions."""


@cache
def _text(name: str) -> str:
    return _OWN.get(name) or document(name)


class Refused(Exception):  # noqa: N818 - it was
    """The service would not do it, or did not answer in time; `code` says why."""

    def __init__(self, operation: str, code: str) -> None:
        super().__init__(f"{operation}: {code}")
        self.operation = operation
        self.code = code


class Cut(Exception):  # noqa: N818 - it happened, on purpose or not
    """The socket broke, or was never opened; `code` says how."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Wire:
    """Speaks for everybody to the addresses of one installation, one of them by chance each time."""

    def __init__(self, bases: Sequence[str], tally: Tally, seed: int) -> None:
        self._bases = bases
        self._chance = random.Random(f"{seed}/wire")  # noqa: S311 - a play, and repeatable
        self.tally = tally
        limits = httpx2.Limits(
            max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_SECONDS
        )
        self._http = httpx2.AsyncClient(timeout=httpx2.Timeout(30, pool=PATIENCE), limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def is_answered(self) -> bool:
        """Tell whether anything answers at any of the addresses."""
        for base in self._bases:
            with contextlib.suppress(httpx2.TransportError):
                await self._http.get(f"{base}/healthz")
                return True
        return False

    async def do(self, name: str, given: Mapping[str, Any], token: str | None = None) -> Any:
        """Run a mutation document under one idempotency key; see `ask`."""
        return await self.ask(name, {"input": {**given, "idempotencyKey": str(uuid4())}}, token)

    async def ask(self, name: str, variables: Mapping[str, Any], token: str | None = None) -> Any:
        """Run a document until it is answered, and return the value of its one root field; raises `Refused`."""
        until, pause = monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            began = perf_counter()
            code, value = await self._once(name, variables, token)
            if code is None:
                self.tally.took(name, perf_counter() - began)
                return value
            self.tally.failed(name, code)
            if code not in PASSING or monotonic() > until:
                raise Refused(name, code)
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.5))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _once(self, name: str, variables: Mapping[str, Any], token: str | None) -> tuple[str | None, Any]:
        """Return the value of the one root field, or the code of what stood in the way."""
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        body = orjson.dumps({"query": _text(name), "variables": dict(variables)})
        try:
            response = await self._http.post(f"{self._base()}/graphql", content=body, headers=headers)
        except httpx2.TimeoutException:
            return "TIMEOUT", None
        except (httpx2.TransportError, AttributeError):  # the latter by anyio, of a socket that was closed at once
            return "CONNECTION", None
        status = f"HTTP_{response.status_code}"
        try:
            result: dict[str, Any] = orjson.loads(response.content)
        except ValueError:  # no JSON: whoever answered, it was not an operation
            return status, None
        if "errors" in result:
            return (status if status in PASSING else _code(result["errors"])), None
        (value,) = cast("dict[str, Any]", result["data"]).values()
        problems = value.get("problems")
        return (problems[0]["code"], None) if problems else (None, value)

    @contextlib.asynccontextmanager
    async def socket(self, token: str) -> AsyncGenerator["Socket", None]:
        """Open a socket for the length of the block; raises `Cut` when it cannot be opened or breaks."""
        began = perf_counter()
        try:
            async with websockets.connect(
                self._base().replace("http", "ws", 1) + "/graphql",
                subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
                compression=None,
                max_size=None,
            ) as connection:
                socket = Socket(connection)
                await socket.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
                await socket.acknowledged()
                self.tally.took("(socket)", perf_counter() - began)
                yield socket
        except websockets.InvalidStatus as error:
            raise Cut(f"HTTP_{error.response.status_code}") from error
        except websockets.ConnectionClosed as error:  # in the handshake; later it is the socket that tells
            raise _cut(error) from error
        except (OSError, TimeoutError, websockets.InvalidHandshake, AttributeError) as error:  # as in `_once`
            raise Cut("CONNECTION") from error

    def _base(self) -> str:
        return self._chance.choice(self._bases)


class Socket:
    """One open socket with several operations on it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def acknowledged(self) -> None:
        """Wait until the service knows who is there."""
        while (await self._heard())["type"] != "connection_ack":
            pass

    async def follow(self, id: str, name: str, variables: Mapping[str, Any]) -> None:
        """Begin a subscription."""
        await self.say({"type": "subscribe", "id": id, "payload": {"query": _text(name), "variables": dict(variables)}})

    async def leave(self, id: str) -> None:
        """End a subscription."""
        await self.say({"type": "complete", "id": id})

    async def frames(self) -> AsyncGenerator[tuple[str, Any, str | None], None]:
        """Yield id, frame and code of the error of whatever comes; a subscription that is refused has no frame."""
        while True:
            message = await self._heard()
            match message["type"]:
                case "next" if message["payload"].get("data"):
                    (frame,) = message["payload"]["data"].values()
                    yield message["id"], frame, None
                case "next":
                    yield message["id"], None, _code(message["payload"]["errors"])
                case "error":
                    yield message["id"], None, _code(message["payload"])
                case "complete":
                    yield message["id"], None, "COMPLETED"
                case "ping":
                    await self.say({"type": "pong"})
                case _:
                    pass

    def cut(self) -> None:
        """Break the socket without a word, as a failing network does."""
        self._connection.transport.abort()

    async def say(self, message: Mapping[str, Any]) -> None:
        """Send one message; raises `Cut` when the socket is broken."""
        try:
            await self._connection.send(orjson.dumps(message).decode())
        except websockets.ConnectionClosed as error:
            raise _cut(error) from error

    async def _heard(self) -> dict[str, Any]:
        try:
            return orjson.loads(await self._connection.recv())
        except websockets.ConnectionClosed as error:
            raise _cut(error) from error


def _cut(error: websockets.ConnectionClosed) -> Cut:
    return Cut(f"CLOSED_{error.rcvd.code if error.rcvd else 1006}")


def _code(errors: Sequence[Mapping[str, Any]]) -> str:
    return str(errors[0].get("extensions", {}).get("code", "UNKNOWN"))
