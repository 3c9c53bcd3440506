"""The attention that is stored is the one that the row makes, the stream tells each change, and the clock is heeded."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from jobs import sessions as sweeper
from models.attention import AttentionLevel
from models.sessions import DeliverySession, EventKind, ReasonCategory, SessionEvent
from services import (
    attention,
    attention_rules,
    sessions,
    sessions_acknowledge,
    sessions_attention,
    sessions_expiry,
    sessions_pause,
)
from services.attention import RANK, Signal, Thresholds
from services.attention_rules import Wanted
from services.paging import PageRequest
from services.refusals import InvalidInput, StateDrift
from services.sessions import Filter, SessionOrder, SortedBy
from services.sessions_events import Reported, ReportedKind
from services.sessions_hold import hold_many
from services.sessions_pause import Why
from services.sessions_writes import SessionWrites
from tests.factories import sessions as factory
from tests.factories import tenants

K, L = ReportedKind, AttentionLevel
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
WHY = Why(ReasonCategory.TECHNICAL, "Test.")
LIVE = {"proctoring": "live"}


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


@pytest.fixture(scope="module")
async def strict(world):
    return await factory.sitting(world, security_config=LIVE)


def later(world, seconds: float):
    return world.office.shifted(timedelta(seconds=seconds))


def lost(times: int) -> list[Reported]:
    return [Reported(K.FOCUS_LOST, AT)] * times


async def told(world, candidate) -> list[SessionEvent]:
    kinds = [EventKind.ATTENTION_RAISED, EventKind.ATTENTION_CLEARED]
    statement = select(SessionEvent).where(SessionEvent.session_id == candidate.session_id)
    async with world.office.snapshot(world.system) as work:
        found = await work.session.scalars(statement.where(SessionEvent.kind.in_(kinds)).order_by(SessionEvent.seq))
        return list(found)


async def agree(world, candidate, office=None) -> DeliverySession:
    """Check that the row is what the signals make of it as of its last look, and what the events tell of it."""
    row = await candidate.row()
    events = await told(world, candidate)
    now = events[-1].at if events else row.started_at
    async with world.office.snapshot(world.system) as work:
        rules = await attention_rules.current(work)
    if office is not None:
        async with office.snapshot(world.system) as work:
            now = await work.now()
        assert row.attention_level == attention.highest(attention.holding(row, rules, now))
    levels = [(event.payload["level_before"], event.payload["level"]) for event in events]
    assert [before for before, _ in levels] == [L.NONE, *[after for _, after in levels]][: len(levels)]
    assert row.attention_level == (events[-1].payload["level"] if events else L.NONE)
    assert (row.attention_rules or []) == (events[-1].payload["rules"] if events else [])
    assert (row.attention_since is None) == (row.attention_level == L.NONE)
    return row


async def acknowledge(world, *candidates, office=None, note="Seen."):
    listed = [(str(one.session_id), one.session_id) for one in candidates]
    office = office or world.office
    return await office.perform(world.system, lambda work: sessions_acknowledge.acknowledge(work, listed, note))


async def test_a_level_comes_with_the_event_that_makes_it(world, sitting):
    candidate = await sitting.candidate()
    await candidate.report("a", lost(2))
    assert (await agree(world, candidate)).attention_level == L.NONE
    answer = await candidate.report("b", lost(1))
    row = await agree(world, candidate)
    (event,) = await told(world, candidate)
    assert (row.attention_level, row.attention_since) == (L.NOTICE, event.at)
    assert event.seq == answer["last_seq"] + 1
    assert event.payload["rules"] == [
        {"rule": "focus_losses", "level": "notice", "threshold": 3, "since": event.at.isoformat()}
    ]
    async with world.office.snapshot(world.system) as work:
        reported = await work.session.scalar(
            select(SessionEvent).where(SessionEvent.session_id == row.id, SessionEvent.seq == event.seq - 1)
        )
    assert (event.xid, event.actor_id) == (reported.xid, None), "in the same transaction"
    await candidate.report("c", lost(50))
    assert (await agree(world, candidate)).attention_level == L.URGENT


async def test_high_stakes_are_stricter_and_the_limit_of_the_assessment_counts(world, strict):
    candidate = await strict.candidate()
    assert not (await candidate.row()).is_high_stakes, "the factory freezes limits of its own"
    limited = await factory.sitting(world, security_config=LIVE | {"focus_loss_limit": 0})
    frozen = factory.frozen()
    frozen["security"]["value"] |= {"proctoring": "live", "focus_loss_limit": 0}
    original, factory.frozen = factory.frozen, lambda **_: frozen
    try:
        watched = await limited.candidate()
    finally:
        factory.frozen = original
    row = await watched.row()
    assert (row.is_high_stakes, row.focus_loss_limit) == (True, 0)
    await watched.report("a", lost(1))
    row = await agree(world, watched)
    assert [(one["rule"], one["level"]) for one in row.attention_rules] == [
        ("focus_losses", "notice"),
        ("focus_over_limit", "warning"),
    ]


async def test_time_raises_and_activity_clears(world, sitting):
    candidate = await sitting.candidate()
    await sweeper.sweep(world.office)
    due = (await candidate.row()).attention_check_at
    await candidate.save(0, 1, candidate.right(0), office=later(world, 20))
    assert (await candidate.row()).attention_check_at == due, "a write that makes nothing due earlier leaves the index"
    await sweeper.sweep(later(world, 190))
    row = await agree(world, candidate, later(world, 190))
    assert row.attention_level == L.NONE
    assert row.attention_check_at > due
    await sweeper.sweep(later(world, 205))
    row = await agree(world, candidate, later(world, 205))
    assert (row.attention_level, [one["rule"] for one in row.attention_rules]) == (L.NOTICE, ["idle"])
    await candidate.save(0, 2, candidate.right(0), office=later(world, 210))
    assert (await agree(world, candidate)).attention_level == L.NONE
    assert [event.kind for event in await told(world, candidate)] == [
        EventKind.ATTENTION_RAISED,
        EventKind.ATTENTION_CLEARED,
    ]


async def test_a_pause_clears_idleness_and_the_end_clears_all(world, sitting):
    quiet, busy, overdue = [await sitting.candidate(time_limit=timedelta(minutes=10)) for _ in range(3)]
    for one in (busy, overdue):
        await one.report("a", lost(12))
    office = later(world, 200)
    await sweeper.sweep(office)

    async def pause(work):
        await sessions_pause.pause(work, await hold_many(work, [quiet.session_id]), WHY)

    await office.perform(world.system, pause)
    assert (await agree(world, quiet)).attention_level == L.NONE
    await office.perform(busy.viewer.elevated(), lambda work: sessions_expiry.submit(work, busy.session_id))
    await sweeper.sweep(later(world, 700))
    for one in (busy, overdue):
        row = await agree(world, one)
        assert (row.attention_level, row.attention_rules, row.attention_check_at) == (L.NONE, None, None)
        assert row.ended_at is not None


async def test_an_acknowledgement_holds_until_it_is_worse(world, sitting):
    candidate, calm = await sitting.candidate(), await sitting.candidate()
    await candidate.report("a", [*lost(3), Reported(K.PASTE_DETECTED, AT)])
    answer = await acknowledge(world, candidate, calm, candidate)
    assert [None if row["problem"] is None else row["problem"]["code"] for row in answer["rows"]] == [
        None,
        StateDrift.code,
        InvalidInput.code,
    ]
    row = await agree(world, candidate)
    assert (row.attention_level, row.attention_acknowledged["note"]) == (L.NONE, "Seen.")
    cleared = (await told(world, candidate))[-1]
    assert (cleared.kind, cleared.reason, cleared.payload["acknowledged"]) == (
        EventKind.ATTENTION_CLEARED,
        "Seen.",
        True,
    )
    await candidate.save(0, 1, candidate.right(0))
    await candidate.report("b", [Reported(K.PASTE_DETECTED, AT)])
    assert (await agree(world, candidate)).attention_level == L.NONE
    await candidate.report("c", lost(1))
    assert (await agree(world, candidate)).attention_level == L.NOTICE
    async with world.office.snapshot(world.system) as work:
        ledger = await work.session.execute(
            text("select reason from activity where act = 'session.attention_acknowledged' and subject_id = :id"),
            {"id": candidate.session_id},
        )
        assert ledger.scalars().all() == ["Seen."]


async def test_two_proctors_acknowledge_and_one_is_told_that_it_was_done(world, sitting):
    candidates = [await sitting.candidate() for _ in range(6)]
    for one in candidates:
        await one.report("a", lost(3))
    answers = await asyncio.gather(*[acknowledge(world, *candidates) for _ in range(4)])
    for n, one in enumerate(candidates):
        problems = [answer["rows"][n]["problem"] for answer in answers]
        assert sorted(problem is None for problem in problems) == [False, False, False, True]
        assert len(await told(world, one)) == 2


async def test_new_rules_reach_sessions_that_run_and_old_ones_decide_nothing(office):
    world = await tenants.found(office)
    sitting = await factory.sitting(world)
    candidate, other = await sitting.candidate(), await sitting.candidate()
    stale = SessionWrites(world.office)
    await stale.report(candidate.viewer, "a", [Reported(K.PASTE_DETECTED, AT)])
    wanted = Wanted(
        standard=[(Signal.PASTES, Thresholds(1, 2, 3))],
        high_stakes=[(Signal.PASTES, Thresholds(1, 1, 1))],
        disconnected_after_seconds=60,
    )
    await world.office.perform(world.system, lambda work: attention_rules.update(work, wanted, "Strict.", 0))
    with pytest.raises(StateDrift):
        await world.office.perform(world.system, lambda work: attention_rules.update(work, wanted, "Twice.", 0))
    await sweeper.sweep(world.office)
    row = await agree(world, candidate, world.office)
    assert (row.attention_level, row.attention_version) == (L.NOTICE, 1)
    assert (await other.row()).attention_version == 1
    await stale.report(candidate.viewer, "b", [Reported(K.PASTE_DETECTED, AT)] * 2)
    await sweeper.sweep(later(world, 1))
    row = await agree(world, candidate, world.office)
    assert (row.attention_level, row.attention_version) == (L.URGENT, 1)


async def test_rules_that_are_laxer_with_high_stakes_are_refused_and_nothing_is_kept(office):
    world = await tenants.found(office)
    wanted = Wanted(standard=[(Signal.PASTES, Thresholds(1))], high_stakes=[(Signal.PASTES, Thresholds(2))])
    with pytest.raises(InvalidInput):
        await world.office.perform(world.system, lambda work: attention_rules.update(work, wanted, "Lax.", None))
    async with world.office.snapshot(world.system) as work:
        assert await attention_rules.row(work) is None


async def test_lists_find_and_sort_by_attention_and_an_index_serves_them(office):
    world = await tenants.found(office)
    sitting = await factory.sitting(world)
    candidates = [await sitting.candidate() for _ in range(4)]
    for one, times in zip(candidates, (3, 12, 0, 6), strict=True):
        if times:
            await one.report("a", lost(times))
    order = [SortedBy(SessionOrder.ATTENTION_LEVEL, descending=True)]
    async with world.office.snapshot(world.system) as work:
        page = await sessions.listed(work, Filter(), order, PageRequest(first=2))
        rest = await sessions.listed(work, Filter(), order, PageRequest(first=2, after=page.cursors[-1]))
        found = await sessions.listed(work, Filter(attention=[L.URGENT, L.WARNING]), order, PageRequest())
        calm = await sessions.listed(work, Filter(attention=[L.NONE]), [], PageRequest())
        none = await sessions.listed(work, Filter(attention=[]), [], PageRequest())
        await work.session.execute(text("set local enable_seqscan = off"))
        wanted = select(DeliverySession.id).where(sessions_attention.needing([L.NOTICE, L.URGENT]))
        plan = await work.session.execute(text(f"explain {_sql(wanted)}"))
        due = await work.session.execute(text(f"explain {_sql(_due())}"))
    in_order = [candidates[n].session_id for n in (1, 3, 0, 2)]
    assert [row.id for row in [*page.rows, *rest.rows]] == in_order
    assert [row.id for row in found.rows] == in_order[:2]
    assert ([row.id for row in calm.rows], none.rows) == ([in_order[3]], [])
    assert "ix_delivery_sessions_attention" in "".join(plan.scalars())
    assert "ix_delivery_sessions_check" in "".join(due.scalars())


def _due():
    found = select(DeliverySession.id).where(sessions_attention.due(text("evalium_now()")))
    return found.order_by(DeliverySession.attention_check_at).limit(100)


def _sql(statement) -> str:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - for this alone

    return str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))


async def test_sweepers_beside_writes_keep_rows_and_events_as_one(world, sitting):
    candidates = [await sitting.candidate() for _ in range(10)]
    office = later(world, 185)

    async def sit(one):
        for n in range(4):
            await one.report(f"{n}", lost(2), office=office)
            await one.save(0, n + 1, one.right(0), office=office)

    sweeps = [sweeper.sweep(office) for _ in range(6)]
    proctors = [acknowledge(world, *candidates) for _ in range(2)]
    await asyncio.gather(*[sit(one) for one in candidates], *sweeps, *proctors)
    await sweeper.sweep(later(world, 190))
    for one in candidates:
        await agree(world, one, later(world, 190))


STEPS = st.lists(
    st.tuples(
        st.integers(0, 120),
        st.sampled_from(["focus", "paste", "tab", "save", "beat", "cut", "back", "sweep", "seen", "pause", "resume"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
async def test_after_any_sequence_the_stored_level_is_the_one_that_the_row_makes(world, sitting, steps):
    candidate, at = await sitting.candidate(time_limit=None), 0
    kinds = {
        "focus": K.FOCUS_LOST,
        "paste": K.PASTE_DETECTED,
        "tab": K.TAB_SWITCH,
        "cut": K.DISCONNECTED,
        "back": K.RECONNECTED,
    }
    for n, (wait, what) in enumerate(steps):
        at += wait
        office = later(world, at)
        await sweeper.sweep(office)
        paused = (await candidate.row()).paused_at is not None
        if what in kinds and not paused:
            await candidate.report(str(n), [Reported(kinds[what], AT)] * 2, office=office)
        elif what == "save" and not paused:
            await candidate.save(0, n + 1, candidate.right(0), office=office)
        elif what == "beat":
            await SessionWrites(office).beat(candidate.viewer)
        elif what == "seen":
            await acknowledge(world, candidate, office=office)
        elif what in {"pause", "resume"}:
            act = sessions_pause.pause if what == "pause" else sessions_pause.resume

            async def turn(work, act=act):
                await act(work, await hold_many(work, [candidate.session_id]), WHY)

            await office.perform(world.system, turn)
        await agree(world, candidate, office)
    row = await candidate.row()
    assert RANK[AttentionLevel(row.attention_level)] >= 0
