"""A small schema, and a real server for it: every fault that a transport must survive, as a field."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import strawberry
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect

from schema.errors import EvaliumSchema
from server.graphql_http import graphql_routes
from server.limits import UVICORN_OPTIONS
from server.live import DrainingServer, LiveConnections
from server.persisted import Documents
from services.refusals import Forbidden, StateDrift, Unauthenticated


@dataclass
class Person:
    name: str = "anonymous"
    expires_at: datetime | None = None


@dataclass
class Scene:
    """What happened on the server, for tests to look at."""

    opened: int = 0
    closed: int = 0
    running: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


class ToyContext:
    def __init__(self, scene: Scene, person: Person, key: str | None) -> None:
        self.scene = scene
        self.person = person
        self.key = key
        scene.opened += 1
        self.number = scene.opened

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.scene.closed += 1


Info = strawberry.Info[ToyContext, None]


@strawberry.type
class Node:
    id: strawberry.ID = strawberry.ID("n")

    @strawberry.field
    def children(self, first: int | None = None) -> "list[Node]":
        return [Node() for _ in range(min(first or 1, 200))]

    @strawberry.field
    def parent(self) -> "Node":
        return Node()


@strawberry.type
class Query:
    @strawberry.field
    def root(self) -> Node:
        return Node()

    @strawberry.field
    def nodes(self, ids: list[strawberry.ID]) -> list[Node]:
        return [Node(id=one) for one in ids]

    @strawberry.field
    def whoami(self, info: Info) -> str:
        return info.context.person.name

    @strawberry.field
    async def number(self, info: Info) -> int:
        await asyncio.sleep(0)
        return info.context.number

    @strawberry.field
    def key(self, info: Info) -> str | None:
        return info.context.key

    @strawberry.field
    def echo(self, text: str | None = None, at: datetime | None = None, number: int | None = None) -> str:
        return f"{text}{at}{number}"

    @strawberry.field
    def secret(self) -> str:
        raise RuntimeError("password=hunter2")

    @strawberry.field
    def cancelled(self) -> str:
        raise asyncio.CancelledError

    @strawberry.field
    def drift(self) -> str | None:
        raise StateDrift("Session 7 is finished already.", current_state="FINISHED", current_version=3)

    @strawberry.field
    def forbidden(self) -> str | None:
        raise Forbidden("sessions.pause")

    @strawberry.field
    def huge(self) -> strawberry.scalars.JSON:  # type: ignore[valid-type]
        return 2**80

    @strawberry.field
    async def wait(self, info: Info) -> bool:
        await info.context.scene.gate.wait()
        return True


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def act(self, info: Info, name: str) -> str:
        info.context.scene.order.append(f"{name} begins")
        await asyncio.sleep(0.01)
        info.context.scene.order.append(f"{name} ends")
        return name


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int = 3) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def ticks(self, info: Info, size: int = 1) -> AsyncGenerator[str, None]:
        running = info.context.scene.running
        running["ticks"] += 1
        try:
            while True:
                yield "x" * size
                running["sent"] += 1
                await asyncio.sleep(0.005)
        finally:
            running["ticks"] -= 1

    @strawberry.subscription
    async def silence(self, info: Info) -> AsyncGenerator[int, None]:
        info.context.scene.running["silence"] += 1
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            info.context.scene.running["silence"] -= 1

    @strawberry.subscription
    async def breaks(self) -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError("password=hunter2")

    @strawberry.subscription
    async def refuses(self) -> AsyncGenerator[int, None]:
        raise Forbidden("sessions.watch")
        yield 1


def toy_schema() -> EvaliumSchema:
    return EvaliumSchema(Query, Mutation, Subscription)


@dataclass
class Toy:
    port: int
    live: LiveConnections
    scene: Scene
    server: DrainingServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    async def post(self, body: Any, *, caller: str | None = None, accept: str | None = None, **more: Any) -> Any:
        headers = {"Content-Type": "application/json"} | more.pop("headers", {})
        if caller is not None:
            headers["Authorization"] = f"Bearer {caller}"
        headers["Accept"] = accept or "application/json"
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        async with httpx2.AsyncClient(timeout=20) as client:
            return await client.post(self.url, content=content, headers=headers)

    async def ask(self, query: str, variables: dict[str, Any] | None = None, **more: Any) -> Any:
        response = await self.post({"query": query, "variables": variables}, **more)
        assert response.status_code == 200, response.text
        return response.json()

    @asynccontextmanager
    async def bare(self, path: str = "/graphql", **more: Any) -> AsyncGenerator[ClientConnection, None]:
        more = {"subprotocols": ["graphql-transport-ws"], "compression": None} | more
        async with connect(f"ws://127.0.0.1:{self.port}{path}", **more) as socket:
            yield socket

    @asynccontextmanager
    async def socket(self, caller: str | None = None, **more: Any) -> AsyncGenerator[ClientConnection, None]:
        async with self.bare(**more) as socket:
            payload = {} if caller is None else {"Authorization": f"Bearer {caller}"}
            await tell(socket, {"type": "connection_init", "payload": payload})
            assert await hear(socket) == {"type": "connection_ack"}
            yield socket


async def tell(socket: ClientConnection, message: Any) -> None:
    await socket.send(orjson.dumps(message).decode())


async def hear(socket: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        text = await socket.recv()
    assert isinstance(text, str)
    return orjson.loads(text)


async def subscribe(socket: ClientConnection, id: str, query: str, **more: Any) -> None:
    await tell(socket, {"id": id, "type": "subscribe", "payload": {"query": query, **more}})


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def authenticate(bearer: str | None) -> Person:
    """Know a caller by name; "bad" does not verify, "broken" finds the database down, "ada~3" expires in 3 s."""
    if bearer is None:
        return Person()
    if bearer == "broken":
        raise RuntimeError("database down: password=hunter2")
    name, _, seconds = bearer.partition("~")
    if name == "bad":
        raise Unauthenticated("The token does not verify.")
    return Person(name, datetime.now(UTC) + timedelta(seconds=float(seconds)) if seconds else None)


@asynccontextmanager
async def serving(*, documents: Documents | None = None, **options: Any) -> AsyncGenerator[Toy, None]:
    scene, live = Scene(), LiveConnections()
    routes = graphql_routes(
        toy_schema(),
        authenticate=authenticate,
        make_context=lambda person, request: ToyContext(scene, person, request.idempotency_key),
        allowed_origins=["https://console.example"],
        live=live,
        may_introspect=lambda person: person.name == "staff",
        documents=documents,
    )
    config = uvicorn.Config(
        Starlette(routes=routes), host="127.0.0.1", port=0, log_level="critical", **(UVICORN_OPTIONS | options)
    )
    server = DrainingServer(config, live)
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started or task.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Toy(port, live, scene, server)
    finally:
        scene.gate.set()
        server.should_exit = True
        await task
