"""Fields are cancelled when a sibling fails (graphql-core); what they share with other fields must survive that."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from dataloaders.registry import Loaders
from resolvers.context import Context
from services.viewer import Viewer


class Offices:
    """An office whose snapshot is lent once, and that knows whether it was given back."""

    def __init__(self) -> None:
        self.opened = self.closed = 0

    @asynccontextmanager
    async def snapshot(self, _viewer: Viewer):
        self.opened += 1
        try:
            yield SimpleNamespace(broken=False)
        finally:
            self.closed += 1


@pytest.fixture
def context() -> Context:
    house = SimpleNamespace(office=Offices())
    return Context(house, Viewer.anonymous())  # type: ignore[arg-type]


async def begun(work, started: asyncio.Event, go_on: asyncio.Event) -> str:
    started.set()
    try:
        await go_on.wait()
    except asyncio.CancelledError:
        work.broken = True  # what asyncpg does to a connection whose statement is cut
        raise
    assert not work.broken
    return "read"


async def test_a_cancelled_field_does_not_cut_the_statement_that_it_began(context: Context):
    started, go_on = asyncio.Event(), asyncio.Event()
    field = asyncio.create_task(context.read(begun, started, go_on))
    await started.wait()
    sibling = asyncio.create_task(context.read(begun, asyncio.Event(), go_on))
    field.cancel()
    await asyncio.wait([field])
    go_on.set()
    assert await sibling == "read"
    await context.aclose()
    assert context.house.office.opened == context.house.office.closed == 1


async def test_the_end_of_an_operation_waits_for_reads_that_nobody_awaits(context: Context):
    started, go_on = asyncio.Event(), asyncio.Event()
    field = asyncio.create_task(context.read(begun, started, go_on))
    await started.wait()
    field.cancel()
    ending = asyncio.create_task(context.aclose())
    await asyncio.sleep(0)
    assert context.house.office.closed == 0
    go_on.set()
    await ending
    assert context.house.office.closed == 1


async def test_a_read_without_end_is_cut_in_the_end(context: Context, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("resolvers.context.LAST_READ_SECONDS", 0.01)
    started = asyncio.Event()
    field = asyncio.create_task(context.read(begun, started, asyncio.Event()))
    await started.wait()
    field.cancel()
    await context.aclose()
    assert context.house.office.closed == 1


async def test_a_cancelled_field_leaves_the_answer_to_the_others_who_asked_for_the_same():
    gate = asyncio.Event()

    async def doubled(work, keys: list[int]) -> list[int]:
        await gate.wait()
        return [2 * one for one in keys]

    @asynccontextmanager
    async def reading():
        yield SimpleNamespace()

    loader = Loaders(reading).of(doubled)

    async def field() -> int:
        return await loader.load(21)

    first, second = asyncio.create_task(field()), asyncio.create_task(field())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    gate.set()
    assert first.cancelled()
    assert await second == 42
