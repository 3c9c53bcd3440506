"""Opening, starting and the rules of time, on a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from models.sessions import DeliverySession, SessionEvent, SessionState
from services import sessions, sessions_events, sessions_expiry, sessions_status, submissions
from services.refusals import DeadlinePassed, NotFound, StateDrift, WindowClosed
from services.sessions_status import DisplayStatus, status_of
from tests.factories import sessions as factory


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


async def events(world, session_id):
    async with world.office.snapshot(world.system) as work:
        rows = await work.session.scalars(
            select(SessionEvent).where(SessionEvent.session_id == session_id).order_by(SessionEvent.seq)
        )
        return list(rows)


async def test_opening_draws_a_paper_without_keys_and_says_so(world, sitting, rung):
    candidate = await sitting.candidate(started=False)
    row = await candidate.row()
    assert row.state == SessionState.CREATED
    assert 0 <= row.seed < 2**63
    assert row.item_count == len(candidate.items) == 7
    assert [item["position"] for item in candidate.items] == list(range(1, 8))
    assert set(candidate.items[0]) == {
        "position",
        "item_id",
        "question_version_id",
        "section",
        "kind",
        "stem",
        "content",
        "points",
    }
    assert "correct" not in str(candidate.items)
    assert [(event.kind, event.seq) for event in await events(world, candidate.session_id)] == [("created", 1)]
    assert rung


async def test_two_candidates_get_papers_of_their_own(sitting):
    orders = set()
    for _ in range(6):
        candidate = await sitting.candidate(started=False)
        orders.add(tuple(option["id"] for option in candidate.items[0]["content"]["options"]))
    assert len(orders) > 1


async def test_starting_sets_the_deadline_once(world, sitting):
    candidate = await sitting.candidate()
    row = await candidate.row()
    assert row.state == SessionState.ACTIVE
    assert row.deadline_at == row.started_at + timedelta(minutes=60)
    later = world.office.shifted(timedelta(minutes=5))
    await later.perform(candidate.viewer, lambda work: sessions.start(work, candidate.session_id))
    again = await candidate.row()
    assert (again.started_at, again.deadline_at, again.event_seq) == (row.started_at, row.deadline_at, 2)


async def test_a_window_that_closed_refuses_the_start(world, sitting):
    async with world.office.snapshot(world.system) as work:
        now = await work.now()
    candidate = await sitting.candidate(started=False, window_until=now + timedelta(hours=1))
    later = world.office.shifted(timedelta(hours=1))
    with pytest.raises(WindowClosed):
        await later.perform(candidate.viewer, lambda work: sessions.start(work, candidate.session_id))


async def test_an_unknown_session_is_not_found(world, sitting):
    candidate = await sitting.candidate()
    other = await sitting.candidate()
    with pytest.raises(NotFound):
        await world.office.perform(candidate.viewer, lambda work: sessions.start(work, other.session_id))


@pytest.mark.parametrize(("late", "refused"), [(3604.0, False), (3605.5, True)])
async def test_answers_are_taken_until_deadline_and_network_allowance(world, sitting, late, refused):
    candidate = await sitting.candidate()
    office = world.office.shifted(timedelta(seconds=late))

    if refused:
        with pytest.raises(DeadlinePassed):
            await candidate.save(0, 1, candidate.right(0), office=office)
    else:
        assert (await candidate.save(0, 1, candidate.right(0), office=office)).is_current


async def test_expiry_records_the_deadline_and_hands_in_what_was_saved(world, sitting):
    candidate = await sitting.candidate()

    await candidate.save(0, 1, candidate.right(0))
    late = world.office.shifted(timedelta(hours=9))
    assert await late.perform(world.system, lambda work: sessions_expiry.expire(work, candidate.session_id))
    assert not await late.perform(world.system, lambda work: sessions_expiry.expire(work, candidate.session_id))
    row = await candidate.row()
    assert row.state == SessionState.EXPIRED
    assert row.ended_at == row.deadline_at == row.started_at + timedelta(minutes=60)
    async with world.office.snapshot(world.system) as work:
        submission = await submissions.of_session(work, candidate.session_id)
        score = await submissions.score_of_session(work, candidate.session_id)
    assert submission.cause == "expired"
    assert submission.submitted_at == row.deadline_at
    assert score.points == 2
    assert (await events(world, candidate.session_id))[-1].kind == "expired"


async def test_a_session_that_never_started_expires_without_a_submission(world, sitting):
    async with world.office.snapshot(world.system) as work:
        closes = await work.now() + timedelta(hours=1)
    candidate = await sitting.candidate(started=False, window_until=closes)
    late = world.office.shifted(timedelta(hours=2))
    assert await late.perform(world.system, lambda work: sessions_expiry.expire(work, candidate.session_id))
    row = await candidate.row()
    assert (row.state, row.ended_at) == (SessionState.EXPIRED, closes)
    async with world.office.snapshot(world.system) as work:
        assert await submissions.of_session(work, candidate.session_id) is None
    with pytest.raises(WindowClosed):
        await late.perform(candidate.viewer.elevated(), lambda work: sessions_expiry.submit(work, candidate.session_id))


async def test_a_session_that_was_not_started_takes_nothing(world, sitting):
    candidate = await sitting.candidate(started=False)
    reported = sessions_events.Reported(sessions_events.ReportedKind.FOCUS_LOST, (await candidate.row()).created_at)
    handing_in = world.office.perform(
        candidate.viewer.elevated(), lambda work: sessions_expiry.submit(work, candidate.session_id)
    )
    for act in (candidate.save(0, 1, None), candidate.report("b", [reported]), handing_in):
        with pytest.raises(StateDrift) as refused:
            await act
        assert refused.value.current_state == "CREATED"


async def test_what_lists_filter_is_what_rows_show(world, sitting):
    async with world.office.snapshot(world.system) as work:
        now = await work.now()
    await sitting.candidate(started=False)
    await sitting.candidate(started=False, window_until=now + timedelta(minutes=2))
    await sitting.candidate(time_limit=timedelta(seconds=50))
    ended = await sitting.candidate()
    await world.office.perform(ended.viewer.elevated(), lambda work: sessions_expiry.submit(work, ended.session_id))
    for shift in (0, 49, 51, 54.5, 61, 121, 4000):
        office = world.office.shifted(timedelta(seconds=shift))
        async with office.snapshot(world.system) as work:
            then = await work.now()
            everything = (await work.session.scalars(select(DeliverySession))).all()
            found = {
                status: set(
                    await work.session.scalars(select(DeliverySession.id).where(sessions_status.shown_as(status)))
                )
                for status in DisplayStatus
            }
            later = await work.now()
            turned = {row.id for row in everything if status_of(row, then) is not status_of(row, later)}
            for status in DisplayStatus:
                expected = {row.id for row in everything if status_of(row, then) is status}
                assert found[status] - turned == expected - turned, (shift, status)


async def test_the_statuses_are_a_partition_over_time(world, sitting):
    candidate = await sitting.candidate(time_limit=timedelta(seconds=100))
    row = await candidate.row()
    started = row.started_at
    seen = [sessions_status.status_of(row, started + timedelta(seconds=seconds)) for seconds in (0, 59, 61, 104.9, 105)]
    assert seen == [
        DisplayStatus.LIVE,
        DisplayStatus.LIVE,
        DisplayStatus.IDLE,
        DisplayStatus.IDLE,
        DisplayStatus.EXPIRED,
    ]
