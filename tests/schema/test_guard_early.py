"""What is refused before an operation is prepared is refused in the same words as it would be later."""

from typing import Any

import pytest
from strawberry.schema import schema as strawberry_schema

from schema import guard
from schema.root import schema
from server.graphql_operation import Answer, GraphQLRequest, Operations
from services.viewer import Viewer
from tests.factories.bombs import BOMBS

NOBODY = Viewer.anonymous()
EARLY = {name: text for name, text in BOMBS.items() if len(text) < 20_000 and name != "unknown fields"}


def operations() -> tuple[Operations, list[Any]]:
    made: list[Any] = []
    return Operations(schema, lambda viewer, _request: made.append(viewer), lambda _viewer: False), made


async def answer(text: str, **more: Any) -> tuple[Answer, list[Any]]:
    ours, made = operations()
    return await ours.answer(GraphQLRequest(text, **more), NOBODY), made


@pytest.mark.parametrize("name", EARLY)
async def test_no_context_is_made_for_a_bomb_and_the_answer_is_the_guards(name: str) -> None:
    found, made = await answer(EARLY[name])
    assert not made
    later = await schema.execute(EARLY[name])
    assert found.errors == [error.formatted for error in later.errors or ()]


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("query A { viewer { __typename } } query B { viewer { __typename } }", {}),
        ("query A { viewer { __typename } }", {"operation_name": "B"}),
        ("fragment F on Query { viewer { __typename } }", {}),
        ("{ __schema { types { name } } }", {}),
        ("{ nothing }", {}),
    ],
)
async def test_what_is_neither_malformed_nor_large_is_judged_with_its_context(text: str, more: dict[str, Any]) -> None:
    found, made = await answer(text, **more)
    assert len(made) == 1
    assert not found.was_executed


async def test_the_operation_that_was_asked_for_is_measured_and_no_other() -> None:
    dear = "query Dear " + EARLY["lists in lists, 100^4"]
    assert "costs" in (await answer(dear))[0].errors[0]["message"]
    both = f"{dear} query Cheap {{ __typename }}"
    assert "costs" in (await answer(both, operation_name="Dear"))[0].errors[0]["message"]
    assert (await answer(both, operation_name="Cheap"))[0].errors != (await answer(dear))[0].errors


async def test_a_document_that_goes_on_is_parsed_and_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    parse = guard.parse

    def counted(text: str, **options: Any) -> Any:
        read.append(text)
        return parse(text, **options)

    monkeypatch.setattr(guard, "parse", counted)
    monkeypatch.setattr(strawberry_schema, "parse", None)
    text = "query OnceOnly { __typename }"
    assert (await answer(text))[0].body.startswith(b'{"data":{"__typename":"Query"}')
    assert (await answer(text))[0].body.startswith(b'{"data":{"__typename":"Query"}')
    assert read == [text]


async def test_what_was_read_of_one_document_is_not_taken_for_another() -> None:
    assert guard.refused_early(schema, "query Left { __typename }", None, None) is None
    result = await schema.execute("query Other { nothing }")
    assert "nothing" in (result.errors or [])[0].message
    assert guard.refused_early(schema, "query Left { __typename }", None, None) is None
