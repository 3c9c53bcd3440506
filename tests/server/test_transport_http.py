import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from graphql import get_introspection_query
from structlog.testing import capture_logs

from schema import guard_deadline
from tests.factories.hostile import BODIES
from tests.server.transport_toy import Toy, serving, until

BOTH = "application/graphql-response+json, application/json;q=0.9"
RESPONSE_JSON = "application/graphql-response+json"


@pytest.fixture(scope="module")
async def toy() -> AsyncIterator[Toy]:
    async with serving() as running:
        yield running


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        (RESPONSE_JSON, RESPONSE_JSON),
        (BOTH, RESPONSE_JSON),
        ("application/json, application/graphql-response+json", RESPONSE_JSON),
        ("application/json, application/graphql-response+json;q=0.5", "application/json"),
        ("text/event-stream, application/json", "application/json"),
    ],
)
async def test_media_type_is_negotiated(toy: Toy, accept: str, media: str) -> None:
    response = await toy.post({"query": "{ root { id } }"}, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"].split(";")[0] == media
    assert response.json()["data"] == {"root": {"id": "n"}}


async def test_unacceptable_media_type(toy: Toy) -> None:
    response = await toy.post({"query": "{ root { id } }"}, accept="text/html")
    assert response.status_code == 406
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{"},
        {"query": "{ nothing }"},
        {"query": ""},
        {"query": "query A { root { id } }", "operationName": "B"},
        {"query": "query A { root { id } } query B { root { id } }"},
        {"query": "subscription { count }"},
        {"query": "query ($n: Int!) { echo(number: $n) }"},
        {"query": "query ($n: Int) { echo(number: $n) }", "variables": {"n": "x"}},
        {"query": "query ($t: DateTime) { echo(at: $t) }", "variables": {"t": 5}},
        {"query": "query ($t: DateTime) { echo(at: $t) }", "variables": {"t": "noon"}},
        {"query": '{ echo(at: "noon") }'},
        {"query": "{ __schema { types { name } } }"},
        {"query": "{ root { ...F @defer } } fragment F on Node { id }"},
    ],
    ids=lambda body: body["query"][:30] or "empty",
)
async def test_nothing_executed_means_4xx_and_no_data(toy: Toy, body: dict[str, Any]) -> None:
    strict = await toy.post(body, accept=RESPONSE_JSON)
    lenient = await toy.post(body)
    assert (strict.status_code, lenient.status_code) == (400, 200)
    for response in (strict, lenient):
        answer = response.json()
        assert "data" not in answer
        assert answer["errors"][0]["extensions"]["code"] in {"BAD_USER_INPUT", "FORBIDDEN"}
        assert answer["errors"][0]["extensions"]["classification"] == "BAD_USER_INPUT"
        assert "Did you mean" not in response.text


@pytest.mark.parametrize(
    "body",
    BODIES,
    ids=lambda body: repr(body[:40]),
)
@pytest.mark.parametrize("accept", ["application/json", RESPONSE_JSON])
async def test_hostile_bodies(toy: Toy, body: bytes, accept: str) -> None:
    response = await toy.post(body, accept=accept)
    assert response.status_code == 400
    answer = response.json()
    assert set(answer) == {"errors"}
    assert answer["errors"][0]["extensions"]["hint"]


async def test_nul_in_a_literal_is_refused_before_execution(toy: Toy) -> None:
    answer = await toy.ask('{ echo(text: "a\\u0000b") }')
    assert "U+0000" in answer["errors"][0]["message"]
    assert (await toy.ask('{ echo(text: "a\\\\u0000b") }'))["data"]["echo"].startswith("a\\u0000b")


