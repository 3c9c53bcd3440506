import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.limits import MAX_BODY_BYTES
from tests.factories.hostile import FRAMES
from tests.server.transport_toy import Toy, hear, serving, subscribe, tell, until


@pytest.fixture(scope="module")
async def toy() -> AsyncIterator[Toy]:
    async with serving() as running:
        yield running


async def closed(socket: Any) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed):
        while True:
            async with asyncio.timeout(15):
                await socket.recv()
    return socket.close_code, socket.close_reason


async def test_query_mutation_and_subscription(toy: Toy) -> None:
    async with toy.socket(caller="ada") as socket:
        await subscribe(socket, "q", "{ whoami }")
        frames = [await hear(socket), await hear(socket)]
        assert frames[0]["payload"]["data"] == {"whoami": "ada"}
        assert frames[0]["payload"]["extensions"]["cost"]["requested"] == 1
        assert frames[1] == {"id": "q", "type": "complete"}
        await subscribe(socket, "s", "subscription ($to: Int!) { count(to: $to) }", variables={"to": 2})
        seen = [(await hear(socket)) for _ in range(3)]
        assert [one.get("payload", {}).get("data") for one in seen] == [{"count": 0}, {"count": 1}, None]
        await subscribe(socket, "q", '{ echo(text: "id is free again") }')
        assert (await hear(socket))["type"] == "next"


@pytest.mark.parametrize(
    "frame",
    FRAMES,
    ids=lambda frame: repr(frame[:60]),
)
async def test_malformed_frames_are_4400(toy: Toy, frame: str | bytes) -> None:
    async with toy.socket() as socket:
        await socket.send(frame)
        code, reason = await closed(socket)
    assert code == 4400
    assert reason


@pytest.mark.parametrize("payload", ['"x"', "1", "[]", "true"])
async def test_malformed_init_payload(toy: Toy, payload: str) -> None:
    async with toy.bare() as socket:
        await socket.send('{"type":"connection_init","payload":' + payload + "}")
        assert (await closed(socket))[0] == 4400


@pytest.mark.parametrize(
    ("query", "more"),
    [
        ("{", {}),
        ("", {}),
        ("{ nothing }", {}),
        ("query A { root { id } }", {"operationName": "B"}),
        ("query A { root { id } } query B { root { id } }", {}),
        ("query ($n: Int!) { echo(number: $n) }", {}),
        ("{ root { " + "children(first: 100) { " * 4 + "id" + " }" * 4 + " } }", {}),
        ("subscription { refuses }", {}),
    ],
)
async def test_a_bad_operation_never_closes_its_neighbours(toy: Toy, query: str, more: dict[str, Any]) -> None:
    async with toy.socket() as socket:
        await subscribe(socket, "good", "subscription { ticks }")
        await subscribe(socket, "bad", query, **more)
        frame = await hear(socket)
        while frame["id"] != "bad":
            frame = await hear(socket)
        errors = frame["payload"] if frame["type"] == "error" else frame["payload"]["errors"]
        assert errors[0]["extensions"]["code"] in {"BAD_USER_INPUT", "LIMIT_EXCEEDED", "FORBIDDEN"}
        seen = [await hear(socket) for _ in range(5)]
        assert any(one["id"] == "good" and one["type"] == "next" for one in seen)


async def test_errors_while_streaming_are_masked(toy: Toy) -> None:
    with capture_logs():
        async with toy.socket() as socket:
            await subscribe(socket, "1", "subscription { breaks }")
            frames = [await hear(socket) for _ in range(2)]
    assert [one["type"] for one in frames] == ["next", "error"]
    assert frames[1]["payload"][0]["extensions"]["code"] == "INTERNAL"
    assert "hunter2" not in str(frames)


