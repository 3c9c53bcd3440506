"""What both doorbells promise, over real servers: whatever happens to the other end, RESYNC follows, and stop ends."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
import structlog

from realtime.bell import CHANNEL, HEARTBEAT, LONGEST_PAUSE, MOST_WAITING, RESYNC, NotConnected
from realtime.bell_redis import RedisBell
from tests.realtime.wires import until

pytestmark = pytest.mark.usefixtures("tidy")

NOTICED = 2 * HEARTBEAT + 1.0
"""A silent peer: a second of silence, a second to answer, and a new connection."""


@pytest.fixture(autouse=True)
async def alive(wire):
    """Whatever a test did to the server, the next one finds it well and without a bell."""
    yield
    await wire.thaw()
    await wire.stop()
    await wire.start()


@asynccontextmanager
async def listening(bell):
    """A bell that is connected, with its first RESYNC heard."""
    await bell.connect()
    try:
        assert await heard(bell) == RESYNC
        yield bell
    finally:
        await ended(bell)


async def heard(bell, seconds=10.0):
    async with asyncio.timeout(seconds):
        event = await bell.next_published()
    assert event.channel == CHANNEL
    return event.message


async def ended(bell):
    began = time.monotonic()
    async with asyncio.timeout(5):
        await bell.disconnect()
    assert not bell.connected
    return time.monotonic() - began


def measured(wire, what, seconds):
    structlog.get_logger().info("measured", wire=wire.name, what=what, ms=round(seconds * 1000))


async def gone(wire):
    async with asyncio.timeout(5):
        while await wire.connections():
            await asyncio.sleep(0.01)


async def test_rings_arrive_from_other_processes_and_from_itself(wire):
    async with listening(wire.bell()) as bell:
        await wire.ring("from-outside")
        assert await heard(bell) == "from-outside"
        await bell.publish(CHANNEL, "own")
        assert await heard(bell) == "own"


async def test_five_rings_at_once_all_arrive(wire):
    async with listening(wire.bell()) as bell:
        await asyncio.gather(*(bell.publish(CHANNEL, f"ring-{n}") for n in range(5)))
        assert {await heard(bell) for _ in range(5)} == {f"ring-{n}" for n in range(5)}


async def test_silence_is_no_fault(wire):
    async with listening(wire.bell()) as bell:
        with pytest.raises(TimeoutError):
            await heard(bell, 3 * HEARTBEAT)
        assert bell.connected
        await wire.ring("still-there")
        assert await heard(bell) == "still-there"


async def test_a_cut_connection_is_mended_and_followed_by_resync(wire):
    async with listening(wire.bell()) as bell:
        for _ in range(5):
            began = time.monotonic()
            await wire.cut()
            assert await heard(bell, 3) == RESYNC
            measured(wire, "cut", time.monotonic() - began)
            await wire.ring("again")
            assert await heard(bell) == "again"


async def test_a_frozen_peer_is_noticed(wire):
    async with listening(wire.bell()) as bell:
        began = time.monotonic()
        await wire.freeze()
        await until(lambda: not bell.connected, NOTICED)
        measured(wire, "frozen_noticed", time.monotonic() - began)
        await wire.thaw()
        assert await heard(bell, 3 * LONGEST_PAUSE) == RESYNC
        measured(wire, "frozen_resync", time.monotonic() - began)


async def test_an_outage_of_a_second(wire):
    async with listening(wire.bell()) as bell:
        await wire.stop()
        began = time.monotonic()
        await until(lambda: not bell.connected, NOTICED)
        with pytest.raises(NotConnected):
            await bell.publish(CHANNEL, "nobody hears")
        await asyncio.sleep(max(0.0, began + 1.0 - time.monotonic()))
        await wire.start()
        up = time.monotonic()
        assert await heard(bell, 3 * LONGEST_PAUSE) == RESYNC
        measured(wire, "outage_1s", time.monotonic() - began)
        measured(wire, "outage_after_return", time.monotonic() - up)
        await wire.ring("back")
        assert await heard(bell) == "back"


async def test_a_server_that_comes_later(wire):
    await wire.stop()
    bell = wire.bell()
    async with asyncio.timeout(0.5):
        await bell.connect()
    assert not bell.connected
    await wire.start()
    assert await heard(bell, 3 * LONGEST_PAUSE) == RESYNC
    await ended(bell)
    await gone(wire)


async def test_an_outage_is_logged_once(wire):
    with structlog.testing.capture_logs() as lines:
        async with listening(wire.bell()) as bell:
            await wire.stop()
            await until(lambda: not bell.connected, NOTICED)
            await asyncio.sleep(1.0)
            await wire.start()
            assert await heard(bell, 3 * LONGEST_PAUSE) == RESYNC
    events = [line["event"] for line in lines if line["event"].startswith("bell.")]
    assert events == ["bell.connected", "bell.broken", "bell.connected"]


async def test_it_ends_when_it_never_began(wire):
    await ended(wire.bell())


async def test_it_ends_at_once_after_beginning(wire):
    bell = wire.bell()
    await bell.connect()
    assert await ended(bell) < 1
    await gone(wire)


async def test_it_ends_at_any_moment_of_connecting(wire):
    for n in range(12):
        bell = wire.bell()
        await bell.connect()
        await asyncio.sleep(n * 0.003)
        assert await ended(bell) < 1
    await gone(wire)


async def test_it_ends_while_connected_and_may_be_ended_twice(wire):
    async with listening(wire.bell()) as bell:
        assert await ended(bell) < 1
        await gone(wire)


async def test_it_ends_while_the_server_is_down(wire):
    async with listening(wire.bell()) as bell:
        await wire.stop()
        await until(lambda: not bell.connected, NOTICED)
        assert await ended(bell) < 1


async def test_it_ends_while_the_peer_is_frozen_and_a_ring_hangs(wire):
    async with listening(wire.bell()) as bell:
        await wire.freeze()
        ringing = asyncio.create_task(bell.publish(CHANNEL, "stuck"))
        await asyncio.sleep(0.05)
        assert await ended(bell) < 1.5
        (outcome,) = await asyncio.gather(ringing, return_exceptions=True)
        assert isinstance(outcome, Exception)
    await wire.thaw()
    await gone(wire)


async def test_it_begins_again_after_its_end(wire):
    bell = wire.bell()
    for _ in range(2):
        async with listening(bell):
            await wire.ring("hello")
            assert await heard(bell) == "hello"


async def test_too_many_waiting_rings_become_one_resync(wire):
    async with listening(wire.bell()) as bell:
        for n in range(MOST_WAITING + 1):
            bell.heard(f"ring-{n}")
        assert await heard(bell) == RESYNC
        assert bell._waiting.empty()


async def test_there_is_one_channel(wire):
    with pytest.raises(ValueError, match="Only the channel"):
        await wire.bell().subscribe("nowhere")


@pytest.mark.needs_redis
async def test_two_installations_on_one_redis_do_not_hear_each_other(redis_wire):
    async with listening(redis_wire.bell("one")) as one, listening(redis_wire.bell("two")) as two:
        await one.publish(CHANNEL, "for-one")
        await two.publish(CHANNEL, "for-two")
        assert [await heard(one), await heard(two)] == ["for-one", "for-two"]
        assert one._waiting.empty()
        assert two._waiting.empty()


@pytest.mark.needs_redis
async def test_a_subscription_that_fell_silent_alone_is_noticed(redis_wire):
    """Nothing tells of a connection that was forgotten on the way; another one to the same server still answers."""
    silent = False
    pumps = []

    async def pump(source, target, number):
        while data := await source.read(65536):
            if not (silent and number == 0):
                target.write(data)
        target.close()

    async def accept(reader, writer):
        number = len(pumps)
        onward, back = await asyncio.open_unix_connection(redis_wire.url.removeprefix("unix://"))
        both = asyncio.gather(pump(reader, back, number), pump(onward, writer, number))
        pumps.append(both)
        await both

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        async with listening(RedisBell(f"redis://127.0.0.1:{port}", prefix="one")) as bell:
            silent = True
            assert await heard(bell, 2 * HEARTBEAT + 1.5) == RESYNC
            await redis_wire.ring("again")
            assert await heard(bell) == "again"
    await asyncio.gather(*pumps)
