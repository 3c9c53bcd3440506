"""The straight way of a query answers what graphql-core answers, to the letter, and leaves to it what it is not sure of."""

import ast
from pathlib import Path
from typing import Generic, TypeVar

import orjson
import pytest
import strawberry

from resolvers.context import Context, House
from schema.errors import EvaliumSchema
from schema.straight_queries import StraightQuery
from services.viewer import Viewer
from tests.factories import asking
from tests.factories.asking import TOKENS

ROOT = Path(__file__).parents[2]


@strawberry.input
class Wanted:
    numbers: list[int]
    word: str | None = "none"


@strawberry.type
class Row:
    number: int
    text: str

    @strawberry.field
    async def scaled(self, info: strawberry.Info, by: int = 2, wanted: Wanted | None = None) -> int | None:  # noqa: ARG002 - what is awaited is given it
        """Take arguments, and refuse one of them."""
        if by == 13:
            raise ValueError("thirteen")
        return None if by == 0 else self.number * by + sum(wanted.numbers if wanted else [])


@strawberry.type
class Page:
    nodes: list[Row]
    note: str | None


T = TypeVar("T")


@strawberry.type
class Shelf(Generic[T]):
    nodes: list[T]


@strawberry.type
class Query:
    @strawberry.field
    async def shelf(self, info: strawberry.Info) -> Shelf[Row]:  # noqa: ARG002 - what is awaited is given it
        """Answer a generic type, of what does not say of which."""
        return Shelf(nodes=[Row(number=1, text="one")])

    @strawberry.field
    async def page(self, info: strawberry.Info, first: int = 2, wanted: Wanted | None = None) -> Page | None:  # noqa: ARG002 - what is awaited is given it
        """Answer so many rows; null for none, and a row that is no row for a negative number."""
        CALLS.append(first)
        if first == 0:
            return None
        if first > 100:
            raise ValueError("too many")
        note = None if wanted is None else f"{wanted.word} {wanted.numbers}"
        rows = [Row(number=n, text=f"t{n}") for n in range(abs(first))]
        return Page(nodes=rows if first > 0 else [*rows, None], note=note)  # type: ignore[list-item]

    @strawberry.field
    async def rows(self, info: strawberry.Info, text: str | None = None) -> list[Row]:  # noqa: ARG002 - what is awaited is given it
        """Answer one row; a text that is none makes it unfit."""
        return [Row(number=1, text=text)]  # type: ignore[arg-type]

    @strawberry.field
    async def number(self, info: strawberry.Info) -> int:  # noqa: ARG002 - what is awaited is given it
        """Answer no object."""
        return 1


CALLS: list[int] = []
SCHEMA = EvaliumSchema(Query)


@pytest.fixture
def house() -> House:
    return House(office=None, hub=None, tokens=TOKENS, cursor_secret=bytes(32))  # type: ignore[arg-type]


@pytest.fixture
def taken(monkeypatch):
    """What the straight way answered, None for what it left to graphql-core."""
    answers = []
    original = StraightQuery.execute

    async def noted(self, given, context):
        answers.append(await original(self, given, context))
        return answers[-1]

    monkeypatch.setattr(StraightQuery, "execute", noted)
    return answers


async def answered(house, text, variables, *, planning=True):
    context = Context(house, Viewer.anonymous())
    result = await asking.answered(SCHEMA, context, text, variables, planning=planning)
    errors = [(error.message, error.path, error.locations) for error in result.errors or []]
    return orjson.dumps(result.data), errors


async def known(house, text, variables):
    """Answer twice: a document is valid from the first time on, and measured from the second."""
    return [await answered(house, text, variables) for _ in range(2)]