@pytest.mark.parametrize("key", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_token_in_connection_init(toy: Toy, key: str) -> None:
    async with toy.bare() as socket:
        await tell(socket, {"type": "connection_init", "payload": {key: "bearer ada"}})
        assert (await hear(socket))["type"] == "connection_ack"
        await subscribe(socket, "1", "{ whoami }")
        assert (await hear(socket))["payload"]["data"] == {"whoami": "ada"}


@pytest.mark.parametrize("value", ["Bearer bad", "bad", "Basic eA==", ""])
async def test_bad_token_is_4403(toy: Toy, value: str) -> None:
    async with toy.bare() as socket:
        await tell(socket, {"type": "connection_init", "payload": {"Authorization": value}})
        assert (await closed(socket))[0] == 4403


async def test_unchecked_token_is_try_again(toy: Toy) -> None:
    with capture_logs() as logs:
        async with toy.bare() as socket:
            await tell(socket, {"type": "connection_init", "payload": {"Authorization": "Bearer broken"}})
            code, reason = await closed(socket)
    assert code == 1013
    assert "hunter2" not in reason
    assert logs[0]["event"] == "graphql.internal"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer ada"}])
async def test_token_in_the_address_or_headers_is_nobody(toy: Toy, headers: dict[str, str]) -> None:
    async with toy.socket(path="/graphql?token=ada", additional_headers=headers) as socket:
        await subscribe(socket, "1", "{ whoami }")
        assert (await hear(socket))["payload"]["data"] == {"whoami": "anonymous"}


async def test_silence_after_the_handshake_is_4408(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.graphql_ws.SocketEndpoint.init_seconds", 0.05)
    async with toy.bare() as socket:
        assert (await closed(socket))[0] == 4408


async def test_order_of_the_handshake(toy: Toy) -> None:
    async with toy.bare() as socket:
        await subscribe(socket, "1", "{ whoami }")
        assert (await closed(socket))[0] == 4401
    async with toy.socket() as socket:
        await tell(socket, {"type": "connection_init"})
        assert (await closed(socket))[0] == 4429
    async with toy.socket() as socket:
        await subscribe(socket, "1", "subscription { silence }")
        await subscribe(socket, "1", "subscription { silence }")
        assert (await closed(socket))[0] == 4409


@pytest.mark.parametrize("protocols", [["graphql-ws"], ["other"], None])
async def test_legacy_and_foreign_protocols(toy: Toy, protocols: list[str] | None) -> None:
    async with toy.bare(subprotocols=protocols) as socket:
        assert (await closed(socket))[0] == 4406


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        (None, True),
        ("http://127.0.0.1:{port}", True),
        ("https://console.example", True),
        ("https://console.example.evil", False),
        ("https://evil.example", False),
        ("http://127.0.0.1", False),
        ("null", False),
    ],
)
async def test_origins(toy: Toy, origin: str | None, is_welcome: bool) -> None:  # noqa: FBT001 - a parameter
    origin = origin and origin.format(port=toy.port)
    if is_welcome:
        async with toy.socket(origin=origin) as socket:
            await tell(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}
    else:
        with pytest.raises(InvalidStatus) as caught:
            async with toy.socket(origin=origin):
                pass
        assert caught.value.response.status_code == 403


