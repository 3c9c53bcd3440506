"""One reader for many followers: each gets every row once and in order, whatever the feeds forgot."""

import asyncio
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime import shared
from realtime.cursors import Position
from realtime.hub import Follower
from realtime.shared import MOST_FRAMES, MOST_ROWS, Feed, SharedReader
from realtime.tail import LARGEST_BATCH, Pace, Page
from tests.realtime.wires import until

pytestmark = pytest.mark.usefixtures("tidy")

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUIET = Pace(frame=0.0, poll=60, heartbeat=60)


def place(n):
    return Position(n, UUID(int=n))


class Table:
    """Rows 1, 2, 3 and so on, and a bell that rings when some are added."""

    def __init__(self, **pace):
        self.rows = 0
        self.reads = 0
        self.broken: Exception | None = None
        self.bells: set[Follower] = set()
        self.reader = SharedReader(
            self.listen, self.read, place, pace=Pace(**pace) if pace else QUIET, final=(LookupError,)
        )

    @contextmanager
    def listen(self):
        bell = Follower()
        self.bells.add(bell)
        try:
            yield bell
        finally:
            self.bells.discard(bell)

    async def read(self, after, limit):
        self.reads += 1
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken
        found = list(range(after.xid + 1, min(self.rows, after.xid + limit) + 1))
        return Page(found, place(found[-1]) if found else after, NOW, len(found) == limit, lagging=False)

    def add(self, count=1):
        self.rows += count
        for bell in self.bells:
            bell.ring()


