"""Many hands on one session, over real connections: one order, one outcome, nothing after the end."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from jobs import sessions as sweeper
from models.sessions import Answer, DeliverySession, SessionEvent, SessionState
from models.submissions import ScoreVersion, Submission
from services.refusals import DeadlinePassed, Refusal, StateDrift
from services.sessions_events import Reported, ReportedKind
from services.sessions_expiry import expire, overdue, submit
from tests.factories import sessions as factory

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same dice in every run


def saving(candidate, n, revision):
    return candidate.save(n, revision, candidate.right(n))


def submitting(candidate):
    async def act(work):
        return await submit(work, candidate.session_id)

    return act


def expiring(candidate):
    async def act(work):
        return await expire(work, candidate.session_id)

    return act


async def timeline(world, session_id):
    async with world.office.snapshot(world.system) as work:
        rows = await work.session.scalars(
            select(SessionEvent)
            .where(SessionEvent.session_id == session_id)
            .order_by(SessionEvent.xid, SessionEvent.id)
        )
        return list(rows)


async def test_twelve_writers_keep_one_order_per_session(world, sitting):
    candidates = [await sitting.candidate() for _ in range(3)]
    rounds = 25

    async def write(writer: int) -> None:
        dice = seeded(writer)
        for turn in range(rounds):
            candidate = dice.choice(candidates)
            if dice.random() < 0.5:
                n = dice.randrange(len(candidate.items))
                await saving(candidate, n, writer * rounds + turn + 1)
            else:
                reported = [Reported(ReportedKind.FOCUS_LOST, AT)] * dice.randint(1, 5)
                await candidate.report(f"{writer}/{turn}", reported)

    await asyncio.gather(*[write(writer) for writer in range(12)])
    for candidate in candidates:
        rows = await timeline(world, candidate.session_id)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        session = await candidate.row()
        assert session.event_seq == len(rows)
        assert session.focus_lost_count == sum(row.kind == "focus_lost" for row in rows)


async def test_twenty_hands_in_are_one_submission(world, sitting):
    candidate = await sitting.candidate()
    answers = await asyncio.gather(
        *[world.office.perform(candidate.viewer.elevated(), submitting(candidate)) for _ in range(20)]
    )
    assert len({answer["submission_id"] for answer in answers}) == 1
    async with world.office.snapshot(world.system) as work:
        count = await work.session.scalar(
            select(func.count()).select_from(Submission).where(Submission.session_id == candidate.session_id)
        )
        scores = await work.session.scalar(
            select(func.count())
            .select_from(ScoreVersion)
            .where(ScoreVersion.submission_id == answers[0]["submission_id"])
        )
    assert (count, scores) == (1, 1)
    assert [row.kind for row in await timeline(world, candidate.session_id)] == ["created", "started", "submitted"]


async def test_handing_in_and_expiry_end_a_session_once(world, sitting):
    late = world.office.shifted(timedelta(hours=2))
    outcomes = set()
    for turn in range(30):
        candidate = await sitting.candidate()
        acts = [
            world.office.perform(candidate.viewer.elevated(), submitting(candidate)),
            late.perform(world.system, expiring(candidate)),
            late.perform(candidate.viewer.elevated(), submitting(candidate)),
        ]
        answers = await asyncio.gather(*seeded(turn).sample(acts, k=3))
        ids = {answer["submission_id"] for answer in answers if isinstance(answer, dict)}
        assert len(ids) == 1
        session = await candidate.row()
        kinds = [row.kind for row in await timeline(world, candidate.session_id)]
        assert kinds == ["created", "started", session.state]
        outcomes.add(session.state)
    assert outcomes <= {SessionState.SUBMITTED, SessionState.EXPIRED}


async def test_an_acknowledged_answer_is_in_the_submission_and_none_comes_after(world, sitting):
    late = world.office.shifted(timedelta(hours=2))
    accepted = 0
    for turn in range(20):
        candidate = await sitting.candidate()
        dice = seeded(turn)
        saves = [saving(candidate, n, 1) for n in range(7)]
        ends = (
            late.perform(world.system, expiring(candidate))
            if turn % 2
            else world.office.perform(candidate.viewer.elevated(), submitting(candidate))
        )
        acts = [*saves, ends]
        order = dice.sample(range(8), k=8)
        gathered = await asyncio.gather(*[acts[i] for i in order], return_exceptions=True)
        results = dict(zip(order, gathered, strict=True))
        for n in range(7):
            assert not isinstance(results[n], BaseException) or isinstance(results[n], DeadlinePassed | StateDrift)
        good = {n for n in range(7) if not isinstance(results[n], BaseException)}
        accepted += len(good)
        with pytest.raises((DeadlinePassed, StateDrift)):
            await saving(candidate, 0, 99)
        async with world.office.snapshot(world.system) as work:
            submission = (
                await work.session.scalars(select(Submission).where(Submission.session_id == candidate.session_id))
            ).one()
        handed_in = {i for i, item in enumerate(submission.snapshot["items"]) if item["revision"] is not None}
        assert handed_in == good
        kinds = [row.kind for row in await timeline(world, candidate.session_id)]
        assert kinds == ["created", "started", *["answer_saved"] * len(good), kinds[-1]]
    assert accepted


async def test_nothing_is_accepted_after_the_close_while_the_sweeper_runs(world, sitting):
    candidates = await asyncio.gather(*[sitting.candidate(time_limit=timedelta(seconds=2), grace=0) for _ in range(20)])
    closed = 0
    codes = set()

    async def hammer(candidate) -> None:
        revision = 0
        while True:
            revision += 1
            try:
                await saving(candidate, revision % 7, revision)
            except Refusal as refusal:
                codes.add(refusal.code)
                return

    async def sweep() -> None:
        nonlocal closed
        while closed < len(candidates):
            closed += await sweeper.sweep(world.office)
            await asyncio.sleep(0.05)

    async with asyncio.timeout(60):
        await asyncio.gather(*map(hammer, candidates), sweep())
    assert codes == {"DEADLINE_PASSED"}
    assert closed == len(candidates)
    ids = [candidate.session_id for candidate in candidates]
    async with world.office.snapshot(world.system) as work:
        rows = await work.rows(
            select(DeliverySession, func.max(Answer.saved_at).label("last"))
            .join(Answer, Answer.session_id == DeliverySession.id)
            .where(DeliverySession.id.in_(ids))
            .group_by(DeliverySession.tenant_id, DeliverySession.id)
        )
    assert len(rows) == len(ids)
    for session, last in rows:
        assert session.state == SessionState.EXPIRED
        assert session.ended_at == session.deadline_at
        assert last < session.deadline_at


async def test_several_sweepers_close_each_session_once(world, sitting):
    candidates = [await sitting.candidate(time_limit=timedelta(minutes=1)) for _ in range(15)]
    late = world.office.shifted(timedelta(minutes=3))
    before = await late_count(world, late)
    assert before >= 15
    closed = await asyncio.gather(*[sweeper.sweep(late) for _ in range(4)])
    assert sum(closed) == before
    for candidate in candidates:
        kinds = [row.kind for row in await timeline(world, candidate.session_id)]
        assert kinds == ["created", "started", "expired"]
    assert await sweeper.sweep(late) == 0


async def late_count(world, office):
    async with office.snapshot(world.system) as work:
        return len(await overdue(work, 1000))
