import time
from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, build_schema, get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st
from strawberry.schema.config import StrawberryConfig

from schema import guard
from schema.errors import EvaliumSchema
from schema.guard_overlap import OverlapCounter
from schema.guard_shape import MAX_DEPTH, Measure, ShapeReader
from services.refusals import BadUserInput, LimitExceeded

SDL = build_schema(
    """
    type Query { root: Node  nodes(ids: [ID!]!): [Node!]!  page(first: Int = 20): [Node!]!  free: ID }
    type Node { id: ID  parent: Node  children(first: Int, last: Int): [Node!]! }
    """
)


assert SDL.query_type is not None
SDL.query_type.fields["page"].args["first"].default_value = 20  # where Strawberry keeps it


def read(text: str, variables: dict[str, Any] | None = None) -> tuple[Measure, int]:
    document = parse(text)
    reader = ShapeReader(SDL, document, variables)
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return reader.measure(operation), reader.steps


@pytest.mark.parametrize(
    ("text", "variables", "cost"),
    [
        ("{ free }", None, 1),
        ("{ root { id parent { id } } }", None, 4),
        ("{ root { children(first: 10) { id } } }", None, 12),
        ("{ root { children(last: 10) { id } } }", None, 12),
        ("{ root { children(first: 5000) { id } } }", None, 202),
        ("{ root { children(first: " + "9" * 5000 + ") { id } } }", None, 202),
        ("{ root { children(first: -1) { id } } }", None, 3),
        ("{ root { children { id } } }", None, 52),
        ("{ root { children(first: null) { id } } }", None, 52),
        ("{ page { id } }", None, 21),
        ("{ page(first: 3) { id } }", None, 4),
        ("query ($n: Int) { page(first: $n) { id } }", {"n": 7}, 8),
        ("query ($n: Int) { page(first: $n) { id } }", {"n": None}, 21),
        ("query ($n: Int) { page(first: $n) { id } }", {"n": "x"}, 201),
        ("query ($n: Int) { page(first: $n) { id } }", {}, 21),
        ("query ($n: Int = 9) { page(first: $n) { id } }", {}, 10),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', None, 4),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["x"] * 40}, 41),
        (("{ ...F ...G } fragment F on Query { page(first: 2) { ...N } } fragment G on Query { free } "
         "fragment N on Node { id parent { id } }"), None, 8),
        ("{ root { ... on Node { children(first: 4) { id } } } }", None, 6),
        ("{ unknown { id } ...Missing }", None, 2),
    ],
)  # fmt: skip
def test_cost(text: str, variables: dict[str, Any] | None, cost: int) -> None:
    assert read(text, variables)[0].cost == cost


def test_depth_counts_fields_and_not_fragments() -> None:
    assert read("{ root { ... { ... on Node { ...F } } } } fragment F on Node { parent { id } }")[0].depth == 3


@given(st.integers(1, 30), st.integers(2, 4))
def test_steps_grow_with_the_text_and_not_with_what_it_expands_to(levels: int, spreads: int) -> None:
    text = "{ root { ...F0 } }" + "".join(
        f" fragment F{level} on Node {{ {' '.join(f'a{one}: parent {{ ...F{level + 1} }}' for one in range(spreads))} }}"
        for level in range(levels)
    )
    text += f" fragment F{levels} on Node {{ id }}"
    measure, steps = read(text)
    assert steps <= 2 * spreads * (levels + 1) + 2
    assert measure.depth == levels + 2
    assert measure.cost >= min(10**9, spreads**levels)