class Client:
    """A follower that takes frames only while it is not paused."""

    def __init__(self, table, start=0):
        self.feed = Feed()
        self.rows: list[int] = []
        self.frames: list[shared.Frame[int]] = []
        self.going = asyncio.Event()
        self.going.set()
        self.task = asyncio.create_task(self.run(table, start))

    async def run(self, table, start):
        async with aclosing(table.reader.follow(place(start), self.feed)) as frames:
            async for frame in frames:
                self.frames.append(frame)
                self.rows += frame.rows
                await self.going.wait()

    async def leave(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextmanager
def pausing(client):
    client.going.clear()
    yield
    client.going.set()


async def joined(stack, table, count, start=0):
    clients = [Client(table, start) for _ in range(count)]
    for client in clients:
        stack.push_async_callback(client.leave)
    await until(lambda: all(client.frames for client in clients) and table.bells)
    return clients


async def test_followers_at_the_head_are_given_the_very_same_frame_from_one_read():
    table = Table()
    async with AsyncExitStack() as stack:
        clients = await joined(stack, table, 50)
        before = table.reads
        table.add(3)
        await until(lambda: all(client.rows == [1, 2, 3] for client in clients))
        assert len({id(client.frames[-1]) for client in clients}) == 1
        assert table.reads == before + 1


async def test_the_reader_reads_while_somebody_follows_and_begins_again():
    table = Table()
    for start in (0, 1):
        async with AsyncExitStack() as stack:
            (client,) = await joined(stack, table, 1, start)
            table.add()
            await until(lambda one=client: one.rows)
        await until(lambda: not table.bells)
    assert table.rows == 2


async def test_a_late_follower_reads_the_past_and_goes_on_from_memory():
    table = Table()
    async with AsyncExitStack() as stack:
        (early,) = await joined(stack, table, 1)
        table.add(LARGEST_BATCH + 7)
        (late,) = await joined(stack, table, 1, 5)
        table.add(2)
        await until(lambda: len(early.rows) == table.rows and len(late.rows) == table.rows - 5)
        assert early.rows == list(range(1, table.rows + 1))
        assert late.rows == early.rows[5:]
        assert late.frames[-1] is early.frames[-1]


async def test_a_paused_follower_holds_a_bounded_amount_and_misses_nothing():
    table = Table()
    async with AsyncExitStack() as stack:
        slow, quick = await joined(stack, table, 2)
        with pausing(slow):
            for _ in range(3 * MOST_FRAMES):
                seen = table.rows
                table.add(40)
                await until(lambda below=seen: len(quick.rows) > below)
                assert len(table.reader._recent._frames) <= MOST_FRAMES
                assert table.reader._recent._rows <= MOST_ROWS
        await until(lambda: len(slow.rows) == table.rows)
        assert slow.rows == quick.rows == list(range(1, table.rows + 1))


async def test_frames_grow_while_their_takers_are_busy_instead_of_piling_up():
    table = Table()
    async with AsyncExitStack() as stack:
        clients = await joined(stack, table, 4)
        for client in clients:
            client.going.clear()
        table.add()
        await until(lambda: all(client.rows for client in clients))
        reads = table.reads
        for _ in range(20):
            table.add(5)
            await asyncio.sleep(0)
        assert table.reads == reads
        for client in clients:
            client.going.set()
        await until(lambda: all(len(client.rows) == table.rows for client in clients))
        assert all(len(client.frames) == 3 for client in clients)


async def test_one_who_does_not_take_holds_the_others_up_once_and_briefly():
    table = Table()
    clock = asyncio.get_running_loop().time
    async with AsyncExitStack() as stack:
        slow, *others = await joined(stack, table, 3)
        with pausing(slow):
            took = []
            for number in range(1, 6):
                began = clock()
                table.add()
                await until(lambda n=number: all(len(client.rows) == n for client in others))
                took.append(clock() - began)
        assert took[1] < 1
        assert sum(took[2:]) < 1
        await until(lambda: len(slow.rows) == table.rows)


async def test_a_table_that_cannot_be_read_for_a_moment_ends_nobody():
    table = Table()
    async with AsyncExitStack() as stack:
        clients = await joined(stack, table, 2)
        table.broken = OSError("gone")
        table.add(2)
        reads = table.reads
        await until(lambda: table.reads > reads)
        table.broken = None
        await until(lambda: all(client.rows == [1, 2] for client in clients))


@pytest.mark.parametrize(("error", "patience"), [(LookupError("another cluster"), 30.0), (OSError("gone"), -1.0)])
async def test_what_will_not_mend_ends_every_follower_with_its_reason(monkeypatch, error, patience):
    monkeypatch.setattr(shared, "PATIENCE", patience)
    table = Table()
    async with AsyncExitStack() as stack:
        clients = await joined(stack, table, 3)
        table.broken = error
        table.add()
        await until(lambda: all(client.task.done() for client in clients))
        assert [client.task.exception() for client in clients] == [error] * 3


async def test_a_follower_that_is_told_to_end_takes_nothing_more():
    table = Table()
    async with AsyncExitStack() as stack:
        one, other = await joined(stack, table, 2)
        one.feed.end(PermissionError("no longer"))
        table.add()
        await until(lambda: other.rows and one.task.done())
        assert isinstance(one.task.exception(), PermissionError)
        assert one.rows == []


async def test_heartbeats_come_to_all_and_never_lead_back():
    table = Table(frame=0.0, poll=0.02, heartbeat=0.05)
    async with AsyncExitStack() as stack:
        clients = await joined(stack, table, 2)
        table.add(2)
        await until(lambda: all(sum(frame.heartbeat for frame in client.frames) > 3 for client in clients))
        for client in clients:
            positions = [frame.position for frame in client.frames]
            assert positions == sorted(positions)
            assert client.rows == [1, 2]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 700)),
        st.tuples(st.just("join"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["pause", "resume", "leave"]), st.integers(0, 5)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_everybody_gets_every_row_once_and_in_order(steps):
    async def play():
        table, clients = Table(), []
        for act, number in steps:
            if act == "add":
                table.add(number)
            elif act == "join":
                clients.append((Client(table, start := min(number, table.rows)), start))
            elif clients:
                client, _ = clients[number % len(clients)]
                if act == "leave":
                    clients.remove((client, _))
                    await client.leave()
                else:
                    (client.going.clear if act == "pause" else client.going.set)()
            for _ in range(number % 7):
                await asyncio.sleep(0)
        for client, _ in clients:
            client.going.set()
        with suppress(TimeoutError):
            await until(lambda: all(len(client.rows) >= table.rows - start for client, start in clients))
        for client, start in clients:
            assert client.rows == list(range(start + 1, table.rows + 1))
            await client.leave()

    asyncio.run(play())
