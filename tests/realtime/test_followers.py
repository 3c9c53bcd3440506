"""Who follows streams never keeps those who act from the database."""

import asyncio

import pytest

from resolvers.context import Context, House, Standing
from services.work import Office
from tests.factories.asking import TOKENS


@pytest.fixture
async def house(database):
    office = Office(database.app, ring=lambda _topics: None, pool_size=4)
    yield House(office=office, hub=None, tokens=TOKENS, cursor_secret=bytes(32))  # type: ignore[arg-type]
    await office.close()


async def sharing(house, viewer):
    """Make a frame's answer for all of one standing, as who comes for it alone does."""
    return Context(house, viewer).shared(Standing(viewer.impersonal(), frozenset()))


async def streaming(house, viewer):
    """Begin to follow."""
    context = Context(house, viewer)
    await context.start_streaming()
    return context


@pytest.mark.parametrize("made", [sharing, streaming])
async def test_a_hall_of_followers_that_read_by_themselves_leaves_connections_to_an_operation(house, world, made):
    viewer, leave, entered = world.system, asyncio.Event(), asyncio.Queue()

    async def follow():
        context = await made(house, viewer)
        async with context.reading() as work:
            entered.put_nowait(await work.fetch("select 1"))
            await leave.wait()
        await context.aclose()

    following = [asyncio.create_task(follow()) for _ in range(30)]
    for _ in range(2):
        await entered.get()
    asking = [Context(house, viewer) for _ in range(2)]
    async with asking[0].reading() as one, asking[1].reading() as other:
        assert await one.now()
        assert await other.now()
    for context in asking:
        await context.aclose()
    assert entered.empty()
    leave.set()
    await asyncio.gather(*following)
    assert entered.qsize() == 28
