"""Persisted operations over every transport, with the toy schema and documents of its own."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from graphql import parse, print_ast

from server.persisted import Documents, OperationNotAllowed
from services.refusals import BadUserInput
from tests.server.transport_toy import Toy, hear, serving, subscribe

ROOT = "# A comment\nquery Root($n: Int) { root { id children(first: $n) { id } } }\n"
COUNT = "subscription Count { count(to: 2) }\n"
TYPED = """query Root($n: Int) {
  root {
    id
    children(first: $n) {
      id
      __typename
    }
    __typename
  }
}"""


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def apq(text: str, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}} | more


@pytest.fixture(scope="module")
async def toy() -> AsyncIterator[Toy]:
    async with serving(documents=Documents([ROOT, COUNT])) as running:
        yield running


@pytest.fixture(scope="module")
async def strict() -> AsyncIterator[Toy]:
    async with serving(documents=Documents([ROOT, COUNT], allow_list=True)) as running:
        yield running


def code(answer: dict[str, Any]) -> str:
    assert "data" not in answer
    return answer["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize("text", [ROOT, print_ast(parse(ROOT)), TYPED], ids=["stored", "printed", "with __typename"])
async def test_the_hash_alone_runs_a_known_document(toy: Toy, text: str) -> None:
    answer = (await toy.post(apq(text))).json()
    assert answer["data"]["root"]["id"] == "n"
    assert ("__typename" in answer["data"]["root"]) == (text is TYPED)
    for stated in (digest(text), digest(text).upper(), f"sha256:{digest(text)}"):
        assert (await toy.post({"documentId": stated})).json()["data"] == answer["data"]


async def test_an_unknown_hash_asks_for_the_text_in_the_words_of_the_clients(toy: Toy) -> None:
    stranger = "{ whoami }"
    for body in (apq(stranger), apq(stranger, query=""), apq(stranger, query=None), {"documentId": digest(stranger)}):
        answer = (await toy.post(body)).json()
        assert code(answer) == "PERSISTED_QUERY_NOT_FOUND"
        assert answer["errors"][0]["message"] == "PersistedQueryNotFound"
        assert (await toy.post(body, accept="application/graphql-response+json")).status_code == 400


async def test_the_text_of_others_is_run_and_not_stored(toy: Toy) -> None:
    stranger = "{ whoami }"
    assert (await toy.post(apq(stranger, query=stranger))).json()["data"] == {"whoami": "anonymous"}
    assert code((await toy.post(apq(stranger))).json()) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        apq(ROOT, query="{ whoami }"),
        apq(ROOT, documentId=digest(ROOT)),
        {"query": "{ whoami }", "documentId": digest(ROOT)},
        {"documentId": "Root"},
        {"documentId": ""},
        {"extensions": {"persistedQuery": 1}},
        {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": digest(ROOT)}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 7}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 63}}},
        {"extensions": {"persistedQuery": None}},
    ],
)
async def test_what_does_not_fit_together_is_refused(toy: Toy, body: dict[str, Any]) -> None:
    assert code((await toy.post(body)).json()) == "BAD_USER_INPUT"


async def test_hashes_over_a_socket_and_over_events(toy: Toy) -> None:
    async with toy.socket() as socket:
        await subscribe(socket, "1", "", **apq(COUNT))
        assert [(await hear(socket))["type"] for _ in range(3)] == ["next", "next", "complete"]
        await subscribe(socket, "2", "", **apq("{ whoami }"))
        refused = await hear(socket)
        assert (refused["type"], refused["payload"][0]["message"]) == ("error", "PersistedQueryNotFound")
        await subscribe(socket, "3", "{ whoami }")
        assert (await hear(socket))["type"] == "next"
    async with httpx2.AsyncClient() as client:
        text = (await client.post(f"{toy.url}/stream", json=apq(COUNT))).text
        assert text.count("event: next") == 2
        assert "PersistedQueryNotFound" in (await client.post(f"{toy.url}/stream", json=apq("{ whoami }"))).text


async def test_the_manifest_is_public(toy: Toy) -> None:
    async with httpx2.AsyncClient() as client:
        listed = (await client.get(f"{toy.url}/manifest.json")).json()
    assert listed["format"] == "apollo-persisted-query-manifest"
    assert [(one["id"], one["name"], one["type"]) for one in listed["operations"]] == [
        (digest(ROOT), "Root", "query"),
        (digest(COUNT), "Count", "subscription"),
    ]


@pytest.mark.parametrize(
    "text", [ROOT, TYPED, " ".join(ROOT.splitlines()[1:]), ROOT.replace("id }", "id __typename }")]
)
async def test_an_allow_list_lets_our_documents_pass(strict: Toy, text: str) -> None:
    assert (await strict.ask(text))["data"]["root"]["id"] == "n"
    assert (await strict.post(apq(ROOT))).json()["data"]["root"]["id"] == "n"


@pytest.mark.parametrize(
    "text",
    [
        "{ whoami }",
        "{",
        "{ __typename }",
        ROOT.replace("id }", "id parent { id } }"),
        ROOT.replace("$n: Int", "$n: Int = 3"),
        ROOT.replace("Root(", "Other("),
        ROOT + "query Second { whoami }",
        ROOT.replace("id }", "t: __typename }"),
        "{ root { id } " * 900,
        "{" + "root {" * 900,
        "query Root { root " + "{ __typename " * 660 + "}" * 661,
    ],
    ids=lambda text: text[:40],
)
async def test_an_allow_list_refuses_everything_else(strict: Toy, text: str) -> None:
    assert code(await strict.ask(text, caller="ada")) == "OPERATION_NOT_ALLOWED"
    assert code((await strict.post(apq(text, query=text))).json()) == "OPERATION_NOT_ALLOWED"
    async with strict.socket() as socket:
        await subscribe(socket, "1", text)
        assert (await hear(socket))["payload"][0]["extensions"]["code"] == "OPERATION_NOT_ALLOWED"


async def test_an_allow_list_does_not_bind_those_who_may_introspect(strict: Toy) -> None:
    assert (await strict.ask("{ whoami }", caller="staff"))["data"] == {"whoami": "staff"}


def test_our_own_documents_are_all_known() -> None:
    ours = Documents.ours(allow_list=True)
    assert len(ours.operations) > 25
    for one in ours.operations:
        assert ours.text("", one.id, None, is_trusted=False) == one.body
        assert ours.text(one.body, None, None, is_trusted=False) == one.body
        with pytest.raises(OperationNotAllowed):
            ours.text(one.body.replace(one.name, "Elsewhere"), None, None, is_trusted=False)
    with pytest.raises(BadUserInput):
        ours.text("{ x }", ours.operations[0].id, None, is_trusted=False)
