"""A real server on a real port, in the test's own loop, over the module's own database."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import orjson
import pytest
import uvicorn
import websockets

from server import app
from server.addresses import DatabaseAddress
from server.limits import UVICORN_OPTIONS
from server.live import DrainingServer
from server.settings import Settings
from server.viewer import access_token
from services import demonstration

OPERATIONS = Path(__file__).parents[2] / "graphql" / "operations"


@functools.cache
def document(name: str) -> str:
    """The text of an operation document, by its name."""
    (path,) = OPERATIONS.rglob(f"{name}.graphql")
    return path.read_text()


@dataclass
class Live:
    """A running service as its users see it."""

    base: str
    service: app.Service
    database: DatabaseAddress
    http: httpx2.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, role: str, tenant: str = "demo") -> str:
        key = f"{tenant}/{role}"
        if key not in self.tokens:
            house = self.service.house
            persona = await demonstration.persona(house.office, tenant, role)
            self.tokens[key] = access_token(house.tokens, persona, datetime.now(UTC))
        return self.tokens[key]

    async def post(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None, **headers: str):
        """Send one operation and return the whole response body."""
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        body = {"query": query, "variables": variables or {}}
        response = await self.http.post(f"{self.base}/graphql", json=body, headers=headers)
        return response.json()

    async def ask(
        self,
        name: str,
        variables: dict[str, Any] | None = None,
        *,
        role: str | None = None,
        token: str | None = None,
        **headers: str,
    ):
        """Run an operation document; fails on any top-level error and returns the data."""
        if role is not None:
            token = await self.token(role)
        body = await self.post(document(name), variables, token, **headers)
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def do(
        self, name: str, given: dict[str, Any], *, role: str | None = None, token: str | None = None, **headers: str
    ):
        """Run a mutation document with one `input` and return its payload, which must not hold problems."""
        data = await self.ask(name, {"input": given}, role=role, token=token, **headers)
        (payload,) = data.values()
        assert payload["problems"] == [], payload["problems"]
        return payload

    @contextlib.asynccontextmanager
    async def socket(self, token: str) -> AsyncIterator[websockets.ClientConnection]:
        """A graphql-transport-ws connection that has been acknowledged."""
        address = self.base.replace("http://", "ws://") + "/graphql"
        async with websockets.connect(address, subprotocols=["graphql-transport-ws"], compression=None) as connection:
            await send(connection, {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
            assert (await receive(connection))["type"] == "connection_ack"
            yield connection

    @contextlib.asynccontextmanager
    async def stream(self, name: str, variables: dict[str, Any], token: str):
        """Follow a subscription document: yields an async iterator over the frames of its one field."""
        async with self.socket(token) as connection:
            payload = {"query": document(name), "variables": variables}
            await send(connection, {"type": "subscribe", "id": "1", "payload": payload})

            async def frames():
                while True:
                    message = await receive(connection)
                    if message["type"] in ("ping", "pong"):
                        continue
                    assert message["type"] == "next", message
                    assert "errors" not in message["payload"], message
                    (frame,) = message["payload"]["data"].values()
                    yield frame

            yield frames()


async def send(connection, message: dict[str, Any]) -> None:
    await connection.send(orjson.dumps(message).decode())


async def receive(connection) -> dict[str, Any]:
    text = await connection.recv()
    assert isinstance(text, str)
    return orjson.loads(text)


@contextlib.asynccontextmanager
async def running(address: DatabaseAddress, data: Path, **settings: Any) -> AsyncIterator[Live]:
    """Serve until the block ends."""
    service = app.build(Settings(EVALIUM_DATA=data, **settings), address)
    await demonstration.found(service.house.office)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as uvloop does; else each answer waits 40 ms
    config = uvicorn.Config(service.app, log_level="warning", access_log=False, **UVICORN_OPTIONS)
    server = DrainingServer(config, service.live)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[listener]))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx2.AsyncClient(timeout=30) as http:
        async with asyncio.timeout(20):
            while (await http.get(f"{base}/healthz")).status_code != 200:
                await asyncio.sleep(0.05)
        yield Live(base, service, address, http)
    server.should_exit = True
    await task


@pytest.fixture(scope="module")
async def live(database: DatabaseAddress, tmp_path_factory) -> AsyncIterator[Live]:
    async with running(database, tmp_path_factory.mktemp("data")) as service:
        yield service


def key() -> str:
    return str(uuid4())
