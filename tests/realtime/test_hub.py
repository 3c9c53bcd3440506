"""The hub wakes whom a topic concerns, here and in other processes, and keeps nothing of those who left."""

import asyncio
from contextlib import ExitStack, asynccontextmanager
from uuid import UUID

import pytest
import structlog

from realtime import hub as hubs
from realtime import relay as relays
from realtime.bell import CHANNEL, RESYNC, Bell, NotConnected
from realtime.bell_postgres import PostgresBell
from realtime.bell_redis import RedisBell
from realtime.hub import Hub
from realtime.topics import assignment_sessions, session_timeline
from server.driver import connected
from tests.realtime.wires import until

pytestmark = pytest.mark.usefixtures("tidy")

TENANT = UUID(int=1)
ONE, TWO = (assignment_sessions(TENANT, UUID(int=n)) for n in (1, 2))


class Room:
    """A wire without a server: all bells in the room hear each other, while it is open."""

    def __init__(self):
        self.open = True
        self.bells: list[RoomBell] = []


class RoomBell(Bell):
    def __init__(self, room):
        super().__init__()
        self.room = room
        self.sent: list[str] = []

    async def session(self):
        if not self.room.open:
            raise ConnectionRefusedError
        self.room.bells.append(self)
        self.opened()
        try:
            while self.room.open:
                await asyncio.sleep(0.002)
        finally:
            self.room.bells.remove(self)

    async def publish(self, channel, message):
        if self not in self.room.bells:
            raise NotConnected("the room is closed")
        self.sent.append(message)
        for bell in self.room.bells:
            if channel == CHANNEL:
                bell.heard(message)


@asynccontextmanager
async def started(*some):
    for one in some:
        await one.start()
    try:
        await until(lambda: all(one.connected for one in some))
        yield
    finally:
        for one in some:
            async with asyncio.timeout(5):
                await one.stop()


@pytest.fixture
def room():
    return Room()


async def drained(follower):
    """Take the RESYNC of the beginning."""
    while await follower.wait(0.05):
        pass


async def test_a_ring_wakes_followers_of_its_topic_only_here_and_elsewhere(room):
    here, there = Hub(RoomBell(room)), Hub(RoomBell(room))
    async with started(here, there):
        with here.follow(ONE) as a, here.follow(TWO) as b, there.follow(ONE) as c, there.follow(TWO) as d:
            for follower in (a, b, c, d):
                await drained(follower)
            here.ring([ONE])
            assert await a.wait(0)
            assert await c.wait(2)
            assert not await b.wait(0.1)
            assert not await d.wait(0)


async def test_an_own_ring_wakes_once_not_again_by_its_echo(room):
    hub = Hub(RoomBell(room))
    async with started(hub):
        with hub.follow(ONE) as follower:
            await drained(follower)
            heard = hub._bell.sent.copy()
            hub.ring([ONE])
            assert await follower.wait(0)
            await until(lambda: any(ONE in message for message in hub._bell.sent[len(heard) :]))
            assert not await follower.wait(0.05)


async def test_a_thousand_followers_of_one_topic(room):
    here, there = Hub(RoomBell(room)), Hub(RoomBell(room))
    async with started(here, there):
        with ExitStack() as stack:
            followers = [stack.enter_context(there.follow(ONE)) for _ in range(1000)]
            await asyncio.gather(*(drained(follower) for follower in followers))
            waiting = [asyncio.create_task(follower.wait(5)) for follower in followers]
            here.ring([ONE])
            assert all(await asyncio.gather(*waiting))
        assert there._followers == {}


async def test_resync_wakes_everybody(room):
    hub = Hub(RoomBell(room))
    async with started(hub):
        with ExitStack() as stack:
            many = [stack.enter_context(hub.follow(session_timeline(TENANT, UUID(int=n)))) for n in range(1000)]
            await asyncio.gather(*(drained(follower) for follower in many))
            hub._bell.heard(RESYNC)
            assert all(await asyncio.gather(*(follower.wait(5) for follower in many)))


async def test_a_hub_that_lost_count_wakes_everybody_elsewhere(room):
    here, there = Hub(RoomBell(room)), Hub(RoomBell(room))
    async with started(here, there):
        with there.follow(ONE) as follower:
            await drained(follower)
            here.ring(session_timeline(TENANT, UUID(int=n)) for n in range(relays.MOST_PENDING + 1))
            assert await follower.wait(5)


async def test_leaving_leaves_nothing_behind(room):
    hub = Hub(RoomBell(room))
    with hub.follow(ONE, TWO), hub.follow(ONE), hub.follow(TWO, TWO):
        assert {topic: len(who) for topic, who in hub._followers.items()} == {ONE: 2, TWO: 2}
    assert hub._followers == {}
    for _ in range(3):
        with pytest.raises(RuntimeError), hub.follow(ONE):
            raise RuntimeError
    assert hub._followers == {}


