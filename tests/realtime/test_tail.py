"""The read loop: subscribed before the first read, woken by the bell, trusting only what it reads."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest

from realtime.cursors import Position
from realtime.hub import Follower
from realtime.tail import LARGEST_BATCH, Pace, Page, follow

pytestmark = pytest.mark.usefixtures("tidy")

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUIET = Pace(frame=0.0, poll=60, heartbeat=60)
"""Neither poll nor heartbeat within a test: only the bell wakes."""


def place(n):
    return Position(n, UUID(int=n))


class Table:
    """Rows by position; those above `held` are not yet final."""

    def __init__(self):
        self.rows: list[int] = []
        self.held = 10**9
        self.reads: list[float] = []
        self.on_read = lambda: None

    async def read(self, after, limit):
        self.reads.append(asyncio.get_running_loop().time())
        final = [row for row in self.rows if after.xid < row <= self.held]
        found, full = final[:limit], len(final) >= limit
        lagging = not full and any(row > self.held for row in self.rows)
        self.on_read()
        return Page(found, place(found[-1]) if found else after, NOW, full, lagging)

    def add(self, count=1):
        self.rows += range(len(self.rows) + 1, len(self.rows) + count + 1)


@pytest.fixture
def table():
    return Table()


@asynccontextmanager
async def tailing(table, pace, bell=None):
    async with aclosing(follow(bell or Follower(), table.read, place(0), pace=pace)) as frames:
        yield frames


async def taken(frames, seconds=5.0):
    async with asyncio.timeout(seconds):
        return await anext(frames)


async def test_the_first_frame_comes_at_once_also_without_rows(table):
    async with tailing(table, QUIET) as frames:
        first = await taken(frames, 0.5)
    assert (list(first.rows), first.heartbeat, first.position) == ([], True, place(0))


async def test_rows_that_are_there_come_in_the_first_frame(table):
    table.add(3)
    async with tailing(table, QUIET) as frames:
        first = await taken(frames, 0.5)
    assert (list(first.rows), first.heartbeat, first.position) == ([1, 2, 3], False, place(3))


async def test_a_row_that_slips_in_behind_the_read_is_not_lost(table):
    """The lost wake: the ring comes after the read saw nothing and before the wait."""
    bell = Follower()
    async with tailing(table, QUIET, bell) as frames:
        await taken(frames)

        def slip():
            table.on_read = lambda: None
            table.add()
            bell.ring()

        table.on_read = slip
        bell.ring()  # a ring for nothing: the read finds no row, and the row comes right behind it
        assert list((await taken(frames, 1)).rows) == [1]


async def test_a_lost_bell_is_made_up_for_by_the_poll(table):
    async with tailing(table, Pace(frame=0, poll=0.03, heartbeat=60)) as frames:
        await taken(frames)
        table.add()
        assert list((await taken(frames, 1)).rows) == [1]


async def test_silence_is_told_by_heartbeats(table):
    async with tailing(table, Pace(frame=0, poll=60, heartbeat=0.1)) as frames:
        clock = asyncio.get_running_loop().time
        await taken(frames)
        for _ in range(3):
            began = clock()
            frame = await taken(frames, 1)
            assert frame.heartbeat
            assert clock() - began >= 0.09


async def test_frames_are_further_apart_where_handing_one_out_takes_long(table):
    pace, bell = Pace(frame=0.01, rest=10, most=8, poll=60, heartbeat=60), Follower()
    clock = asyncio.get_running_loop().time
    async with tailing(table, pace, bell) as frames:
        await taken(frames)
        began = clock()
        await asyncio.sleep(0.02)  # the handing out
        table.add()
        bell.ring()
        await taken(frames, 1)
        assert clock() - began >= 0.02 + 0.08 - 0.005  # ten times 20 ms, and eight times 10 ms at most


async def test_frames_are_at_least_the_pace_apart_and_bundle_what_came(table):
    bell = Follower()
    pace = Pace(frame=0.05, poll=60, heartbeat=60)

    async def write():
        for _ in range(400):
            table.add()
            bell.ring()
            await asyncio.sleep(0.001)

    async with tailing(table, pace, bell) as frames:
        clock = asyncio.get_running_loop().time
        await taken(frames)
        writing = asyncio.create_task(write())
        received, at = [], [clock()]
        while len(received) < 400:
            received += (await taken(frames)).rows
            at.append(clock())
        await writing
    assert received == list(range(1, 401))
    gaps = [after - before for before, after in pairwise(at)]
    assert min(gaps) >= 0.045


async def test_a_few_frames_come_at_once_before_they_keep_their_distance(table):
    bell, clock = Follower(), asyncio.get_running_loop().time
    async with tailing(table, Pace(frame=0.1, burst=5, poll=60, heartbeat=60), bell) as frames:
        await taken(frames)
        at = []
        for _ in range(7):
            table.add()
            bell.ring()
            await taken(frames)
            at.append(clock())
    assert at[3] - at[0] < 0.1
    assert min(after - before for before, after in pairwise(at[-3:])) >= 0.09


async def test_full_pages_are_read_without_waiting(table):
    table.add(4 * LARGEST_BATCH + 1)
    async with tailing(table, Pace(frame=10, poll=60, heartbeat=60)) as frames:
        sizes = [len((await taken(frames, 1)).rows) for _ in range(5)]
    assert sizes == [LARGEST_BATCH] * 4 + [1]


async def test_rows_that_are_held_back_are_looked_for_again_soon_and_then_slower(table):
    pace = Pace(frame=0, poll=60, heartbeat=60, lag_first=0.02, lag_most=0.08)
    table.add(2)
    table.held = 1
    async with tailing(table, pace) as frames:
        assert list((await taken(frames)).rows) == [1]
        waiting = asyncio.create_task(taken(frames))
        await asyncio.sleep(0.5)
        reads = len(table.reads)
        table.held = 2
        assert list((await waiting).rows) == [2]
        table.reads.clear()
        quiet = asyncio.create_task(taken(frames, 60))
        await asyncio.sleep(0.2)
        assert table.reads == []
        quiet.cancel()
        await asyncio.gather(quiet, return_exceptions=True)
    assert 4 <= reads <= 10


async def test_a_slow_consumer_makes_no_queue_and_no_reads(table):
    bell = Follower()
    async with tailing(table, QUIET, bell) as frames:
        await taken(frames)
        reads = len(table.reads)
        for _ in range(200):
            table.add()
            bell.ring()
            await asyncio.sleep(0)
        assert len(table.reads) == reads
        assert list((await taken(frames)).rows) == list(range(1, 201))


async def test_a_refusal_while_reading_ends_the_stream(table):
    def refuse():
        raise PermissionError("no longer")

    async with tailing(table, Pace(frame=0, poll=0.01, heartbeat=60)) as frames:
        await taken(frames)
        table.on_read = refuse
        with pytest.raises(PermissionError):
            await taken(frames)


async def test_closing_in_any_state_leaves_nothing(table):
    bell = Follower()
    unbegun = follow(bell, table.read, place(0))
    await unbegun.aclose()
    async with tailing(table, QUIET, bell) as frames:
        await taken(frames)
    waiting = follow(bell, table.read, place(0), pace=QUIET)
    await taken(waiting)
    for _ in range(20):
        pending = asyncio.create_task(anext(waiting))
        await asyncio.sleep(0.001)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
    await waiting.aclose()
    assert bell._rung._waiters == type(bell._rung._waiters)()
