"""The stream is read in commit order: over many writers nothing is missed, repeated or out of order."""

import asyncio
import random
from contextlib import suppress
from uuid import UUID

import pytest
from sqlalchemy import text

from models.base import uuid7
from models.sessions import EventKind
from realtime.cursors import Position
from services import streams
from services.sessions_events import append
from services.sessions_hold import hold
from services.sessions_sheet import Happening
from tests.factories import sessions as factory

WRITERS, ROUNDS = 12, 25


class RolledBack(Exception):  # noqa: N818 - a way out, no fault
    """Leaves a work without a trace."""


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


def happenings(count):
    return [Happening(EventKind.FOCUS_LOST)] * count


async def add(work, candidate, count=1):
    session = await hold(work, candidate.session_id)
    await append(work, session, happenings(count), at=await work.now(), actor_id=None)


async def write_elsewhere(work):
    """A first write to another table: it gives the transaction its id."""
    await work.session.execute(
        text("insert into groups (id, name) values (:id, :name)"), {"id": uuid7(), "name": str(uuid7())}
    )


async def read_all(world, stream, after, limit=50):
    """One reader's turn: pages from a position on, each in a snapshot of its own."""
    seen = []
    while True:
        async with world.office.snapshot(world.system) as work:
            page = await streams.events(work, stream, after, limit)
        assert page.position >= after
        seen += page.rows
        after = page.position
        if not page.more:
            return seen, after, page.lagging


class Reader:
    """Reads on until nobody writes any more and nothing is held back."""

    def __init__(self, world, stream):
        self.world, self.stream = world, stream
        self.seen = []

    async def run(self, done: asyncio.Event):
        after = Position.start()
        while True:
            last = done.is_set()
            rows, after, lagging = await read_all(self.world, self.stream, after)
            self.seen += rows
            if last and not lagging:
                return
            await asyncio.sleep(0)


async def test_twelve_writers_some_of_them_rolling_back_or_asking_too_late(world, sitting):
    candidates = [await sitting.candidate() for _ in range(4)]
    stream = streams.assignment_stream(world.tenant_id, sitting.assignment.id)
    one = streams.session_stream(world.tenant_id, candidates[0].session_id)
    done = asyncio.Event()
    readers = [Reader(world, stream) for _ in range(3)] + [Reader(world, one)]
    reading = [asyncio.create_task(reader.run(done)) for reader in readers]
    refused = 0

    async def write(writer):
        nonlocal refused
        dice = random.Random(writer)  # noqa: S311 - the same dice in every run
        for _ in range(ROUNDS):
            candidate = dice.choice(candidates)
            early, fails, late = dice.random() < 0.1, dice.random() < 0.1, dice.random() < 0.3
            with suppress(RolledBack):
                async with world.office.work(world.system) as work:
                    if early:
                        await write_elsewhere(work)
                        with pytest.raises(RuntimeError, match="after the first write"):
                            await hold(work, candidate.session_id)
                        refused += 1
                        raise RolledBack
                    await add(work, candidate, dice.randint(1, 4))
                    if late:
                        await write_elsewhere(work)
                    if fails:
                        raise RolledBack

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    done.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*reading)
    assert refused > 10
    rows, _, _ = await read_all(world, stream, Position.start())
    order = [row.id for row in rows]
    assert len(order) > WRITERS * ROUNDS
    assert len(set(order)) == len(order)
    async with world.office.snapshot(world.system) as work:
        committed = set(await work.session.scalars(text("select id from session_events")))
    assert set(order) == committed
    for reader in readers[:3]:
        assert [row.id for row in reader.seen] == order
    assert [row.id for row in readers[3].seen] == [row.id for row in rows if row.session_id == candidates[0].session_id]
    for candidate in candidates:
        numbers = [row.seq for row in rows if row.session_id == candidate.session_id]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_whoever_remembers_the_highest_id_loses_what_commits_late(world, sitting):
    """Why a position is not an id: the same two transactions, read both ways."""
    slow, fast = await sitting.candidate(), await sitting.candidate()
    stream = streams.assignment_stream(world.tenant_id, sitting.assignment.id)
    _, start, _ = await read_all(world, stream, Position.start())

    async def by_id(after):
        async with world.office.snapshot(world.system) as work:
            found = "select id from session_events where assignment_id = :a and id > :after order by id"
            return list(await work.session.scalars(text(found), {"a": sitting.assignment.id, "after": after}))

    newest = (await by_id(UUID(int=0)))[-1]
    async with world.office.work(world.system) as open_work:
        await add(open_work, slow)
        async with world.office.work(world.system) as work:
            await add(work, fast)
        naive = await by_id(newest)
        ours, place, lagging = await read_all(world, stream, start)
        assert (len(naive), len(ours), lagging) == (1, 0, True)
    naive += await by_id(naive[-1])
    more, _, lagging = await read_all(world, stream, place)
    assert len(naive) == 1  # the other one is lost for ever
    assert [row.session_id for row in more] == [slow.session_id, fast.session_id]
    assert not lagging


async def test_an_open_write_anywhere_holds_the_stream_back_and_reading_does_not(world, sitting):
    candidate = await sitting.candidate(started=False)
    stream = streams.session_stream(world.tenant_id, candidate.session_id)

    async def seen():
        rows, _, lagging = await read_all(world, stream, Position.start())
        return len(rows), lagging

    before, _ = await seen()
    async with world.office.snapshot(world.system) as reader:
        await reader.now()
        async with world.office.work(world.system) as work:
            await add(work, candidate)
        assert await seen() == (before + 1, False)
    async with world.office.work(world.system) as unrelated:
        await write_elsewhere(unrelated)
        async with world.office.work(world.system) as work:
            await add(work, candidate)
        assert await seen() == (before + 1, True)
    assert await seen() == (before + 2, False)