@given(st.lists(st.sampled_from(["id", "parent { id }", "children(first: 3) { id }"]), min_size=1, max_size=20))
def test_cost_of_a_level_is_the_sum_of_its_parts(parts: list[str]) -> None:
    whole, _ = read("{ root { " + " ".join(f"x{i}: {part}" for i, part in enumerate(parts)) + " } }")
    each = sum(read(f"{{ root {{ {part} }} }}")[0].cost - 1 for part in parts)
    assert whole.cost == each + 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{ " + " ".join(f"a{i}: free" for i in range(31)) + " }", "31 aliased"),
        ("{ " + "free " * 32 + " }", "31 aliased or repeated"),
        ("{ ... { " + "free " * 16 + "} ... { " + "free " * 16 + " } }", "31 aliased or repeated"),
        ("{ free " + "@skip(if: false) " * 11 + " }", "11 directives"),
        ("query Q " + "@a " * 11 + " { free }", "11 directives"),
        ("{ ...F } fragment F on Query " + "@a " * 11 + " { free }", "11 directives"),
        ("query ($v: Int " + "@a " * 11 + ") { free }", "11 directives"),
        ("{ ...F0 }" + "".join(f" fragment F{i} on Query {{ ...F{i + 1} }}" for i in range(70)), "nests more than"),
    ],
)
def test_levels_are_bounded(text: str, says: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        read(text)
    assert says in caught.value.message
    assert caught.value.advice


def test_circular_fragments_are_refused_before_anything_else_is_read() -> None:
    with pytest.raises(BadUserInput, match="'F' contains itself"):
        read("{ ...F } fragment F on Query { free ...G } fragment G on Query { ...F }")


def test_thirty_aliases_and_ten_directives_are_fine() -> None:
    read("{ " + " ".join(f"a{i}: free" for i in range(30)) + " }")
    read("{ free " + "@skip(if: false) " * 10 + " }")


@pytest.mark.parametrize("repeats", [2, 14, 120])
def test_overlap_pairs(repeats: int) -> None:
    text = "{" + "".join(f"...F{i} " for i in range(repeats)) + "}"
    text += "".join(f" fragment F{i} on Query {{ root {{ id }} }}" for i in range(repeats))
    counter = OverlapCounter(parse(text))
    if repeats < 60:
        counter.count()
        assert counter.pairs == repeats * (repeats - 1)
    else:
        with pytest.raises(LimitExceeded):
            counter.count()


def test_overlap_of_doubling_fragments_is_read_once() -> None:
    text = "{ root { ...F0 } }" + "".join(
        f" fragment F{i} on Node {{ a: parent {{ ...F{i + 1} }} b: parent {{ ...F{i + 1} }} }}" for i in range(50)
    )
    counter = OverlapCounter(parse(text + " fragment F50 on Node { id }"))
    counter.count()
    assert counter.steps < 1_000


@strawberry.type
class Leaf:
    id: str = "x"

    @strawberry.field
    def parent(self) -> "Leaf":
        return Leaf()

    @strawberry.field
    def children(self, first: int = 20) -> list["Leaf"]:
        return [Leaf() for _ in range(first)]


@strawberry.type
class Query:
    @strawberry.field
    def root(self) -> Leaf:
        return Leaf()


@pytest.fixture(scope="module")
def schema() -> EvaliumSchema:
    return EvaliumSchema(Query)


def doubling(levels: int) -> str:
    return "{ root { ...F0 } }" + "".join(
        f" fragment F{i} on Leaf {{ ...F{i + 1} ...F{i + 1} }}" for i in range(levels)
    ) + f" fragment F{levels} on Leaf {{ id }}"  # fmt: skip


BOMBS = {
    "2^20 fragments": "{ root { ...F0 } }"
    + "".join(
        f" fragment F{i} on Leaf {{ a: parent {{ ...F{i + 1} }} b: parent {{ ...F{i + 1} }} }}" for i in range(20)
    )
    + " fragment F20 on Leaf { id }",
    "20 doubled spreads": doubling(20),
    "60 doubled spreads": doubling(60),
    "5000 aliases": "{ " + " ".join(f"a{i}: root {{ id }}" for i in range(5000)) + " }",
    "directives": "{ root { id " + "@include(if: true) " * 300 + "} }",
    "lists": "{ root { " + "children(first: 50) { " * 5 + "id" + " }" * 5 + " } }",
    "repeats": "{ " + "root { id } " * 1500 + "}",
    "nested repeats": "{ " + ("root { " + "parent { id } " * 14 + "} ") * 30 + "}",
    "many fragments": "{ "
    + "".join(f"...F{i} " for i in range(120))
    + "}"
    + "".join(f" fragment F{i} on Query {{ root {{ parent {{ id }} }} }}" for i in range(120)),
    "unknown fields": "{ " + " ".join(f"x{i}" for i in range(8000)) + " }",
    "deep": "{ root { " + "parent { " * 40 + "id" + " }" * 40 + " } }",
    "comment": "#" + "x" * 260_000 + "\n{ root { " + "parent { " * 40 + "id" + " }" * 40 + " } }",
    "comments": "#\n" * 130_000 + "{ root { id } }",
    "commas": "," * 260_000 + "{ nothing }",
    "introspection": "{ __schema { types { " + "fields { type { " * 6 + "name" + " } }" * 6 + " } } }",
}


UNMISTAKABLE = 15.0


@pytest.fixture
def allowed() -> Iterator[None]:
    guard.allow_introspection(allowed=True)
    yield
    guard.allow_introspection(allowed=False)


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.usefixtures("allowed")
async def test_bombs_are_refused_before_they_go_off(schema: EvaliumSchema, name: str) -> None:
    """Milliseconds here, minutes where one goes off; the bound only tells the two apart on any machine."""
    begun = time.perf_counter()
    result = await schema.execute(BOMBS[name])
    took = time.perf_counter() - begun
    assert result.errors
    assert took < UNMISTAKABLE
    codes = {(error.extensions or {})["code"] for error in result.errors}
    assert codes <= {"LIMIT_EXCEEDED", "BAD_USER_INPUT"}
    assert len(result.errors) <= 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{ " + "root { id } " * 600 + "}", "more than 2000 tokens"),
        ("{ root { " + "parent { " * 14 + "id" + " }" * 14 + " } }", f"16 levels deep; {MAX_DEPTH} are allowed"),
        ("{ root { " + "children(first: 50) { " * 3 + "id" + " }" * 3 + " } }", "costs"),
        ("query A { root { id } } query B { root { id } }", "holds 2 operations"),
    ],
)
async def test_each_limit_has_its_own_message(schema: EvaliumSchema, text: str, says: str) -> None:
    (error, *_) = (await schema.execute(text)).errors or []
    assert says in error.message
    assert (error.extensions or {})["hint"]


