"""Heartbeats and silence: an absence is noticed, is as long as it was, and counts once, whoever tells of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from jobs import sessions as sweeper
from models.sessions import EventKind, SessionEvent, SessionState
from services import sessions_connection, sessions_expiry
from services.idempotency import Request
from services.sessions_connection import ConnectionState, state_of
from services.sessions_events import Reported, ReportedKind
from services.sessions_writes import SessionWrites
from services.unit import Unit
from tests.factories import sessions as factory

K = ReportedKind
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


async def timeline(world, candidate):
    async with world.office.snapshot(world.system) as work:
        found = await work.session.scalars(
            select(SessionEvent).where(SessionEvent.session_id == candidate.session_id).order_by(SessionEvent.seq)
        )
        return list(found)


def later(world, seconds: float):
    return world.office.shifted(timedelta(seconds=seconds))


async def test_a_heartbeat_costs_three_statements_and_leaves_no_event(world, sitting, monkeypatch):
    candidates = [await sitting.candidate() for _ in range(8)]
    writes, sent = SessionWrites(world.office), []
    await writes.beat(candidates[0].viewer)
    original = Unit.fetch

    async def counted(self, statement, *values):
        sent.append(statement)
        return await original(self, statement, *values)

    monkeypatch.setattr(Unit, "fetch", counted)
    rung = len(world.rung)
    pulses = await asyncio.gather(*[writes.beat(one.viewer) for one in candidates])
    assert len(sent) == 3, "lock, read, note"
    assert len(world.rung) == rung
    for one, pulse in zip(candidates, pulses, strict=True):
        row = await one.row()
        assert (pulse.state, pulse.deadline_at, pulse.revisions) == (SessionState.ACTIVE, row.deadline_at, None)
        assert 3590 <= pulse.seconds_remaining <= 3600
        assert (row.event_seq, row.last_seen_at, state_of(row)) == (2, pulse.now, ConnectionState.CONNECTED)


async def test_a_heartbeat_tells_what_is_stored_if_it_is_asked(world, sitting):
    candidate = await sitting.candidate()
    await candidate.save(0, 3, candidate.right(0))
    await candidate.save(1, 8, candidate.right(1))
    writes = SessionWrites(world.office)
    pulse = await writes.beat(candidate.viewer, with_revisions=True)
    assert dict(pulse.revisions) == {candidate.item_id(0): 3, candidate.item_id(1): 8}
    fresh = await sitting.candidate()
    assert (await writes.beat(fresh.viewer, with_revisions=True)).revisions == []


async def test_a_heartbeat_under_a_key_is_noted_once_and_answered_with_what_is_so(world, sitting):
    candidate = await sitting.candidate()
    request = Request.of("sessionHeartbeat", "k", {})
    first = await SessionWrites(world.office).beat(candidate.viewer, request)
    again = await SessionWrites(later(world, 20)).beat(candidate.viewer, request)
    assert again.now > first.now
    assert (await candidate.row()).last_seen_at == first.now


async def test_after_the_end_a_heartbeat_tells_so_and_notes_nothing(world, sitting):
    candidate, over = await sitting.candidate(), await sitting.candidate(time_limit=timedelta(seconds=60))
    await world.office.perform(candidate.viewer.elevated(), lambda w: sessions_expiry.submit(w, candidate.session_id))
    assert (await SessionWrites(world.office).beat(candidate.viewer)).state is SessionState.SUBMITTED
    late = await SessionWrites(later(world, 70)).beat(over.viewer)
    assert (late.state, late.seconds_remaining) == (SessionState.EXPIRED, None)
    for one in (candidate, over):
        assert (await one.row()).last_seen_at is None


async def test_silence_is_noticed_and_the_next_sign_of_life_ends_it_to_the_microsecond(world, sitting):
    candidate = await sitting.candidate()
    seen = (await SessionWrites(world.office).beat(candidate.viewer)).now
    await sweeper.sweep(later(world, 25))
    assert state_of(await candidate.row()) is ConnectionState.CONNECTED
    await sweeper.sweep(later(world, 31))
    await sweeper.sweep(later(world, 33))
    row = await candidate.row()
    assert (state_of(row), row.disconnected_at, row.disconnect_count) == (ConnectionState.DISCONNECTED, seen, 1)
    office = later(world, 100)
    await candidate.save(0, 1, candidate.right(0), office=office)
    row = await candidate.row()
    assert (state_of(row), row.disconnected_at) == (ConnectionState.CONNECTED, None)
    away = row.last_seen_at - seen
    assert row.disconnected_seconds == Decimal(away // timedelta(microseconds=1)) / 1_000_000
    told = {event.kind: event for event in await timeline(world, candidate)}
    assert told[EventKind.DISCONNECTED].payload == {"by": "server", "since": seen.isoformat()}
    assert told[EventKind.RECONNECTED].payload == {"by": "server", "seconds": str(row.disconnected_seconds)}
    assert told[EventKind.DISCONNECTED].actor_id is told[EventKind.RECONNECTED].actor_id is None
    assert told[EventKind.ANSWER_SAVED].actor_id == candidate.user_id
    assert told[EventKind.RECONNECTED].seq < told[EventKind.ANSWER_SAVED].seq


async def test_who_never_sent_a_heartbeat_is_not_called_away(world, sitting):
    candidate = await sitting.candidate()
    await candidate.save(0, 1, candidate.right(0))
    await sweeper.sweep(later(world, 90))
    row = await candidate.row()
    assert (state_of(row), row.disconnect_count) == (ConnectionState.UNKNOWN, 0)
    assert EventKind.DISCONNECTED not in [event.kind for event in await timeline(world, candidate)]


async def test_an_absence_that_was_noticed_does_not_count_again_when_it_is_reported(world, sitting):
    candidate = await sitting.candidate()
    seen = (await SessionWrites(world.office).beat(candidate.viewer)).now
    await sweeper.sweep(later(world, 40))
    office = later(world, 60)
    cut = Reported(K.DISCONNECTED, seen + timedelta(seconds=2))
    back = Reported(K.RECONNECTED, seen + timedelta(seconds=59), seconds=57)
    await candidate.report("queue", [cut, back], office=office)
    row = await candidate.row()
    assert row.disconnect_count == 1
    assert Decimal(59) < row.disconnected_seconds < Decimal(75)
    other = Reported(K.DISCONNECTED, row.absent_until + timedelta(seconds=3))
    again = Reported(K.RECONNECTED, row.absent_until + timedelta(seconds=8), seconds=5)
    before = row.disconnected_seconds
    await candidate.report("other", [other, again], office=later(world, 75))
    row = await candidate.row()
    assert (row.disconnect_count, row.disconnected_seconds - before) == (2, 5)


async def test_a_clock_that_is_ahead_does_not_make_one_absence_two(world, sitting):
    candidate = await sitting.candidate()
    seen = (await SessionWrites(world.office).beat(candidate.viewer)).now
    await sweeper.sweep(later(world, 40))
    ahead = seen + timedelta(hours=2)
    cut, back = [Reported(kind, ahead + timedelta(seconds=n)) for kind, n in ((K.DISCONNECTED, 2), (K.RECONNECTED, 59))]
    await candidate.report("queue", [cut, back], office=later(world, 60))
    assert (await candidate.row()).disconnect_count == 1


async def test_what_only_the_browser_tells_counts_as_it_says(world, sitting):
    candidate = await sitting.candidate()
    await candidate.report("a", [Reported(K.DISCONNECTED, AT)])
    row = await candidate.row()
    assert (state_of(row), row.disconnect_count) == (ConnectionState.DISCONNECTED, 1)
    await candidate.report("b", [Reported(K.DISCONNECTED, AT)], office=later(world, 5))
    await candidate.report("c", [Reported(K.RECONNECTED, AT)], office=later(world, 9))
    row = await candidate.row()
    assert (state_of(row), row.disconnect_count) == (ConnectionState.UNKNOWN, 1)
    assert Decimal(8) < row.disconnected_seconds < Decimal(20)
    lied = [Reported(K.DISCONNECTED, AT), Reported(K.RECONNECTED, AT, seconds=600_000)]
    await candidate.report("d", lied, office=later(world, 30))
    assert (await candidate.row()).disconnected_seconds < Decimal(60), "nobody was away for longer than they sat"


async def test_a_sweep_beside_writes_makes_each_absence_one(world, sitting):
    """Four sweepers and the candidates' own writes on connections of their own, at the instant of the silence."""
    candidates = [await sitting.candidate() for _ in range(12)]
    await asyncio.gather(*[SessionWrites(world.office).beat(one.viewer) for one in candidates])
    office = later(world, 31)
    writes = [SessionWrites(office) for _ in range(3)]
    acts = [writes[n % 3].beat(one.viewer) for n, one in enumerate(candidates)]
    saves = [one.save(0, 1, one.right(0), office=office) for one in candidates]
    await asyncio.gather(*[sweeper.sweep(office) for _ in range(4)], *acts, *saves)
    for one in candidates:
        row, told = await one.row(), [event.kind for event in await timeline(world, one)]
        assert state_of(row) is ConnectionState.CONNECTED
        assert told.count(EventKind.DISCONNECTED) == told.count(EventKind.RECONNECTED) == row.disconnect_count
        assert row.disconnect_count in {0, 1}
        assert [event.seq for event in await timeline(world, one)] == list(range(1, row.event_seq + 1))


