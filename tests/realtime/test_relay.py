"""The relay collects: many rings, few messages; nothing is lost over a failure, and nothing piles up."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from realtime import relay as relays
from realtime.bell import RESYNC
from realtime.relay import LARGEST_MESSAGE, MOST_PENDING, Relay, _messages
from realtime.topics import Topic, assignment_sessions, session_timeline
from tests.realtime.wires import until

pytestmark = pytest.mark.usefixtures("tidy")

TENANT = UUID(int=1)


def topics(count):
    return [session_timeline(TENANT, UUID(int=n)) for n in range(count)]


class Wire:
    """Takes messages, or fails as long as it is broken."""

    def __init__(self):
        self.messages: list[str] = []
        self.broken = False
        self.attempts = 0

    async def publish(self, message: str) -> None:
        self.attempts += 1
        if self.broken:
            raise ConnectionError("the wire is down")
        self.messages.append(message)

    @property
    def heard(self):
        return set(itertools.chain.from_iterable(message.split(" ") for message in self.messages))


@asynccontextmanager
async def running(wire):
    relay = Relay(wire.publish)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_many_rings_make_few_messages():
    wire = Wire()
    wanted = topics(5)
    async with running(wire) as relay:
        for n in range(10_000):
            relay.ring([wanted[n % 5]])
            if n % 1000 == 0:
                await asyncio.sleep(0)
        await until(lambda: wire.heard == set(wanted))
    assert len(wire.messages) <= 3


async def test_it_rings_at_most_every_25_ms():
    wire = Wire()
    clock = asyncio.get_running_loop().time
    async with running(wire) as relay:
        began = clock()
        while len(wire.messages) < 8:
            relay.ring(topics(1))
            await asyncio.sleep(0)
        assert clock() - began >= 8 * relays.DELAY * 0.95


async def test_a_large_ring_is_split():
    wire = Wire()
    wanted = topics(1000)
    async with running(wire) as relay:
        relay.ring(wanted)
        await until(lambda: wire.heard == set(wanted))
    assert len(wire.messages) == 5
    assert all(len(message.encode()) <= LARGEST_MESSAGE for message in wire.messages)


@given(st.sets(st.integers(min_value=0, max_value=2000).map(lambda n: f"{n:032x}"), max_size=700))
def test_splitting_loses_nothing_and_repeats_nothing(keys):
    messages = list(_messages(keys))
    assert [key for message in messages for key in message.split(" ")] == sorted(keys)
    assert all(0 < len(message) <= LARGEST_MESSAGE for message in messages)


async def test_topics_outlive_a_broken_wire_and_the_trouble_is_told_once(monkeypatch):
    monkeypatch.setattr(relays, "RETRY", 0.002)
    wire = Wire()
    wire.broken = True
    early, late = topics(300), [assignment_sessions(TENANT, UUID(int=9))]
    with structlog.testing.capture_logs() as lines:
        async with running(wire) as relay:
            relay.ring(early)
            await until(lambda: wire.attempts >= 5)
            relay.ring(late)
            await until(lambda: wire.attempts >= 8)
            wire.broken = False
            await until(lambda: wire.heard == {*early, *late})
    assert [line["event"] for line in lines] == ["relay.delayed", "relay.resumed"]


async def test_a_message_that_fails_in_the_middle_is_sent_again(monkeypatch):
    monkeypatch.setattr(relays, "RETRY", 0.002)
    wire = Wire()

    async def third_fails(message):
        wire.broken = wire.attempts == 2
        await wire.publish(message)

    relay = Relay(third_fails)
    task = asyncio.create_task(relay.run())
    relay.ring(topics(1000))
    await until(lambda: wire.heard == set(topics(1000)))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_long_outage_needs_no_memory():
    wire = Wire()
    wire.broken = True
    async with running(wire) as relay:
        for batch in range(30):
            relay.ring(Topic(f"{batch}-{n}") for n in range(1000))
            await asyncio.sleep(0)
            assert len(relay._pending) <= MOST_PENDING
        assert relay._pending == {RESYNC}
        await until(lambda: wire.attempts >= 1)
        wire.broken = False
        await until(lambda: wire.messages == [RESYNC])


async def test_nothing_to_tell_is_not_told():
    wire = Wire()
    async with running(wire) as relay:
        relay.ring([])
        await asyncio.sleep(3 * relays.DELAY)
    assert wire.messages == []


def test_topics_are_opaque_and_differ_by_tenant_kind_and_object():
    one, two = UUID(int=1), UUID(int=2)
    made = {f(a, b) for f in (assignment_sessions, session_timeline) for a in (one, two) for b in (one, two)}
    assert len(made) == 8
    assert all(len(topic) == 32 and int(topic, 16) >= 0 for topic in made)