async def test_known_documents_are_not_validated_again(schema: EvaliumSchema, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "query ($n: Int!) { root { children(first: $n) { id parent { id } } } }"
    assert not (await schema.execute(text, variable_values={"n": 1})).errors
    monkeypatch.setattr(guard, "validate", None)
    result = await schema.execute(text, variable_values={"n": 2})
    assert (result.extensions or {})["cost"]["requested"] == 2 + 2 * 3
    deep = "query ($n: Int!) { root { children(first: $n) { children(first: $n) { id } } } }"
    monkeypatch.undo()
    assert not (await schema.execute(deep, variable_values={"n": 2})).errors
    assert (await schema.execute(deep, variable_values={"n": 200})).errors


async def test_refused_documents_are_not_remembered(schema: EvaliumSchema) -> None:
    before = len(guard._known._kept)
    for number in range(5):
        await schema.execute(f"{{ nothing{number} }}")
    assert len(guard._known._kept) == before
    for number in range(guard.CACHED_DOCUMENTS + 10):
        await schema.execute(f"{{ a{number}: root {{ id }} }}")
    assert len(guard._known._kept) == guard.CACHED_DOCUMENTS


@pytest.mark.usefixtures("allowed")
async def test_standard_introspection_fits_the_limits(schema: EvaliumSchema) -> None:
    result = await schema.execute(get_introspection_query(descriptions=True, input_value_deprecation=True))
    assert not result.errors


def test_sorted_schemas_are_refused() -> None:
    with pytest.raises(ValueError, match="sort_schema"):
        EvaliumSchema(Query, config=StrawberryConfig(sort_schema=True))


def test_synchronous_execution_is_guarded_too(schema: EvaliumSchema) -> None:
    assert schema.execute_sync("{ root { id } }").data == {"root": {"id": "x"}}
    assert schema.execute_sync("{ __schema { types { name } } }").errors