STEPS = st.lists(
    st.tuples(st.integers(1, 45), st.sampled_from(["beat", "save", "sweep", "cut", "back"])), min_size=1, max_size=10
)


@settings(max_examples=12, deadline=None)
@given(steps=STEPS)
async def test_the_sum_is_that_of_the_absences_in_the_timeline(world, sitting, steps):
    """Whatever comes in which order, each absence is opened and closed once, and the row's sum is that of the events."""
    candidate, at = await sitting.candidate(), 0.0
    begun = (await SessionWrites(world.office).beat(candidate.viewer)).now
    for n, (wait, what) in enumerate(steps):
        at += wait
        office = later(world, at)
        clock = begun + timedelta(seconds=at)
        match what:
            case "beat":
                await SessionWrites(office).beat(candidate.viewer)
            case "save":
                await candidate.save(0, n + 1, candidate.right(0), office=office)
            case "sweep":
                await sweeper.sweep(office)
            case "cut":
                await candidate.report(str(n), [Reported(K.DISCONNECTED, clock)], office=office)
            case _:
                await candidate.report(str(n), [Reported(K.RECONNECTED, clock)], office=office)
        row = await candidate.row()
        noticed = [event for event in await timeline(world, candidate) if event.payload.get("by") == "server"]
        kinds = [event.kind for event in noticed]
        open_now = kinds.count(EventKind.DISCONNECTED) - kinds.count(EventKind.RECONNECTED)
        assert (row.disconnected_at is None) or state_of(row) is ConnectionState.DISCONNECTED
        sum_told = sum(
            (Decimal(event.payload["seconds"]) for event in noticed if event.kind == EventKind.RECONNECTED), Decimal(0)
        )
        assert row.disconnected_seconds >= sum_told
        assert open_now <= 1
        assert row.disconnect_count >= kinds.count(EventKind.DISCONNECTED)
        assert sessions_connection.seconds_away(row, clock) >= row.disconnected_seconds
