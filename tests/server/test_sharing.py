import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import strawberry

from schema.errors import EvaliumSchema
from server.graphql_operation import GraphQLRequest, Operations
from server.sharing import CROWD, SharedAnswers
from services.viewer import Via, Viewer


class Kitchen:
    """Executions that a test lets go one by one."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def cook(self) -> int:
        self.begun += 1
        mine = self.begun
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return mine


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_asked_in_one_tick_is_executed_once() -> None:
    kitchen, shared = Kitchen(), SharedAnswers[int]()
    waiting = [asyncio.create_task(shared.of("same", kitchen.cook)) for _ in range(50)]
    await settled()
    kitchen.go.set()
    assert await asyncio.gather(*waiting) == [1] * 50


async def test_whoever_asks_while_one_runs_gets_the_next_and_never_an_older_answer() -> None:
    kitchen, shared = Kitchen(), SharedAnswers[int]()
    early = asyncio.create_task(shared.of("same", kitchen.cook))
    await settled()
    late = [asyncio.create_task(shared.of("same", kitchen.cook)) for _ in range(3)]
    await settled()
    assert kitchen.begun == 1
    kitchen.go.set()
    assert await early == 1
    assert await asyncio.gather(*late) == [2, 2, 2]


async def test_different_keys_never_wait_for_each_other() -> None:
    kitchen, shared = Kitchen(), SharedAnswers[int]()
    waiting = [asyncio.create_task(shared.of(key, kitchen.cook)) for key in ("a", "b")]
    await settled()
    assert kitchen.begun == 2
    kitchen.go.set()
    await asyncio.gather(*waiting)


async def test_one_who_leaves_takes_nothing_from_the_others_and_the_last_one_ends_it() -> None:
    kitchen, shared = Kitchen(), SharedAnswers[int]()
    first, second = (asyncio.create_task(shared.of("same", kitchen.cook)) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    assert kitchen.cancelled == 0
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await settled()
    assert kitchen.cancelled == 1
    kitchen.go.set()
    assert await shared.of("same", kitchen.cook) == 2


async def test_a_failure_reaches_all_who_share_it_and_nobody_later() -> None:
    shared = SharedAnswers[int]()

    async def fail() -> int:
        raise ValueError("burnt")

    results = await asyncio.gather(*(shared.of("same", fail) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in results] == ["burnt"] * 3

    async def fine() -> int:
        return 1

    assert await shared.of("same", fine) == 1


executions: list[Viewer] = []


@strawberry.type
class Query:
    @strawberry.field
    async def whose(self, info: strawberry.Info[Any, Any], mark: int = 0) -> str:
        await asyncio.sleep(0)
        executions.append(info.context.viewer)
        viewer = info.context.viewer
        return f"{viewer.tenant_id} {viewer.org_unit_id} {viewer.user_id} {viewer.session_id} {mark}"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def count(self, info: strawberry.Info[Any, Any]) -> int:
        executions.append(info.context.viewer)
        return len(executions)


class Context:
    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer


@asynccontextmanager
async def toy() -> AsyncGenerator[Operations, None]:
    executions.clear()
    yield Operations(EvaliumSchema(Query, Mutation), lambda viewer, _key: Context(viewer), lambda _viewer: False)


BASE = Viewer(via=Via.ACCESS, tenant_id=uuid4(), org_unit_id=uuid4(), user_id=uuid4(), token_id="one")  # noqa: S106 - the name of a token, not the token
READ = GraphQLRequest("query ($mark: Int! = 0) { whose(mark: $mark) }")


async def test_identical_reads_of_one_viewer_are_executed_once_and_answered_alike() -> None:
    async with toy() as operations:
        alone = await operations.answer(READ, BASE)
        executions.clear()
        answers = await asyncio.gather(*(operations.answer(READ, BASE) for _ in range(20)))
    assert len(executions) == 1
    assert {answer.body for answer in answers} == {alone.body}


@pytest.mark.parametrize(
    "member", ["tenant_id", "org_unit_id", "user_id", "session_id", "scope_all", "token_id", "via"]
)
async def test_whoever_differs_in_anything_that_rights_follow_from_gets_an_answer_of_their_own(member: str) -> None:
    values = {"scope_all": True, "token_id": "two", "via": Via.SERVICE}
    other = replace(BASE, **{member: values.get(member, uuid4())})
    async with toy() as operations:
        alone = [(await operations.answer(READ, viewer)).body for viewer in (BASE, other)]
        executions.clear()
        together = await asyncio.gather(*(operations.answer(READ, viewer) for viewer in (BASE, other)))
    assert set(executions) == {BASE, other}
    assert [answer.body for answer in together] == alone


async def test_other_variables_get_another_answer() -> None:
    async with toy() as operations:
        await operations.answer(READ, BASE)
        asked = [GraphQLRequest(READ.query, variables={"mark": mark}) for mark in (1, 2)]
        answers = await asyncio.gather(*(operations.answer(one, BASE) for one in asked))
    assert [answer.body[-40:] == answers[0].body[-40:] for answer in answers] == [True, True]
    assert answers[0].body != answers[1].body


async def test_a_mutation_is_executed_for_everybody_who_sends_it() -> None:
    sent = GraphQLRequest("mutation { count }")
    async with toy() as operations:
        await operations.answer(sent, BASE)
        await asyncio.gather(*(operations.answer(sent, BASE) for _ in range(5)))
    assert len(executions) == 6


async def test_a_crowd_that_was_split_is_answered_together_from_the_next_execution_on() -> None:
    kitchen, shared = Kitchen(), SharedAnswers[int]()
    early = [asyncio.create_task(shared.of("same", kitchen.cook)) for _ in range(3)]
    await settled()
    late = [asyncio.create_task(shared.of("same", kitchen.cook)) for _ in range(3)]
    await settled()
    kitchen.go.set()
    assert await asyncio.gather(*early) == [1] * 3
    back = [asyncio.create_task(shared.of("same", kitchen.cook)) for _ in range(3)]
    assert await asyncio.gather(*late, *back) == [2] * 6
    again: list[asyncio.Task[int]] = []
    for _ in range(6):
        again.append(asyncio.create_task(shared.of("same", kitchen.cook)))
        await settled()
    assert await asyncio.gather(*again) == [3] * 6


async def test_whoever_of_a_crowd_stays_away_is_waited_for_no_longer_than_a_moment() -> None:
    kitchen, shared = Kitchen(), SharedAnswers[int]()
    kitchen.go.set()
    crowd = [asyncio.create_task(shared.of("same", kitchen.cook)) for _ in range(CROWD)]
    await asyncio.gather(*crowd)
    async with asyncio.timeout(5):
        assert await shared.of("same", kitchen.cook) == 2


async def test_few_are_not_waited_for() -> None:
    kitchen, shared = Kitchen(), SharedAnswers[int]()
    kitchen.go.set()
    await asyncio.gather(*(shared.of("same", kitchen.cook) for _ in range(CROWD - 1)))
    alone = asyncio.create_task(shared.of("same", kitchen.cook))
    await settled()
    assert alone.done()