async def test_integer_beyond_32_bits_is_refused(toy: Toy) -> None:
    answer = await toy.ask("query ($n: Int) { echo(number: $n) }", {"n": 2**40})
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Type": "application/json; charset=UTF-8"}, 200),
        ({"Content-Type": "Application/JSON"}, 200),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity"}, 200),
    ],
)
async def test_content_headers(toy: Toy, headers: dict[str, str], status: int) -> None:
    response = await toy.post({"query": "{ root { id } }"}, headers=headers)
    assert response.status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_post_is_answered(toy: Toy, method: str) -> None:
    async with httpx2.AsyncClient() as client:
        response = await client.request(method, toy.url, params={"query": "{ root { id } }"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_announced_size_above_the_limit(toy: Toy) -> None:
    response = await toy.post(b" " * 262_145)
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert "262144" in response.text


async def test_streamed_size_above_the_limit(toy: Toy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head + (b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 9)
    status = await reader.readline()
    writer.close()
    assert b"413" in status


async def test_body_that_does_not_arrive(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.limits.BODY_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer.lower()


async def test_anonymous_and_known_callers(toy: Toy) -> None:
    assert (await toy.ask("{ whoami }"))["data"] == {"whoami": "anonymous"}
    assert (await toy.ask("{ whoami }", caller="ada"))["data"] == {"whoami": "ada"}


@pytest.mark.parametrize("value", ["Bearer bad", "Basic YTpi", "Bearer", "Bearer a b", "token"])
async def test_bad_token_is_401(toy: Toy, value: str) -> None:
    response = await toy.post({"query": "{ whoami }"}, headers={"Authorization": value})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_token_in_the_address_is_nobody(toy: Toy) -> None:
    async with httpx2.AsyncClient() as client:
        response = await client.post(f"{toy.url}?token=ada&access_token=ada", json={"query": "{ whoami }"})
    assert response.json()["data"] == {"whoami": "anonymous"}


async def test_failing_authentication_is_503_and_silent(toy: Toy) -> None:
    with capture_logs() as logs:
        response = await toy.post({"query": "{ whoami }"}, caller="broken")
    assert response.status_code == 503
    assert "hunter2" not in response.text
    assert response.json()["errors"][0]["extensions"]["reference"] == logs[0]["reference"]


async def test_unexpected_errors_are_masked_and_logged(toy: Toy) -> None:
    with capture_logs() as logs:
        answer = await toy.ask("query Find($v: String) { secret echo(text: $v) }", {"v": "private"})
    (error,) = answer["errors"]
    assert error["message"] == "Internal error."
    assert error["path"] == ["secret"]
    assert error["extensions"]["code"] == "INTERNAL"
    (entry,) = logs
    assert entry["reference"] == error["extensions"]["reference"]
    assert entry["operation"] == "Find"
    assert "hunter2" in entry["traceback"]
    assert "private" not in str(entry)


async def test_a_cancellation_that_nobody_asked_for_is_answered(toy: Toy) -> None:
    with capture_logs() as logs:
        answer = await toy.ask("{ cancelled }")
    assert answer["errors"][0]["extensions"]["reference"] == logs[0]["reference"]


async def test_refusals_keep_their_code_hint_and_values(toy: Toy) -> None:
    answer = await toy.ask("{ drift forbidden }")
    drift, forbidden = (error["extensions"] for error in answer["errors"])
    assert answer["data"] == {"drift": None, "forbidden": None}
    assert (drift["code"], drift["classification"]) == ("STATE_DRIFT", "BAD_USER_INPUT")
    assert (drift["currentState"], drift["currentVersion"]) == ("FINISHED", 3)
    assert forbidden["code"] == "FORBIDDEN"
    assert forbidden["capability"] == "sessions.pause"
    assert forbidden["hint"]


async def test_value_that_json_cannot_carry_is_masked(toy: Toy) -> None:
    with capture_logs():
        answer = await toy.ask("{ huge }")
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"


async def test_introspection_is_a_permission(toy: Toy) -> None:
    assert "data" not in await toy.ask("{ __schema { queryType { name } } }")
    assert "data" not in await toy.ask('{ ...F } fragment F on Query { __type(name: "Node") { name } }', caller="ada")
    assert (await toy.ask(get_introspection_query(), caller="staff"))["data"]["__schema"]["types"]
    assert (await toy.ask("{ __typename root { __typename } }"))["data"]["__typename"] == "Query"


async def test_mutations_run_one_after_another(toy: Toy) -> None:
    toy.scene.order.clear()
    await toy.ask('mutation { a: act(name: "a") b: act(name: "b") c: act(name: "c") }')
    assert toy.scene.order == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


async def test_slow_operation_is_stopped(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_deadline, "OPERATION_SECONDS", 0.05)
    before = toy.scene.closed
    response = await toy.post({"query": "{ wait }"}, accept=RESPONSE_JSON)
    answer = response.json()
    assert response.status_code == 200
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    await until(lambda: toy.scene.closed == before + 1)


async def test_cost_is_in_every_response(toy: Toy) -> None:
    answer = await toy.ask("query ($n: Int) { root { children(first: $n) { id } } }", {"n": 20})
    assert answer["extensions"]["cost"] == {"requested": 22, "limit": 10_000, "remaining": 9_978}
    assert (await toy.ask("{ nothing }"))["extensions"]["cost"]["limit"] == 10_000


async def test_contexts_are_never_shared_and_always_closed(toy: Toy) -> None:
    opened = toy.scene.opened
    answers = await asyncio.gather(*(toy.ask("{ number again: number }") for _ in range(20)))
    pairs = [(one["data"]["number"], one["data"]["again"]) for one in answers]
    assert all(one == other for one, other in pairs)
    assert len({one for one, _ in pairs}) == 20
    assert toy.scene.opened == opened + 20
    assert toy.scene.closed == toy.scene.opened


async def test_idempotency_key_header_reaches_the_context(toy: Toy) -> None:
    assert (await toy.ask("{ key }", headers={"Idempotency-Key": "k-1"}))["data"] == {"key": "k-1"}


async def test_keep_alive_survives_every_refusal(toy: Toy) -> None:
    async with httpx2.AsyncClient() as client:
        ports: set[Any] = set()
        for content in (b"[", b"null", b'{"query":"{"}', b'{"query":"{ secret }"}', b'{"query":"{ whoami }"}'):
            with capture_logs():
                response = await client.post(toy.url, content=content, headers={"Content-Type": "application/json"})
            assert response.status_code < 500
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))
    assert None not in ports
    assert len(ports) == 1
