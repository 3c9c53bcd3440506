"""A client of the running service, as small as any integrator's: operation documents over HTTP and WebSocket."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final
from uuid import uuid4

import httpx2
import orjson
import websockets
from websockets.asyncio.client import ClientConnection

from server.setup_errors import SetupError
from server.web import find_sdl

BUSY: Final = frozenset({429, 503})
ATTEMPTS: Final = 5


class DemoFailed(SetupError):  # noqa: N818 - named for what is wrong
    """The examination day cannot go on: the service refused something that it should have done."""

    hint = "Is the service that answers of this version, and did 'make serve' found its demonstration tenants?"


def document(name: str) -> str:
    """Return the text of an operation document."""
    (path,) = (find_sdl().parent / "operations").rglob(f"{name}.graphql")
    return path.read_text("utf-8")


class Client:
    """Speaks to one service as one bearer of a token; `http` may be shared or one's own."""

    def __init__(self, base: str, http: httpx2.AsyncClient, token: str | None = None) -> None:
        self.base = base
        self.token = token
        self._http = http

    async def ask(self, name: str, variables: Mapping[str, Any]) -> Any:
        """Run an operation document and return the value of its one root field."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = {"query": document(name), "variables": dict(variables)}
        result = (await self._send("/graphql", body, headers)).json()
        if "errors" in result:
            raise DemoFailed(f"{name} was answered with: {result['errors'][0]['message']}")
        (value,) = result["data"].values()
        return value

    async def do(self, name: str, given: Mapping[str, Any]) -> Any:
        """Run a mutation document under a fresh idempotency key; refusals end the demonstration."""
        payload = await self.ask(name, {"input": {**given, "idempotencyKey": str(uuid4())}})
        if payload["problems"]:
            raise DemoFailed(f"{name} was refused: {payload['problems'][0]['message']}")
        return payload

    async def redeem(self, invitation: str, nonce: str) -> str:
        """Redeem an invitation at the REST door and return the session token."""
        body = {"token": invitation, "nonce": nonce}
        response = await self._send("/api/v1/assignments/redeem", body, {})
        answer = response.json()
        if response.is_error:
            raise DemoFailed(f"An invitation was refused with {response.status_code}: {answer}")
        return str(answer["sessionToken"])

    async def _send(self, path: str, body: object, headers: Mapping[str, str]) -> httpx2.Response:
        """Post JSON; what can be sent again after a broken connection is sent again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = await self._http.post(self.base + path, json=body, headers=dict(headers))
            except httpx2.TransportError as error:
                if attempt == ATTEMPTS:
                    raise DemoFailed(
                        f"{self.base} does not answer: {type(error).__name__}.",
                        hint="Start the service in another terminal: make serve",
                    ) from error
            else:
                if response.status_code not in BUSY or attempt == ATTEMPTS:
                    return response
            await asyncio.sleep(0.2 * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")


class Cut(Exception):  # noqa: N818 - it happened, on purpose or not
    """The socket broke."""


class Subscription:
    """One subscription over one socket; `cut` breaks the socket as a failing network does."""

    def __init__(self, base: str, token: str, name: str, variables: Mapping[str, Any]) -> None:
        self._address = base.replace("http", "ws", 1) + "/graphql"
        self._token = token
        self._payload = {"query": document(name), "variables": dict(variables)}
        self._socket: ClientConnection | None = None

    def cut(self) -> None:
        """Break the connection without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def frames(self) -> AsyncGenerator[Any, None]:
        """Yield the frames of the subscription's one field; raises `Cut` when the socket breaks."""
        try:
            async with websockets.connect(
                self._address,
                subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
                compression=None,
            ) as socket:
                self._socket = socket
                await self._say({"type": "connection_init", "payload": {"Authorization": f"Bearer {self._token}"}})
                while True:
                    message: dict[str, Any] = orjson.loads(await socket.recv())
                    match message["type"]:
                        case "connection_ack":
                            await self._say({"type": "subscribe", "id": "1", "payload": self._payload})
                        case "next" if not message["payload"].get("data"):
                            raise Cut  # what went wrong hides a frame: go on from the last cursor
                        case "next":
                            (frame,) = message["payload"]["data"].values()
                            yield frame
                        case "ping":
                            await self._say({"type": "pong"})
                        case "error":
                            raise DemoFailed(f"The stream was refused: {message['payload'][0]['message']}")
                        case _:
                            raise Cut
        except (websockets.ConnectionClosed, websockets.InvalidMessage, OSError) as error:  # in the handshake, too
            raise Cut from error

    async def _say(self, message: Mapping[str, Any]) -> None:
        assert self._socket is not None  # noqa: S101 - only called on an open socket
        await self._socket.send(orjson.dumps(message).decode())
