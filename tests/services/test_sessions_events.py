"""Telemetry: a batch counts once, in its own order, whatever is sent again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from models.sessions import EventKind, SessionEvent
from services.refusals import DeadlinePassed, IdempotencyMismatch, InvalidInput, StateDrift
from services.sessions_events import Reported, ReportedKind
from services.sessions_expiry import submit
from services.unit import Unit
from tests.factories import sessions as factory

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
K = ReportedKind


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


async def record(candidate, batch_id, events, office=None):
    return await candidate.report(batch_id, events, office=office)


async def timeline(candidate):
    world = candidate.sitting.world
    async with world.office.snapshot(world.system) as work:
        rows = await work.session.scalars(
            select(SessionEvent)
            .where(SessionEvent.session_id == candidate.session_id)
            .order_by(SessionEvent.xid, SessionEvent.id)
        )
        return list(rows)


async def test_a_batch_is_numbered_counted_and_kept_as_reported(sitting):
    candidate = await sitting.candidate()
    events = [
        Reported(K.ITEM_VIEWED, AT, position=3),
        Reported(K.FOCUS_LOST, AT + timedelta(seconds=1)),
        Reported(K.TAB_SWITCH, AT + timedelta(seconds=1)),
        Reported(K.FOCUS_REGAINED, AT + timedelta(seconds=9), seconds=8),
        Reported(K.PASTE_DETECTED, AT + timedelta(seconds=10), position=3, characters=120),
        Reported(K.DISCONNECTED, AT + timedelta(seconds=11)),
    ]
    answer = await record(candidate, "one", events)
    assert answer == {"session_id": str(candidate.session_id), "accepted": 6, "last_seq": 8}
    rows = (await timeline(candidate))[2:]
    assert [row.seq for row in rows] == list(range(3, 9))
    assert [(row.kind, row.client_at, row.payload) for row in rows] == [
        ("item_viewed", AT, {"position": 3}),
        ("focus_lost", AT + timedelta(seconds=1), {}),
        ("tab_switch", AT + timedelta(seconds=1), {}),
        ("focus_regained", AT + timedelta(seconds=9), {"seconds": 8}),
        ("paste_detected", AT + timedelta(seconds=10), {"position": 3, "characters": 120}),
        ("disconnected", AT + timedelta(seconds=11), {}),
    ]
    session = await candidate.row()
    assert (session.current_position, session.focus_lost_count) == (3, 1)
    assert session.focus_lost_at == session.last_activity_at == session.disconnected_at == rows[0].at
    await record(candidate, "two", [Reported(K.RECONNECTED, AT)])
    assert (await candidate.row()).disconnected_at is None


async def test_a_batch_costs_the_same_statements_whatever_its_size(sitting, monkeypatch):
    counts = []
    original = Unit.fetch

    async def counted(self, statement, *values):
        counts[-1] += 1
        return await original(self, statement, *values)

    monkeypatch.setattr(Unit, "fetch", counted)
    for size in (1, 100):
        candidate = await sitting.candidate()
        counts.append(0)
        await record(candidate, "b", [Reported(K.FOCUS_REGAINED, AT)] * size)
    assert counts == [4, 4]


async def test_other_content_under_a_known_id_is_refused(sitting):
    candidate = await sitting.candidate()
    await record(candidate, "b", [Reported(K.FOCUS_LOST, AT)])
    with pytest.raises(IdempotencyMismatch):
        await record(candidate, "b", [Reported(K.TAB_SWITCH, AT)])
    assert (await candidate.row()).event_seq == 3


BATCHES = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(1, 4), st.sampled_from([K.FOCUS_LOST, K.TAB_SWITCH])),
    min_size=1,
    max_size=12,
)


@given(sent=BATCHES)
@settings(max_examples=20, deadline=None)
async def test_replayed_batches_leave_no_gap_and_no_double(sitting, sent):
    candidate = await sitting.candidate()
    taken: dict[str, tuple] = {}
    answers: dict[str, dict] = {}
    for batch_id, size, kind in sent:
        events = [Reported(kind, AT)] * size
        if taken.get(batch_id, (size, kind)) != (size, kind):
            with pytest.raises(IdempotencyMismatch):
                await record(candidate, batch_id, events)
            continue
        answer = await record(candidate, batch_id, events)
        taken.setdefault(batch_id, (size, kind))
        assert answers.setdefault(batch_id, answer) == answer
    rows = await timeline(candidate)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    told = [row for row in rows if row.kind != EventKind.ATTENTION_RAISED]
    assert len(told) == 2 + sum(size for size, _ in taken.values())
    lost = sum(size for size, kind in taken.values() if kind is K.FOCUS_LOST)
    assert (await candidate.row()).focus_lost_count == lost


@pytest.mark.parametrize(
    ("events", "path"),
    [
        ([], ("events",)),
        ([Reported(K.FOCUS_LOST, AT)] * 101, ("events",)),
        ([Reported(K.ITEM_VIEWED, AT)], ("events", 0, "position")),
        ([Reported(K.ITEM_VIEWED, AT, position=8)], ("events", 0, "position")),
        ([Reported(K.TAB_SWITCH, AT), Reported(K.ITEM_VIEWED, AT, position=0)], ("events", 1, "position")),
        ([Reported(K.FOCUS_REGAINED, AT, seconds=-1)], ("events", 0, "details", "seconds")),
        ([Reported(K.PASTE_DETECTED, AT, characters=1_000_001)], ("events", 0, "details", "characters")),
        ([Reported(K.FOCUS_LOST, datetime(1, 1, 1, tzinfo=UTC))], ("events", 0, "clientAt")),
    ],
)
async def test_what_cannot_have_happened_is_refused_whole(sitting, events, path):
    candidate = await sitting.candidate()
    with pytest.raises(InvalidInput) as refused:
        await record(candidate, "b", events)
    assert refused.value.path == path
    assert (await candidate.row()).event_seq == 2


@pytest.mark.parametrize("batch_id", ["", "  ", "x" * 65, "a\nb", "a\x00b"])
async def test_batch_ids_are_short_and_printable(sitting, batch_id):
    candidate = await sitting.candidate()
    with pytest.raises(InvalidInput):
        await record(candidate, batch_id, [Reported(K.FOCUS_LOST, AT)])


async def test_after_the_end_only_a_replay_is_answered(sitting):
    candidate = await sitting.candidate()
    office = sitting.world.office
    first = await record(candidate, "b", [Reported(K.FOCUS_LOST, AT)])
    late = office.shifted(timedelta(hours=2))
    with pytest.raises(DeadlinePassed):
        await record(candidate, "c", [Reported(K.FOCUS_LOST, AT)], office=late)
    await office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))
    with pytest.raises(StateDrift):
        await record(candidate, "c", [Reported(K.FOCUS_LOST, AT)])
    assert await record(candidate, "b", [Reported(K.FOCUS_LOST, AT)]) == first
