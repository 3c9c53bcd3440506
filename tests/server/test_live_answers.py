"""One answer for all who ask the same of a stream with the same rights, and never one that was meant for one of them."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.capabilities import Capability
from realtime.cursors import Position
from realtime.shared import Feed, Frame
from resolvers.sources import Source
from resolvers.streams_live import Live
from server.graphql_live import answered
from services.refusals import Forbidden
from services.viewer import Viewer
from tests.realtime.wires import until

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MONITOR = frozenset({Capability.ASSIGNMENTS_MONITOR})


@dataclass
class Answer:
    text: str
    was_executed: bool = True


def frame(number):
    here = Position(number, UUID(int=number))
    return Frame([number], Position(number - 1, UUID(int=number)), here, NOW, heartbeat=False)


class Subscriber:
    """One open subscription; `made` holds what it executed itself, `going` lets its executions go on."""

    def __init__(self, source, tenant, *, held=MONITOR, question="q"):
        self.frames: asyncio.Queue[Frame[Any]] = asyncio.Queue()
        self.feed = Feed()
        self.got: list[Any] = []
        self.made: list[str] = []
        self.going = asyncio.Event()
        self.going.set()
        self.context: Any = SimpleNamespace(viewer=Viewer.system(tenant), standing=None, live=None)
        watch: Any = SimpleNamespace(held=held, at=float("inf"))
        self.live = Live(self.context, source, self.follow(), watch, self.feed)
        self.context.live = self.live
        self.live.question = question
        self.task = asyncio.create_task(self.run())

    async def follow(self):
        while True:
            yield await self.frames.get()

    async def results(self):
        while True:
            taken = await self.live.take()
            await self.going.wait()
            self.made.append(f"{taken.rows[0]} for {len(self.context.standing.capabilities)}")
            yield self.made[-1]

    async def run(self):
        async with aclosing(answered(self.results(), self.context, Answer)) as answers:
            async for answer in answers:
                self.got.append(answer)


@pytest.fixture
def source():
    office: Any = None
    hub: Any = None
    stream: Any = SimpleNamespace(topic="t", name="s")
    return Source(office, hub, stream, Viewer.system(uuid4()), b"secret")


@pytest.fixture
async def subscribe(source):
    there, tenant = [], uuid4()

    def add(**options):
        there.append(Subscriber(source, tenant, **options))
        return there[-1]

    yield add
    for one in there:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in there), return_exceptions=True)


def give(one, *subscribers):
    for subscriber in subscribers:
        subscriber.frames.put_nowait(one)


async def test_one_makes_the_answer_and_the_others_are_given_the_very_same(subscribe):
    many = [subscribe() for _ in range(20)]
    for number in (1, 2, 3):
        give(frame(number), *many)
    await until(lambda: all(len(one.got) == 3 for one in many))
    assert sum(len(one.made) for one in many) == 3
    for number in range(3):
        assert len({id(one.got[number]) for one in many}) == 1
    assert [answer.text for answer in many[-1].got] == ["1 for 1", "2 for 1", "3 for 1"]


async def test_another_question_or_other_rights_get_an_answer_of_their_own(subscribe):
    usual, asks, may = subscribe(), subscribe(question="other"), subscribe(held=MONITOR | {Capability.SESSIONS_READ})
    give(frame(1), usual, asks, may)
    await until(lambda: usual.got and asks.got and may.got)
    assert [usual.made, asks.made, may.made] == [["1 for 1"], ["1 for 1"], ["1 for 2"]]


async def test_who_leaves_while_making_the_answer_leaves_nobody_waiting(subscribe):
    leader, other = subscribe(), subscribe()
    leader.going.clear()
    one = frame(1)
    give(one, leader)
    await until(lambda: one.once)
    give(one, other)
    leader.task.cancel()
    await until(lambda: other.got)
    assert other.made == ["1 for 1"]


async def test_a_refusal_that_is_meant_for_one_reaches_nobody_else(subscribe):
    """The leader loses the right after it has promised the answer: it alone is ended."""
    leader, other = subscribe(), subscribe()
    usual = leader.live.take

    async def late():
        leader.feed.end(Forbidden(Capability.ASSIGNMENTS_MONITOR))
        return await usual()

    leader.live.take = late
    one = frame(1)
    give(one, leader)
    await until(leader.task.done)
    give(one, other)
    await until(lambda: other.got)
    assert isinstance(leader.task.exception(), Forbidden)
    assert leader.got == []
    assert [answer.text for answer in other.got] == ["1 for 1"]


async def test_who_loses_the_right_while_waiting_for_the_answer_is_not_given_it(subscribe):
    leader, doomed = subscribe(), subscribe()
    leader.going.clear()
    one = frame(1)
    give(one, leader)
    await until(lambda: one.once)
    give(one, doomed)
    await until(doomed.frames.empty)
    doomed.feed.end(Forbidden(Capability.ASSIGNMENTS_MONITOR))
    leader.going.set()
    await until(lambda: leader.got and doomed.task.done())
    assert isinstance(doomed.task.exception(), Forbidden)
    assert doomed.got == []


async def test_an_answer_that_never_ran_is_not_shared(subscribe):
    leader, other = subscribe(), subscribe()
    leader.task.cancel()

    async def run():
        failed = answered(leader.results(), leader.context, lambda text: Answer(text, was_executed=False))
        async with aclosing(failed) as answers:
            async for answer in answers:
                leader.got.append(answer)

    leader.task = asyncio.create_task(run())
    one = frame(1)
    give(one, leader)
    await until(lambda: leader.got)
    give(one, other)
    await until(lambda: other.got)
    assert other.got[0].was_executed
