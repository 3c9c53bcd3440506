"""A browser's queue of answers: whatever is cut, doubled and reordered, nothing that was acknowledged is lost."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import sessions_answers
from services.idempotency import Request
from services.refusals import DeadlinePassed, IdempotencyMismatch, InvalidInput, NotFound, StateDrift
from services.sessions_answers import MOST_ANSWERS, Saved
from services.sessions_writes import SessionWrites
from services.unit import Unit
from tests.factories import sessions as factory


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


async def stored(world, candidate):
    async with world.office.snapshot(world.system) as work:
        rows = (await sessions_answers.answers_of(work, [candidate.session_id]))[candidate.session_id]
        return {row.item_id: (row.revision, row.response) for row in rows}


def response(n: int) -> dict[str, str]:
    return {"choice": "abcd"[n % 4]}


async def test_a_hundred_answers_cost_the_statements_of_one_and_each_has_its_row(world, sitting, monkeypatch):
    sent = []
    original = Unit.fetch

    async def counted(self, statement, *values):
        sent.append(statement)
        return await original(self, statement, *values)

    counts = []
    for size in (1, MOST_ANSWERS):
        candidate = await sitting.candidate()
        answers = [(candidate.item_id(0), n + 1, response(n)) for n in range(size)]
        with monkeypatch.context() as patched:
            patched.setattr(Unit, "fetch", counted)
            rows = await SessionWrites(world.office).save_many(candidate.viewer, answers)
        counts.append(len(sent))
        sent.clear()
        assert all(row.is_current for row in rows)
        assert await stored(world, candidate) == {candidate.item_id(0): (size, response(size - 1))}
        assert (await candidate.row()).event_seq == 2 + size
    assert counts[0] + 1 >= counts[1], "the items of a paper are remembered"


async def test_each_is_saved_or_refused_by_itself_and_told_its_place(world, sitting):
    candidate = await sitting.candidate()
    await candidate.save(1, 5, candidate.right(1))
    foreign = uuid4()
    answers = [
        (candidate.item_id(0), 1, {"choice": "z"}),
        (candidate.item_id(0), 1, response(1)),
        (foreign, 1, None),
        (candidate.item_id(1), 4, candidate.wrong(1)),
        (candidate.item_id(0), 0, response(2)),
    ]
    request = Request.of("answersSave", "k", {})
    writes = SessionWrites(world.office)
    for _ in range(2):
        rows = await writes.save_many(candidate.viewer, answers, request)
        told = [(type(row), getattr(row, "path", None)) for row in rows]
        assert told == [
            (InvalidInput, ("answers", 0, "response", "choice")),
            (Saved, None),
            (NotFound, ("answers", 2, "itemId")),
            (Saved, None),
            (InvalidInput, ("answers", 4, "revision")),
        ]
        assert (rows[1].is_current, rows[3].is_current, rows[3].row.revision) == (True, False, 5)
    assert (await candidate.row()).event_seq == 4
    with pytest.raises(IdempotencyMismatch):
        await writes.save_many(candidate.viewer, answers, Request.of("answersSave", "k", {"other": 1}))
    for size in (0, MOST_ANSWERS + 1):
        with pytest.raises(InvalidInput):
            await writes.save_many(candidate.viewer, answers[1:2] * size)


async def test_within_the_allowance_it_counts_and_beyond_it_the_end_is_named(world, sitting):
    candidate = await sitting.candidate(time_limit=timedelta(seconds=60), grace=5)
    answers = [(candidate.item_id(0), 1, response(0))]
    ends = (await candidate.row()).deadline_at
    late = SessionWrites(world.office.shifted(timedelta(seconds=62)))
    assert (await late.save_many(candidate.viewer, answers))[0].is_current
    later = SessionWrites(world.office.shifted(timedelta(seconds=66)))
    with pytest.raises(DeadlinePassed) as refused:
        await later.save_many(candidate.viewer, answers)
    assert refused.value.deadline_at == ends
    waiting = await sitting.candidate(started=False)
    with pytest.raises(StateDrift):
        await SessionWrites(world.office).save_many(waiting.viewer, [(waiting.item_id(0), 1, response(0))])


EDITS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12)
"""What is typed: an item, and a response to it."""


@settings(max_examples=20, deadline=None)
@given(
    edits=EDITS,
    sendings=st.lists(
        st.tuples(st.lists(st.integers(0, 11), min_size=1, max_size=6), st.sampled_from(["kept", "cut", "twice"])),
        max_size=8,
    ),
    alone=st.booleans(),
)
async def test_no_interleaving_of_cuts_doubles_and_orders_loses_what_was_acknowledged(
    world, sitting, edits, sendings, alone
):
    """A model of the browser: it forgets an answer only once it is acknowledged, and sends what is left at the end."""
    candidate = await sitting.candidate()
    writes = SessionWrites(world.office)
    choices = [[response(n) for n in range(4)], [{"choices": list(one)} for one in ("a", "ab", "c", "bd")]]
    choices.append([{"choice": one} for one in ("true", "false", "true", "false")])
    queue = [(candidate.item_id(item), n + 1, choices[item][what]) for n, (item, what) in enumerate(edits)]
    acknowledged: dict = {}
    left = dict(enumerate(queue))

    async def send(numbers: list[int], fate: str) -> None:
        some = [queue[n] for n in numbers if n < len(queue)]
        if not some:
            return
        times = 2 if fate == "twice" else 1
        if alone:
            acts = [writes.save(candidate.viewer, *one) for one in some * times]
            await asyncio.gather(*acts)
        else:
            await asyncio.gather(*[writes.save_many(candidate.viewer, some) for _ in range(times)])
        if fate != "cut":  # the answer arrived: what was sent is acknowledged, and forgotten
            for n in numbers:
                if left.pop(n, None) is not None:
                    item, revision, _ = queue[n]
                    acknowledged[item] = max(acknowledged.get(item, 0), revision)
        kept = await stored(world, candidate)
        assert all(kept[item][0] >= revision for item, revision in acknowledged.items())

    for numbers, fate in sendings:
        await send(numbers, fate)
    pulse = await writes.beat(candidate.viewer, with_revisions=True)
    known = dict(pulse.revisions)
    owed = [n for n, (item, revision, _) in left.items() if revision > known.get(item, 0)]
    await send(owed, "twice")
    newest = {}
    for item, revision, given_ in queue:
        newest[item] = (revision, given_)
    assert await stored(world, candidate) == newest
    assert (await candidate.row()).answered_count == len(newest)