async def test_a_ring_before_the_wait_is_kept_and_many_count_once(room):
    hub = Hub(RoomBell(room))
    with hub.follow(ONE, TWO) as follower:
        for _ in range(100):
            hub.ring([ONE, TWO])
        assert await follower.wait(0)
        assert not await follower.wait(0)


async def test_rings_nobody_follows_cost_nothing(room):
    hub = Hub(RoomBell(room))
    for n in range(1000):
        hub.ring([session_timeline(TENANT, UUID(int=n))])
    assert hub._followers == {}


async def test_a_ring_that_meets_the_end_of_the_wait_is_not_lost(room):
    hub = Hub(RoomBell(room))
    loop = asyncio.get_running_loop()
    with hub.follow(ONE) as follower:
        for n in range(200):
            loop.call_later(0.001 + n * 1e-6, follower.ring)
            rung = await follower.wait(0.001)
            assert rung or await follower.wait(1)


async def test_the_echo_grows_old_when_the_wire_goes_deaf(room, monkeypatch):
    monkeypatch.setattr(hubs, "PULSE", 0.03)
    hub = Hub(RoomBell(room))
    assert hub.last_echo_age is None
    async with started(hub):
        await until(lambda: hub.last_echo_age is not None)
        await asyncio.sleep(0.2)
        assert hub.last_echo_age < 0.2
        monkeypatch.setattr(hub._bell, "heard", lambda _message: None)
        await until(lambda: hub.last_echo_age > 0.3)


async def test_an_outage_neither_fills_the_log_nor_the_memory(room, monkeypatch):
    monkeypatch.setattr(hubs, "PULSE", 0.002)
    monkeypatch.setattr(relays, "RETRY", 0.002)
    hub = Hub(RoomBell(room))
    with structlog.testing.capture_logs() as lines:
        async with started(hub):
            await until(lambda: hub.last_echo_age is not None)
            room.open = False
            await until(lambda: not hub.connected)
            await asyncio.sleep(0.4)
            assert len(hub._relay._pending) <= 1
            room.open = True
            await until(lambda: hub.connected and hub.last_echo_age < 0.05)
    told = [line["event"] for line in lines]
    assert told.count("relay.delayed") <= 2  # a pulse may meet the very first moment, before the wire is up
    assert (told.count("bell.broken"), told.count("bell.connected")) == (1, 2)


async def test_it_may_be_stopped_before_it_started_and_twice_and_started_again(room):
    hub = Hub(RoomBell(room))
    await hub.stop()
    for _ in range(2):
        await hub.start()
        await hub.stop()
        await hub.stop()


async def test_a_wire_that_fails_while_it_closes_ends_all_the_same(room):
    class Clumsy(RoomBell):
        async def session(self):
            try:
                await super().session()
            finally:
                raise ConnectionResetError("while closing")  # the cancellation is lost in it

    hub = Hub(Clumsy(room))
    async with started(hub):
        assert hub.connected
    assert not hub.connected


async def test_two_processes_over_postgresql_as_the_application(database, monkeypatch):
    monkeypatch.setattr(hubs, "PULSE", 0.1)
    here, there = Hub.over(database.app_dsn), Hub.over(database.app_dsn)
    async with started(here, there):
        with there.follow(ONE) as follower:
            await drained(follower)
            here.ring([ONE])
            assert await follower.wait(2)
        await until(lambda: here.last_echo_age is not None)
        async with here._bell._turn:
            await here._bell._connection.execute("unlisten *")  # what a pooler in front of it comes to
        await until(lambda: here.last_echo_age > 0.5)
        await until(lambda: there.last_echo_age < 0.5)


async def test_a_terminated_backend_wakes_every_follower(database):
    hub = Hub.over(database.app_dsn)
    async with started(hub):
        with hub.follow(ONE) as follower, hub.follow(TWO) as other:
            await drained(follower)
            await drained(other)
            async with connected(database.admin_dsn) as admin:
                await admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = 'evalium-bell' and datname = current_database()"
                )
            assert await follower.wait(2)
            assert await other.wait(0)


@pytest.mark.needs_redis
async def test_two_processes_over_redis(database, redis_wire):
    here, there, foreign = (
        Hub.over(dsn, redis_url=redis_wire.url)
        for dsn in (database.app_dsn, database.app_dsn, f"{database.app_dsn}&port=1")
    )
    async with started(here, there, foreign):
        with there.follow(ONE) as follower, foreign.follow(ONE) as stranger:
            await drained(follower)
            await drained(stranger)
            here.ring([ONE])
            assert await follower.wait(2)
            assert not await stranger.wait(0.2)
        await until(lambda: here.last_echo_age is not None)


def test_the_wire_is_redis_when_there_is_one():
    dsn = "postgresql://u:p@h/d"
    assert isinstance(Hub.over(dsn)._bell, PostgresBell)
    assert isinstance(Hub.over(dsn, redis_url="redis://127.0.0.1:1")._bell, RedisBell)
