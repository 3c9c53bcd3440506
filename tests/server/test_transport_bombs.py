"""Refusing a bomb costs little more than reading it, for the schema as it is served (performance.md, row "limits")."""

import resource
from time import process_time

import pytest
from graphql import GraphQLError, parse

from schema.guard_shape import MAX_TOKENS
from schema.root import schema
from server.graphql_operation import GraphQLRequest, Operations
from services.viewer import Viewer
from tests.factories.bombs import BOMBS

OPERATIONS = Operations(schema, lambda _viewer, _key: None, lambda _viewer: False)
NOBODY = Viewer.anonymous()
RATIO = 2.0
OVERHEAD = 0.003
"""Seconds that any operation takes, however small, with room for a slow machine."""


async def cost(text: str) -> tuple[float, float]:
    """Seconds of this processor for reading and for refusing, each the least of a few, taken in turns."""
    reading, refusing = [], []
    for _ in range(1 if len(text) > 100_000 else 5):
        begun = process_time()
        read(text)
        reading.append(process_time() - begun)
        begun = process_time()
        await refuse(text)
        refusing.append(process_time() - begun)
    return min(reading), min(refusing)


def read(text: str) -> None:
    """Parse, as far as the parser goes without a limit."""
    try:
        parse(text)
    except (GraphQLError, RecursionError):
        return


async def refuse(text: str) -> str:
    answer = await OPERATIONS.answer(GraphQLRequest(text), NOBODY)
    assert not answer.was_executed
    return answer.errors[0]["extensions"]["code"]


@pytest.mark.parametrize("name", BOMBS)
async def test_refusing_costs_little_more_than_reading(name: str) -> None:
    text = BOMBS[name]
    code = await refuse(text)
    assert code in {"LIMIT_EXCEEDED", "BAD_USER_INPUT", "FORBIDDEN"}
    reading, refusing = await cost(text)
    shown = f"{reading * 1e3:.2f} | {refusing * 1e3:.2f} | {refusing / reading:.2f}"
    print(f"| {name} | {len(text):,} | {code} | {shown} |")  # noqa: T201 - the table, with -s
    assert refusing <= RATIO * reading + OVERHEAD


async def test_bombs_leave_no_memory_behind() -> None:
    for text in BOMBS.values():
        await refuse(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(6):
        for text in BOMBS.values():
            await refuse(text)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"memory: {grown} KiB more at the highest")  # noqa: T201 - as above
    assert grown < 32 * 1024


def test_every_bomb_is_within_the_size_of_a_body() -> None:
    assert all(len(text) < 300_000 for text in BOMBS.values())
    assert MAX_TOKENS == 2_000
