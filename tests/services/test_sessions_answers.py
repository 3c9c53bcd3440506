"""Autosave: whatever the network does to the order, the highest revision stays and is told once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from models.base import uuid7
from models.sessions import Answer, SessionEvent
from services.refusals import InvalidInput, NotFound, StateDrift
from services.sessions_answers import LARGEST_REVISION
from services.sessions_expiry import submit
from services.sessions_writes import SessionWrites
from tests.factories import sessions as factory


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world, essay=True)


async def save(candidate, n, revision, response):
    return await candidate.save(n, revision, response)


async def saved_events(candidate):
    world = candidate.sitting.world
    async with world.office.snapshot(world.system) as work:
        rows = await work.session.scalars(
            select(SessionEvent)
            .where(SessionEvent.session_id == candidate.session_id, SessionEvent.kind == "answer_saved")
            .order_by(SessionEvent.seq)
        )
        return list(rows)


async def stored(candidate):
    world = candidate.sitting.world
    async with world.office.snapshot(world.system) as work:
        rows = await work.session.scalars(select(Answer).where(Answer.session_id == candidate.session_id))
        return {row.item_id: row for row in rows}


async def test_every_kind_of_answer_is_saved_and_counted(sitting):
    candidate = await sitting.candidate()
    for n in range(len(candidate.items)):
        saved = await save(candidate, n, 1, candidate.right(n))
        assert saved.is_current
        assert saved.row.response is not None
    row = await candidate.row()
    assert row.answered_count == row.item_count == 8
    assert row.current_position == 8
    assert [event.payload for event in await saved_events(candidate)] == [
        {"position": n + 1, "revision": 1, "answered": True} for n in range(8)
    ]


async def test_clearing_counts_as_unanswered_and_a_blank_text_does_too(sitting):
    candidate = await sitting.candidate()
    essay = next(n for n, item in enumerate(candidate.items) if item["kind"] == "essay")
    await save(candidate, 0, 1, candidate.right(0))
    await save(candidate, essay, 1, {"text": "words"})
    assert (await candidate.row()).answered_count == 2
    cleared = await save(candidate, 0, 2, None)
    assert cleared.row.response is None
    await save(candidate, essay, 2, {"text": "  "})
    assert (await candidate.row()).answered_count == 0
    assert [event.payload["answered"] for event in await saved_events(candidate)] == [True, True, False, False]
    await save(candidate, 0, 3, candidate.wrong(0))
    assert (await candidate.row()).answered_count == 1


async def test_a_stale_revision_changes_nothing_and_shows_what_is_stored(sitting):
    candidate = await sitting.candidate()
    await save(candidate, 0, 5, candidate.right(0))
    before = await candidate.row()
    for revision, response, is_current in [
        (5, candidate.right(0), True),
        (5, candidate.wrong(0), False),
        (4, candidate.wrong(0), False),
        (4, candidate.right(0), False),
        (1, None, False),
    ]:
        saved = await save(candidate, 0, revision, response)
        assert saved.is_current is is_current, (revision, response)
        assert (saved.row.revision, saved.row.response) == (5, candidate.right(0))
    after = await candidate.row()
    assert (after.event_seq, after.answered_count, after.last_activity_at) == (
        before.event_seq,
        1,
        before.last_activity_at,
    )


CHOICES = ["a", "b", "c", "d", None]
MESSAGES = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(CHOICES)), min_size=1, max_size=12, unique_by=lambda m: m[0]
)


@given(messages=MESSAGES, data=st.data())
@settings(max_examples=25, deadline=None)
async def test_any_order_with_duplicates_ends_in_the_highest_revision(sitting, messages, data):
    candidate = await sitting.candidate()
    sent = data.draw(st.permutations(messages + data.draw(st.lists(st.sampled_from(messages), max_size=6))))
    highest = 0
    expected_events = []
    for revision, choice in sent:
        response = None if choice is None else {"choice": choice}
        saved = await save(candidate, 0, revision, response)
        if revision > highest:
            highest = revision
            expected_events.append((revision, choice is not None))
        assert saved.row.revision == highest
        assert saved.is_current is (revision == highest)
    last = dict(messages)[highest]
    row = (await stored(candidate))[candidate.item_id(0)]
    assert (row.revision, row.response) == (highest, None if last is None else {"choice": last})
    told = [(event.payload["revision"], event.payload["answered"]) for event in await saved_events(candidate)]
    assert told == expected_events
    session = await candidate.row()
    assert session.answered_count == (last is not None)
    assert session.event_seq == 2 + len(expected_events)


@pytest.mark.parametrize(
    "response",
    [
        {"choice": "z"},
        {"choices": ["a"]},
        {"text": "a"},
        {"choice": "a", "text": "b"},
        {},
        {"choice": ["a"]},
        {"choice": None},
    ],
)
async def test_a_response_that_does_not_fit_the_item_is_refused(sitting, response):
    candidate = await sitting.candidate()
    with pytest.raises(InvalidInput) as refused:
        await save(candidate, 0, 1, response)
    assert refused.value.path[0] == "response"
    assert (await candidate.row()).event_seq == 2


@pytest.mark.parametrize("revision", [0, -1, LARGEST_REVISION + 1])
async def test_revisions_are_whole_numbers_from_one(sitting, revision):
    candidate = await sitting.candidate()
    with pytest.raises(InvalidInput):
        await save(candidate, 0, revision, candidate.right(0))


async def test_an_item_of_another_paper_does_not_exist(sitting):
    candidate = await sitting.candidate()

    with pytest.raises(NotFound):
        await SessionWrites(sitting.world.office).save(candidate.viewer, uuid7(), 1, None)


async def test_after_handing_in_nothing_is_taken(sitting):
    candidate = await sitting.candidate()
    await sitting.world.office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))
    with pytest.raises(StateDrift) as refused:
        await save(candidate, 0, 1, candidate.right(0))
    assert refused.value.current_state == "SUBMITTED"
