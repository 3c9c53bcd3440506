"""Pausing: nothing is lost and nothing gained by it, whatever the order of things and whoever is faster."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from jobs import sessions as sweeper
from models.activity import Activity
from models.sessions import DeliverySession, ReasonCategory, SessionEvent, SessionState
from services import deadlines, sessions, sessions_expiry, sessions_pause, sessions_status
from services.deadlines import Limits
from services.refusals import DeadlinePassed, StateDrift
from services.sessions_events import Reported, ReportedKind
from services.sessions_hold import hold_many
from services.sessions_pause import Why
from services.sessions_status import DisplayStatus
from tests.factories import sessions as factory

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE, SECOND, MICROSECOND = timedelta(minutes=1), timedelta(seconds=1), timedelta(microseconds=1)
FIRE = Why(ReasonCategory.ENVIRONMENT, "The fire alarm went off.")
OVER = Why(ReasonCategory.ENVIRONMENT, "The alarm is over.")

SPANS = st.integers(0, 3 * 3600 * 1_000_000).map(lambda n: n * MICROSECOND)


def running(**more: Any) -> Any:
    """A session of an hour that was started at nine, as far as its clock goes."""
    found: dict[str, Any] = {
        "state": SessionState.ACTIVE,
        "started_at": NINE,
        "deadline_at": NINE + timedelta(hours=1),
        "ended_at": None,
        "grace_seconds": 5,
        "paused_at": None,
        "resumed_at": None,
        "paused_seconds": Decimal(0),
        "version": 1,
    }
    return SimpleNamespace(**found | more)


@given(st.lists(st.tuples(SPANS, SPANS), max_size=12), st.integers(60, 36_000), st.booleans())
def test_the_deadline_moves_by_exactly_what_was_paused(spans, limit, windowed) -> None:
    window = NINE + timedelta(seconds=limit // 2) if windowed else None
    limits = Limits(limit)
    end = deadlines.deadline(limits, started_at=NINE, window_until=window)
    one = running(deadline_at=end)
    now, paused, worked = NINE, timedelta(0), timedelta(0)
    for working, pausing in spans:
        now, worked = now + working, worked + working
        if sessions_status.is_over(one, now):
            with pytest.raises(DeadlinePassed):
                sessions_pause.stop(one, now)
            break
        sessions_pause.stop(one, now)
        left = sessions_status.seconds_remaining(one, now)
        assert left == max(0, (end - NINE - worked) // SECOND), "as much as was not worked"
        for later in (now + pausing / 2, now + pausing, now + timedelta(days=400)):
            assert sessions_status.seconds_remaining(one, later) == left, "the clock stands still"
            assert not sessions_status.is_over(one, later)
        now, paused = now + pausing, paused + pausing
        sessions_pause.go_on(one, now)
        assert sessions_status.seconds_remaining(one, now) == left
        assert one.deadline_at == end + paused
        again = deadlines.deadline(limits, started_at=NINE, window_until=window, paused_seconds=one.paused_seconds)
        assert again == one.deadline_at, "what the rules compute anew is the same to the microsecond"
    assert deadlines.span(one.paused_seconds) == paused


@given(st.lists(st.sampled_from([sessions_pause.stop, sessions_pause.go_on]), max_size=10))
def test_only_what_runs_is_paused_and_only_what_is_paused_goes_on(steps) -> None:
    one, is_paused = running(deadline_at=None), False
    for n, step in enumerate(steps):
        now = NINE + n * MINUTE
        if (step is sessions_pause.stop) is is_paused:
            with pytest.raises(StateDrift) as refused:
                step(one, now)
            assert refused.value.current_state == ("PAUSED" if is_paused else "ACTIVE")
        else:
            step(one, now)
            is_paused = not is_paused
        assert (one.state == SessionState.PAUSED) is is_paused is (one.paused_at is not None)
        assert one.deadline_at is None


@given(SPANS)
def test_a_span_is_kept_to_the_microsecond(length) -> None:
    assert deadlines.span(deadlines.seconds_of(length)) == length


def test_a_clock_that_went_back_takes_nothing_from_the_candidate() -> None:
    one = running()
    sessions_pause.stop(one, NINE + MINUTE)
    sessions_pause.go_on(one, NINE)
    assert one.deadline_at == NINE + timedelta(hours=1)


@pytest.fixture(scope="module")
async def sitting(world) -> factory.Sitting:
    return await factory.sitting(world)


async def act_on(world, act, why, *candidates, office=None):
    """Pause or resume; returns the refusals in order."""

    async def unit(work):
        held = await hold_many(work, [one.session_id for one in candidates])
        return await act(work, held, why)

    refused = await (office or world.office).perform(world.system, unit)
    return [refused[one.session_id] for one in candidates]


async def pause(world, *candidates, office=None):
    return await act_on(world, sessions_pause.pause, FIRE, *candidates, office=office)


async def resume(world, *candidates, office=None):
    return await act_on(world, sessions_pause.resume, OVER, *candidates, office=office)


async def submit(world, one, office=None):
    return await (office or world.office).perform(
        one.viewer.elevated(), lambda work: sessions_expiry.submit(work, one.session_id)
    )


async def timeline(world, session_id) -> list[SessionEvent]:
    async with world.office.snapshot(world.system) as work:
        wanted = select(SessionEvent).where(SessionEvent.session_id == session_id).order_by(SessionEvent.seq)
        return list(await work.session.scalars(wanted))


async def test_nothing_is_taken_in_while_the_clock_stands(world, sitting):
    one = await sitting.candidate()
    assert await pause(world, one) == [None]
    event = Reported(ReportedKind.FOCUS_LOST, NINE)
    with pytest.raises(StateDrift) as refused:
        await one.save(0, 1, one.right(0))
    assert refused.value.current_state == "PAUSED"
    with pytest.raises(StateDrift):
        await one.report("1", [event])
    with pytest.raises(StateDrift):
        await submit(world, one)
    with pytest.raises(StateDrift):
        await world.office.perform(one.viewer, lambda work: sessions.start(work, one.session_id))
    (again,) = await pause(world, one)
    assert isinstance(again, StateDrift)
    assert again.current_state == "PAUSED"
    assert await resume(world, one) == [None]
    assert (await one.save(0, 1, one.right(0))).is_current
    await one.report("1", [event])
    await submit(world, one)
    (over,) = await resume(world, one)
    assert over.current_state == "SUBMITTED"


async def test_a_paused_session_never_expires_and_its_end_moves_to_the_microsecond(world, sitting):
    one = await sitting.candidate(time_limit=10 * MINUTE)
    before = await one.row()
    await pause(world, one)
    paused = await one.row()
    late = world.office.shifted(timedelta(days=3))
    await sweeper.sweep(late)
    async with late.snapshot(world.system) as work:
        assert one.session_id not in await sessions_expiry.overdue(work, 1000)
        now = await work.now()
    still = await one.row()
    assert sessions_status.status_of(still, now) is DisplayStatus.PAUSED
    assert (still.state, still.deadline_at) == (SessionState.PAUSED, before.deadline_at)
    assert sessions_status.seconds_remaining(still, now) == (before.deadline_at - paused.paused_at) // SECOND
    await resume(world, one, office=late)
    after = await one.row()
    length = after.resumed_at - paused.paused_at
    assert length > timedelta(days=3)
    assert after.deadline_at == before.deadline_at + length
    assert deadlines.span(after.paused_seconds) == length
    *_, begun, ended = await timeline(world, one.session_id)
    assert (begun.kind, begun.reason, begun.payload) == ("paused", FIRE.text, {"category": "environment"})
    assert (ended.kind, ended.at, ended.reason) == ("resumed", after.resumed_at, OVER.text)
    assert datetime.fromisoformat(ended.payload["deadline_before"]) == before.deadline_at
    assert datetime.fromisoformat(ended.payload["deadline_after"]) == after.deadline_at
    assert deadlines.span(Decimal(ended.payload["paused_seconds"])) == length
    async with world.office.snapshot(world.system) as work:
        wanted = select(Activity).where(Activity.subject_id == one.session_id).order_by(Activity.id)
        told = [(row.act, row.reason, row.after["state"]) for row in await work.session.scalars(wanted)]
    assert told == [("session.paused", FIRE.text, "paused"), ("session.resumed", OVER.text, "active")]


async def test_a_session_is_live_again_when_it_goes_on(world, sitting):
    one = await sitting.candidate()
    await pause(world, one)
    later = world.office.shifted(30 * MINUTE)
    await resume(world, one, office=later)
    row = await one.row()
    for shift, expected in ((30 * MINUTE, DisplayStatus.LIVE), (31 * MINUTE + 5 * SECOND, DisplayStatus.IDLE)):
        async with world.office.shifted(shift).snapshot(world.system) as work:
            assert sessions_status.status_of(row, await work.now()) is expected
            shown = select(DeliverySession.id).where(
                DeliverySession.id == one.session_id, sessions_status.shown_as(expected)
            )
            assert await work.session.scalar(shown) == one.session_id, "and the database says the same"


async def test_only_what_runs_can_be_paused(world, sitting):
    waiting, over, running_ = (
        await sitting.candidate(started=False),
        await sitting.candidate(time_limit=MINUTE),
        await sitting.candidate(time_limit=30 * MINUTE),
    )
    late = world.office.shifted(5 * MINUTE)
    refused = await pause(world, waiting, over, running_, office=late)
    assert [type(one) for one in refused] == [StateDrift, DeadlinePassed, type(None)]
    assert refused[0].current_state == "CREATED"


async def test_twins_pause_once(world, sitting):
    one = await sitting.candidate()
    refused = await asyncio.gather(*(pause(world, one) for _ in range(8)))
    assert sorted(type(row).__name__ for (row,) in refused) == ["NoneType", *["StateDrift"] * 7]
    refused = await asyncio.gather(*(resume(world, one) for _ in range(8)))
    assert sorted(type(row).__name__ for (row,) in refused) == ["NoneType", *["StateDrift"] * 7]
    assert [row.kind for row in await timeline(world, one.session_id)] == ["created", "started", "paused", "resumed"]


async def test_pause_and_handing_in_are_decided_by_who_is_first(world, sitting):
    seen = set()
    for turn in range(20):
        one = await sitting.candidate()
        acts = [pause(world, one), submit(world, one)]
        order = acts if turn % 2 else acts[::-1]
        await asyncio.gather(*order, return_exceptions=True)
        row, kinds = await one.row(), [event.kind for event in await timeline(world, one.session_id)]
        assert kinds == ["created", "started", row.state]
        seen.add(row.state)
    assert seen <= {SessionState.PAUSED, SessionState.SUBMITTED}


async def test_pause_and_expiry_are_decided_by_the_clock(world, sitting):
    """At the end of the time both come at once: a session that is over is never paused, a paused one never ends."""
    late = world.office.shifted(2 * MINUTE)
    for turn in range(10):
        one = await sitting.candidate(time_limit=MINUTE)
        early = turn % 2 == 0

        async def expire(one=one):
            return await late.perform(world.system, lambda work: sessions_expiry.expire(work, one.session_id))

        (refused,), ended = await asyncio.gather(pause(world, one, office=world.office if early else late), expire())
        row = await one.row()
        assert (row.state == SessionState.PAUSED) is (refused is None) is not ended
        if not early:
            assert isinstance(refused, DeadlinePassed)


async def test_saves_that_race_with_a_pause_are_before_it_or_refused(world, sitting):
    one = await sitting.candidate()

    async def save(revision):
        try:
            await one.save(0, revision, one.right(0))
        except StateDrift:
            return False
        return True

    *saved, _ = await asyncio.gather(*(save(n) for n in range(1, 21)), pause(world, one))
    kinds = [row.kind for row in await timeline(world, one.session_id)]
    assert kinds[-1] == "paused", "nothing was told after it"
    assert kinds.count("answer_saved") <= sum(saved)