TWO = """query ($n: Int!) { a: page(first: $n) { ...P } b: page { ...P note } rows(text: "x") { text } }
fragment P on Page { nodes { number } }"""
CASES = {
    "no arguments": ("{ page { note nodes { number text } } }", None),
    "literals": ('{ page(first: 3, wanted: {numbers: [1, 2], word: "w"}) { note nodes { number } } }', None),
    "variables": (
        "query ($n: Int!, $w: Wanted) { page(first: $n, wanted: $w) { note nodes { again: number __typename } } }",
        {"n": 4, "w": {"numbers": [3]}},
    ),
    "a default of the document": ("query ($n: Int = 5) { page(first: $n) { nodes { text } } }", {}),
    "a null for what may be null": ("query ($w: Wanted) { page(wanted: $w) { note } }", {"w": None}),
    "arguments inside": (
        "query ($by: Int!, $w: Wanted) { page { nodes { scaled(by: $by, wanted: $w) more: scaled } } }",
        {"by": 3, "w": {"numbers": [1]}},
    ),
    "nothing inside": ("query ($by: Int!) { page { nodes { scaled(by: $by) } } }", {"by": 0}),
    "two roots and a fragment": (
        TWO,
        {"n": 1},
    ),
    "a generic type": ("{ shelf { nodes { number text } } }", None),
    "a null root": ("{ page(first: 0) { note } }", None),
}
REFUSED = {
    "a variable of another type": ("query ($n: Int!) { page(first: $n) { note } }", {"n": "four"}),
    "no variable": ("query ($n: Int!) { page(first: $n) { note } }", {}),
    "a failing root": ("query ($n: Int!) { page(first: $n) { note } }", {"n": 101}),
    "one failing root of two": ("query ($n: Int!) { a: page(first: $n) { note } b: page { note } }", {"n": 101}),
    "a failing field": ("query ($by: Int!) { page { nodes { number scaled(by: $by) } } }", {"by": 13}),
    "a null in a list": ("query ($n: Int!) { page(first: $n) { nodes { number } } }", {"n": -2}),
    "an unfit text": ("query ($t: String) { rows(text: $t) { number text } }", {"t": None}),
}
WARM = {"n": 1, "by": 2, "t": "t", "w": None}


@pytest.mark.parametrize("case", CASES)
async def test_it_answers_what_graphql_core_answers(house, taken, case):
    text, variables = CASES[case]
    first, _ = await known(house, text, variables)
    second = await answered(house, text, variables)
    assert [one is not None for one in taken] == [True]
    assert await answered(house, text, variables, planning=False) == first == second
    assert len(taken) == 1


@pytest.mark.parametrize("case", REFUSED)
async def test_what_it_is_not_sure_of_is_answered_by_graphql_core(house, taken, case):
    text, variables = REFUSED[case]
    text = f"{text} # {case}"
    usual = {name: value for name, value in WARM.items() if f"${name}" in text}
    await known(house, text, usual)
    assert await answered(house, text, usual) == await answered(house, text, usual, planning=False)
    assert taken.pop() is not None
    refused = await answered(house, text, variables)
    assert taken in ([None], [])
    assert refused[1]
    assert refused == await answered(house, text, variables, planning=False)


async def test_a_document_on_which_a_plan_was_not_sure_is_not_read_twice_again(house, taken):
    text, variables = "query Once($n: Int!) { page(first: $n) { nodes { number } } }", {"n": -2}
    await known(house, text, {"n": 1})
    await answered(house, text, variables)
    taken.clear()
    CALLS.clear()
    await answered(house, text, variables)
    assert CALLS == [-2, -2]
    await answered(house, text, variables)
    assert CALLS == [-2, -2, -2]
    assert taken == [None]


@pytest.mark.parametrize("text", ["{ number }", "{ page { note @include(if: true) } }", "{ __typename }"])
async def test_other_queries_have_no_straight_way(house, taken, text):
    await known(house, text, None)
    data, errors = await answered(house, text, None)
    assert errors == []
    assert data == (await answered(house, text, None, planning=False))[0]
    assert taken == []


def test_resolvers_take_the_context_alone():
    """What is given in place of Strawberry's `Info` holds no more; `selects` reads where the field stands."""
    awaited = [
        function
        for path in (ROOT / "schema").glob("*.py")
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.AsyncFunctionDef)
    ]
    taken = {
        node.attr
        for function in awaited
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "info"
    }
    assert taken == {"context"}
