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

    def pause(self):
        self.going.clear()

    def resume(self):
        self.going.set()

    def fail(self):
        """Nothing can fail where nothing is made."""


class Taker(Client):
    """A follower that is given frames while it waits, as long as it is not paused; `made` counts what it made."""

    def __init__(self, table, start=0, *, key="k"):
        super().__init__(table, start)
        self.key = key
        self.made = self.given = 0
        self.fails = False
        self.feed.taker = self

    async def make(self, frame):
        self.made += 1
        for _ in range(3):
            await asyncio.sleep(0)
        if self.fails:
            raise OSError("gone")
        return frame

    def fail(self):
        self.fails = not self.fails

    def give(self, answer):
        if not self.going.is_set():
            return False
        self.given += 1
        self.frames.append(answer)
        self.rows += answer.rows
        return True


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


async def takers(stack, table, *keys):
    there = [Taker(table, key=key) for key in keys]
    for one in there:
        stack.push_async_callback(one.leave)
    await until(lambda: all(one.feed.waits for one in there))
    return there


async def test_who_waits_for_the_same_is_given_one_answer_without_being_woken():
    table = Table()
    async with AsyncExitStack() as stack:
        *same, other = await takers(stack, table, "k", "k", "k", "l")
        for count in (1, 2):
            table.add()
            await until(lambda n=count: all(len(one.rows) == n for one in (*same, other)))
        assert sum(one.made for one in same) == 2
        assert [one.given for one in (*same, other)] == [2, 2, 2, 0]
        assert other.made == 0


async def test_who_cannot_take_what_is_given_comes_for_it():
    table = Table()
    async with AsyncExitStack() as stack:
        quick, slow = await takers(stack, table, "k", "k")
        slow.give = lambda _answer: False
        table.add(3)
        await until(lambda: quick.rows == slow.rows == [1, 2, 3])
        assert (quick.given, slow.given) == (1, 0)
        quick.fails = slow.fails = True
        table.add(2)
        await until(lambda: quick.rows == slow.rows == [1, 2, 3, 4, 5])
        assert (quick.given, slow.given) == (1, 0)


async def test_who_is_told_to_end_or_asks_for_something_else_meanwhile_is_not_given_the_answer():
    table = Table()
    async with AsyncExitStack() as stack:
        maker, doomed, other = await takers(stack, table, "k", "k", "k")
        going = asyncio.Event()

        async def make(frame):
            await going.wait()
            return frame

        maker.make = doomed.make = other.make = make
        table.add()
        await until(lambda: table.reader._recent.end and table.reader._recent.at(table.reader._recent.end - 1).rows)
        doomed.feed.end(PermissionError("no longer"))
        other.key = "l"
        going.set()
        await until(lambda: maker.rows == other.rows == [1] and doomed.task.done())
        assert (maker.given, other.given, doomed.given, doomed.rows) == (1, 0, 0, [])


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
        st.tuples(st.sampled_from(["join", "wait"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["pause", "resume", "leave", "fail"]), st.integers(0, 5)),
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
            elif act in ("join", "wait"):
                kind = Client if act == "join" else Taker
                clients.append((kind(table, start := min(number, table.rows)), start))
            elif clients:
                client, _ = clients[number % len(clients)]
                if act == "leave":
                    clients.remove((client, _))
                    await client.leave()
                else:
                    getattr(client, act)()
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