async def test_hundred_operations_and_no_more(toy: Toy) -> None:
    async with toy.socket() as socket:
        for number in range(101):
            await subscribe(socket, str(number), "subscription { silence }")
        frame = await hear(socket)
        assert (frame["id"], frame["type"]) == ("100", "error")
        assert frame["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        await tell(socket, {"id": "0", "type": "complete"})
        await until(lambda: toy.scene.running["silence"] == 99)
        await subscribe(socket, "100", "{ whoami }")
        assert (await hear(socket))["payload"]["data"]["whoami"]
    await until(lambda: toy.scene.running["silence"] == 0)


async def test_frame_above_the_limit_is_1009(toy: Toy) -> None:
    async with toy.socket() as socket:
        await socket.send("x" * (MAX_BODY_BYTES + 1))
        assert (await closed(socket))[0] == 1009


async def test_expired_token_cancels_then_closes(toy: Toy) -> None:
    loop = asyncio.get_running_loop()
    async with toy.socket(caller="ada~0.3") as socket:
        begun = loop.time()
        await subscribe(socket, "1", "subscription { ticks }")
        await subscribe(socket, "2", "subscription { silence }")
        assert (await closed(socket))[0] == 4401
        assert loop.time() - begun < 5
    assert toy.scene.running["ticks"] == toy.scene.running["silence"] == 0
    assert toy.scene.opened == toy.scene.closed


async def test_token_that_has_expired_already(toy: Toy) -> None:
    async with toy.bare() as socket:
        await tell(socket, {"type": "connection_init", "payload": {"Authorization": "Bearer ada~-1"}})
        assert (await closed(socket))[0] == 4401


async def test_cut_ends_only_whom_it_means(toy: Toy) -> None:
    async with toy.socket(caller="ada") as ada, toy.socket(caller="bob") as bob, toy.bare() as unclaimed:
        await subscribe(ada, "1", "subscription { ticks }")
        await hear(ada)
        assert toy.live.cut(lambda person: person.name == "ada", 4403, "Your role has changed") == 1
        assert await closed(ada) == (4403, "Your role has changed")
        await subscribe(bob, "1", "{ whoami }")
        assert (await hear(bob))["payload"]["data"] == {"whoami": "bob"}
        await tell(unclaimed, {"type": "connection_init"})
        assert (await hear(unclaimed))["type"] == "connection_ack"


async def test_context_of_every_operation_is_its_own_and_is_closed(toy: Toy) -> None:
    async with toy.socket() as socket:
        for number in range(10):
            await subscribe(socket, str(number), "{ number again: number }")
        seen: dict[str, int] = {}
        while len(seen) < 10:
            frame = await hear(socket)
            if frame["type"] == "next":
                data = frame["payload"]["data"]
                assert data["number"] == data["again"]
                seen[frame["id"]] = data["number"]
        assert len(set(seen.values())) == 10
        await subscribe(socket, "s", "subscription { silence }")
        await until(lambda: toy.scene.running["silence"] == 1)
        socket.transport.abort()
    await until(lambda: toy.scene.running["silence"] == 0 and toy.scene.opened == toy.scene.closed)


async def test_complete_from_the_client_ends_the_source(toy: Toy) -> None:
    async with toy.socket() as socket:
        await subscribe(socket, "1", "subscription { ticks }")
        await hear(socket)
        await tell(socket, {"id": "1", "type": "complete"})
        await until(lambda: toy.scene.running["ticks"] == 0)
        await tell(socket, {"id": "never", "type": "complete"})
        await tell(socket, {"type": "ping", "payload": {"a": 1}})
        while (await hear(socket))["type"] != "pong":
            pass


async def test_paused_reader_stops_the_source(toy: Toy) -> None:
    async with toy.socket(max_queue=1) as socket:
        socket.transport.pause_reading()
        await subscribe(socket, "1", "subscription { ticks(size: 65536) }")
        await until(lambda: toy.scene.running["sent"] > 0)
        before = -1
        while before != toy.scene.running["sent"]:  # the kernel's buffers fill, then the generator stands still
            before = toy.scene.running["sent"]
            await asyncio.sleep(0.3)
        assert toy.scene.running["sent"] < 1_000
        socket.transport.abort()
    await until(lambda: toy.scene.running["ticks"] == 0)
    toy.scene.running["sent"] = 0


async def test_shutdown_closes_with_service_restart() -> None:
    async with serving() as toy, toy.socket(caller="ada") as socket:
        await subscribe(socket, "1", "subscription { ticks }")
        await hear(socket)
        toy.server.should_exit = True
        assert (await closed(socket))[0] == 1012
    assert toy.scene.running["ticks"] == 0
    assert toy.scene.opened == toy.scene.closed
    assert len(toy.live) == 0
