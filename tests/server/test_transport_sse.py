import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson
import pytest

from tests.server.transport_toy import Toy, serving, until


@pytest.fixture(scope="module")
async def toy() -> AsyncIterator[Toy]:
    async with serving() as running:
        yield running


class Events:
    """Reads server-sent events as they come; only LF ends a line."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self._chunks = response.aiter_raw()
        self._buffer = b""

    async def block(self) -> bytes | None:
        async with asyncio.timeout(10):
            while b"\n\n" not in self._buffer:
                try:
                    self._buffer += await anext(self._chunks)
                except StopAsyncIteration:
                    assert self._buffer == b""
                    return None
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        assert b"\r" not in block
        return block

    async def event(self) -> tuple[str, Any] | None:
        block = await self.block()
        while block == b":":
            block = await self.block()
        if block is None:
            return None
        fields = dict(line.split(b":", 1) for line in block.split(b"\n"))
        data = fields.get(b"data", b"").strip()
        return fields.get(b"event", b"").decode().strip(), orjson.loads(data) if data else None

    async def rest(self) -> list[tuple[str, Any]]:
        found = []
        while (event := await self.event()) is not None:
            found.append(event)
        return found


@asynccontextmanager
async def stream(toy: Toy, query: str, caller: str | None = None, **headers: str) -> AsyncGenerator[Events, None]:
    headers = {"Accept": "text/event-stream"} | headers
    if caller is not None:
        headers["Authorization"] = f"Bearer {caller}"
    async with (
        httpx2.AsyncClient(timeout=20) as client,
        client.stream("POST", f"{toy.url}/stream", json={"query": query}, headers=headers) as response,
    ):
        yield Events(response)


async def test_subscription(toy: Toy) -> None:
    async with stream(toy, "subscription { count(to: 2) }") as events:
        assert events.response.status_code == 200
        assert events.response.headers["content-type"].startswith("text/event-stream")
        found = await events.rest()
    assert [name for name, _ in found] == ["next", "next", "complete"]
    assert [data["data"] for name, data in found if name == "next"] == [{"count": 0}, {"count": 1}]


@pytest.mark.parametrize(
    ("query", "answer"), [("{ whoami }", {"whoami": "ada"}), ('mutation { act(name: "x") }', {"act": "x"})]
)
async def test_single_results(toy: Toy, query: str, answer: dict[str, str]) -> None:
    async with stream(toy, query, caller="ada") as events:
        found = await events.rest()
    assert [name for name, _ in found] == ["next", "complete"]
    assert found[0][1]["data"] == answer


async def test_refused_operation_is_told_in_the_stream(toy: Toy) -> None:
    async with stream(toy, "subscription { nothing }") as events:
        found = await events.rest()
    assert [name for name, _ in found] == ["next", "complete"]
    assert "data" not in found[0][1]
    assert found[0][1]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_requests_that_open_no_stream(toy: Toy) -> None:
    async with stream(toy, "{ whoami }", Accept="application/json") as events:
        assert events.response.status_code == 406
    async with stream(toy, "{ whoami }", caller="bad") as events:
        assert events.response.status_code == 401
    async with httpx2.AsyncClient() as client:
        response = await client.get(f"{toy.url}/stream", params={"query": "{ whoami }"})
        assert response.status_code == 405
        response = await client.post(f"{toy.url}/stream", content=b"[", headers={"Content-Type": "application/json"})
        assert response.status_code == 400


async def test_main_address_never_streams(toy: Toy) -> None:
    response = await toy.post({"query": "{ whoami }"}, accept="application/json, text/event-stream")
    assert response.headers["content-type"] == "application/json"
    response = await toy.post({"query": "subscription { count }"}, accept="text/event-stream")
    assert response.status_code == 406


async def test_heartbeat(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.graphql_sse.SSEEndpoint.heartbeat_seconds", 0.05)
    async with stream(toy, "subscription { silence }") as events:
        assert [await events.block() for _ in range(3)] == [b":"] * 3
    await until(lambda: toy.scene.running["silence"] == 0 and toy.scene.opened == toy.scene.closed)


async def test_leaving_client_ends_the_source(toy: Toy) -> None:
    async with stream(toy, "subscription { ticks }") as events:
        assert (await events.event() or ("",))[0] == "next"
        assert toy.scene.running["ticks"] == 1
    await until(lambda: toy.scene.running["ticks"] == 0 and toy.scene.opened == toy.scene.closed)


async def test_stream_ends_with_its_token(toy: Toy) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with stream(toy, "subscription { silence }", caller="ada~0.3") as events:
        found = await events.rest()
    assert loop.time() - begun < 5
    assert [name for name, _ in found] == ["next", "complete"]
    assert found[0][1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert toy.scene.running["silence"] == 0
    assert toy.scene.opened == toy.scene.closed


async def test_cut(toy: Toy) -> None:
    async with stream(toy, "subscription { silence }", caller="ada") as events:
        await until(lambda: toy.scene.running["silence"] == 1)
        assert toy.live.cut(lambda person: person.name == "ada") == 1
        found = await events.rest()
    assert found[0][1]["errors"][0]["extensions"]["code"] == "ACCESS_CHANGED"
    assert found[1][0] == "complete"


async def test_reader_that_takes_nothing_is_let_go(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.graphql_sse.SSEEndpoint.write_seconds", 0.3)
    body = orjson.dumps({"query": "subscription { ticks(size: 65536) }"})
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port, limit=1)
    writer.write(
        b"POST /graphql/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    await until(lambda: toy.scene.running["ticks"] == 1)
    await until(lambda: toy.scene.running["ticks"] == 0)
    await until(lambda: toy.scene.opened == toy.scene.closed and len(toy.live) == 0)
    writer.close()
    assert not reader.at_eof()


async def test_shutdown_lets_the_client_come_back() -> None:
    async with serving() as toy, stream(toy, "subscription { silence }") as events:
        await until(lambda: toy.scene.running["silence"] == 1)
        toy.server.should_exit = True
        assert await events.block() == b"retry: 1000"
        assert await events.block() is None
    assert toy.scene.running["silence"] == 0
