"""Plans answer what graphql-core answers, to the letter: values, nulls, errors, their paths and their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson
import pytest
import strawberry
from hypothesis import given
from hypothesis import strategies as st

from schema import plans
from schema.errors import EvaliumSchema
from schema.executor import PlanningExecutor
from schema.plans import together

CALLS: list[int] = []


@strawberry.enum
class Colour(Enum):
    RED = "r"
    BLUE = "b"


@strawberry.interface
class Named:
    name: str | None


@strawberry.type
class Cat(Named):
    lives: int


@strawberry.type
class Dog(Named):
    tags: list[str]


async def _doubles(_context: object, leaves: Sequence["Leaf"]) -> list[int | None]:
    CALLS.append(len(leaves))
    if any(leaf.number == 13 for leaf in leaves):
        raise ValueError("thirteen")
    return [None if leaf.number is None else 2 * leaf.number for leaf in leaves]


@strawberry.type
class Leaf:
    number: int | None
    text: str
    colour: Colour | None
    exact: Decimal
    at: datetime
    notes: list[str] | None
    animal: Named | None

    @strawberry.field
    def loud(self) -> str:
        return self.text.upper()

    @strawberry.field
    @together(_doubles)
    async def doubled(self, info: strawberry.Info) -> int | None:
        return (await _doubles(info.context, [self]))[0]

    @strawberry.field
    async def owner(self, info: strawberry.Info) -> str | None:
        return info.context["owner"] if self.number else None


@strawberry.type
class Branch:
    leaf: Leaf | None
    leaves: list[Leaf]


@dataclass
class Held:
    """What the query answers in a test."""

    branches: list[Any]


HELD = Held([])


@strawberry.type
class Query:
    @strawberry.field
    def branches(self) -> list[Branch]:
        return HELD.branches

    @strawberry.field
    def first(self) -> Branch | None:
        return HELD.branches[0] if HELD.branches else None


SCHEMA = EvaliumSchema(Query, types=[Cat, Dog])

LEAF = """
fragment L on Leaf {
  number text colour exact at notes loud doubled owner
  animal { __typename name ... on Cat { lives } ... on Dog { tags } }
}
"""
DOCUMENTS = (
    "query All { branches { __typename leaf { ...L } leaves { ...L } } }" + LEAF,
    "query First { first { again: leaf { a: number number text } leaves { loud } } }",
    "query Deep($deep: Boolean = true) { first { leaves { loud @include(if: $deep) doubled } } }",
)
"""One root field each: which of two root fields fails first is nobody's promise."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def leaf(number: Any = 1, text: Any = "t", **others: Any) -> Leaf:
    given: dict[str, Any] = {"colour": Colour.RED, "exact": Decimal("1.50"), "at": NOW, "notes": None, "animal": None}
    return Leaf(number=number, text=text, **{**given, **others})


async def answered(document: str, branches: list[Any], *, planning: bool) -> bytes:
    PlanningExecutor.planning = planning
    HELD.branches = branches
    result = await SCHEMA.execute(document, context_value={"owner": "o"})
    errors = [(error.path, [(one.line, one.column) for one in error.locations or []]) for error in result.errors or []]
    return orjson.dumps([result.data, errors])


CASES: dict[str, list[Any]] = {
    "nothing": [],
    "plain": [Branch(leaf=leaf(), leaves=[leaf(2), leaf(None)])],
    "a null where none may be": [Branch(leaf=leaf(text=None), leaves=[leaf(), leaf(text=None)])],
    "too large": [Branch(leaf=leaf(2**31), leaves=[leaf(-(2**31)), leaf(2**31)])],
    "a boolean for a number": [Branch(leaf=leaf(number=True), leaves=[])],
    "a number for a text": [Branch(leaf=leaf(text=7), leaves=[leaf(text=b"x")])],
    "an unknown colour": [Branch(leaf=leaf(colour="green"), leaves=[leaf(colour="r")])],
    "a failing method": [Branch(leaf=None, leaves=[leaf(text=None), leaf()])],
    "a failing batch": [Branch(leaf=leaf(13), leaves=[leaf(1), leaf(13)])],
    "a null in a list": [Branch(leaf=None, leaves=[leaf(), None])],
    "no list": [Branch(leaf=None, leaves=None)],
    "a tuple": [Branch(leaf=None, leaves=(leaf(), leaf(2)))],
    "notes": [Branch(leaf=leaf(notes=["a", "b"]), leaves=[leaf(notes=[None]), leaf(notes="ab"), leaf(notes=[])])],
    "animals": [
        Branch(
            leaf=leaf(animal=Cat(name="c", lives=9)),
            leaves=[leaf(animal=Dog(name=None, tags=["x"])), leaf(animal=Cat(name="d", lives=1)), leaf()],
        )
    ],
    "a strange animal": [Branch(leaf=leaf(animal="cat"), leaves=[])],
    "another class": [Branch(leaf=object(), leaves=[])],
}


@pytest.fixture(autouse=True)
def planning_as_before():
    before = PlanningExecutor.planning
    yield
    PlanningExecutor.planning = before


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("case", CASES)
async def test_plans_answer_to_the_letter_what_graphql_core_answers(case, document):
    usual = await answered(document, CASES[case], planning=False)
    assert await answered(document, CASES[case], planning=True) == usual
    assert await answered(document, CASES[case], planning=True) == usual


LEAVES = st.builds(
    leaf,
    number=st.one_of(st.none(), st.integers(-(2**32), 2**32), st.booleans(), st.just(13)),
    text=st.one_of(st.none(), st.text(max_size=3), st.integers()),
    colour=st.sampled_from([None, *Colour, "r", "x"]),
    notes=st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text(max_size=2)), max_size=3)),
    animal=st.one_of(
        st.none(),
        st.builds(Cat, name=st.none(), lives=st.integers()),
        st.builds(Dog, name=st.text(), tags=st.just(["t"])),
    ),
)


@given(st.lists(st.builds(Branch, leaf=st.one_of(st.none(), LEAVES), leaves=st.lists(LEAVES, max_size=3)), max_size=3))
async def test_whatever_the_values_are_plans_answer_the_same(branches):
    for document in DOCUMENTS:
        usual = await answered(document, branches, planning=False)
        assert await answered(document, branches, planning=True) == usual


async def test_a_field_that_answers_together_is_asked_once_for_a_whole_level():
    branches = [Branch(leaf=None, leaves=[leaf(n) for n in range(5)]) for _ in range(4)]
    CALLS.clear()
    document = "{ branches { leaves { doubled } } }"
    await answered(document, branches, planning=True)
    assert CALLS == [20]
    CALLS.clear()
    await answered(document, branches, planning=False)
    assert CALLS == [1] * 20


async def test_what_was_skipped_for_one_request_is_there_for_the_next():
    HELD.branches = [Branch(leaf=None, leaves=[leaf()])]
    seen = []
    for deep in (True, False, True):
        result = await SCHEMA.execute(DOCUMENTS[2], context_value={"owner": "o"}, variable_values={"deep": deep})
        seen.append("loud" in result.data["first"]["leaves"][0])
    assert seen == [True, False, True]


def test_a_value_that_a_plan_does_not_know_is_left_to_graphql_core():
    with pytest.raises(plans.Unsure):
        plans.complete({}, [object()])
