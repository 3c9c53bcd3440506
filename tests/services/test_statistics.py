"""Statistics: formulas by hand and by property, the database's sums by hand, and 10,000 papers against numpy."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from time import monotonic
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from models.base import uuid7
from models.corrections import CorrectionKind
from models.reviews import MarkRole, ReviewMark, ReviewState, ReviewTask
from models.submissions import ScoreCause
from services import corrections, scores, statistics, statistics_read, submissions
from services.cohorts import Attempts
from services.corrections_draft import Given
from services.scores import Mark, Why
from services.sessions_expiry import submit
from services.statistics import Absence, Deviations, Figure, Marks
from services.statistics_read import Wanted
from tests.factories import sessions as factory

TABLE = [(1, 1, 1), (1, 1, 0), (1, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 0)]
"""Six people, three items, right or wrong. By hand:

facility 4/6, 3/6, 2/6; sums 3, 2, 2, 1, 1, 0 with mean 1.5 and squares of deviations 5.5; of the items 4/3, 3/2, 4/3;
alpha = 3/2 * (1 - (25/6) / 5.5) = 4/11. First item against the rest 2, 1, 1, 0, 1, 0: products 4 - 6 * 4/6 * 5/6 = 2/3,
squares 4/3 and 7 - 25/6 = 17/6, so r = (2/3) / sqrt(4/3 * 17/6) = sqrt(2/17).
"""


def test_the_table_by_hand():
    sums = [sum(row) for row in TABLE]
    whole = statistics.deviations([(one, one) for one in sums])
    assert whole == Deviations(6, 5.5, 5.5, 5.5)
    squares = [statistics.deviations([(row[n], row[n]) for row in TABLE]).xx for n in range(3)]
    assert squares == pytest.approx([4 / 3, 3 / 2, 4 / 3])
    alpha = statistics.alpha(squares, whole.xx, 6)
    assert alpha.value == pytest.approx(4 / 11)
    first = statistics.deviations([(row[0], total - row[0]) for row, total in zip(TABLE, sums, strict=True)])
    assert statistics.correlation(first).value == pytest.approx(math.sqrt(2 / 17))
    deviation = statistics.standard_deviation(6, whole.xx)
    assert deviation == pytest.approx(math.sqrt(1.1))
    assert statistics.standard_error(deviation, alpha).value == pytest.approx(math.sqrt(1.1 * 7 / 11))


@pytest.mark.parametrize(
    ("found", "absence"),
    [
        (statistics.correlation(Deviations(1, 0, 0, 0)), Absence.TOO_FEW),
        (statistics.correlation(Deviations(9, 0, 2, 0)), Absence.NO_VARIANCE),
        (statistics.correlation(Deviations(9, 2, 0, 0)), Absence.NO_VARIANCE),
        (statistics.alpha([1.0], 1.0, 9), Absence.ONE_ITEM),
        (statistics.alpha([0.0, 0.0], 0.0, 9), Absence.NO_VARIANCE),
        (statistics.alpha([1.0, 1.0], 2.0, 1), Absence.TOO_FEW),
        (statistics.standard_error(1.0, Figure(absence=Absence.ONE_ITEM)), Absence.ONE_ITEM),
        (statistics.difference(None, 0.5), Absence.TOO_FEW),
    ],
)
def test_what_is_not_defined_says_why(found, absence):
    assert found == Figure(absence=absence)


def test_groups_are_27_percent_and_at_least_one():
    assert [statistics.tail(n) for n in (0, 1, 2, 5, 6, 10, 50, 100, 1000)] == [0, 1, 1, 1, 2, 3, 14, 27, 270]


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [
        (0.33335, 4, "0.3334"),
        (-0.33335, 4, "-0.3334"),
        (-0.00001, 4, "0.0000"),
        (62.5, 2, "62.50"),
        (2e-9, 4, "0.0000"),
    ],
)
def test_figures_are_rounded_half_away_from_nothing(value, places, shown):
    assert str(statistics.rounded(value, places)) == shown


ANN, BOB, CID = UUID(int=1), UUID(int=2), UUID(int=3)
ESSAY, OTHER = UUID(int=8), UUID(int=9)


def marks(marker, question, *shares):
    return Marks(marker, question, len(shares), math.fsum(shares), math.fsum(one**2 for one in shares))


def test_markers_by_hand():
    """Ann gave 0.5 five times where Bob gave 0.7 five times, and 0.2 once where nobody else marked."""
    found = statistics.markers(
        [marks(ANN, ESSAY, *[0.5] * 5), marks(BOB, ESSAY, *[0.7] * 5), marks(ANN, OTHER, 0.2), marks(CID, ESSAY, 0.6)]
    )
    assert [(one.marker_id, one.marks) for one in found] == [(ANN, 6), (BOB, 5), (CID, 1)]
    ann, bob, cid = found
    assert ann.severity.value == pytest.approx(0.5 - (0.7 * 5 + 0.6) / 6)
    assert bob.severity.value == pytest.approx(0.7 - (0.5 * 5 + 0.6) / 6)
    assert ann.spread.value == pytest.approx(math.sqrt(5 * (0.5 - 0.45) ** 2 / 5 + (0.2 - 0.45) ** 2 / 5))
    assert bob.spread.value == pytest.approx(0, abs=1e-8)
    assert (cid.severity, cid.spread) == (Figure(absence=Absence.TOO_FEW),) * 2
    (alone,) = statistics.markers([marks(ANN, ESSAY, *[0.5] * 5)])
    assert alone.severity == Figure(absence=Absence.NO_OTHER_MARKER)


SHARES = st.integers(0, 8).map(lambda n: n / 8)
PAPERS = st.integers(2, 6).flatmap(lambda k: st.lists(st.tuples(*[SHARES] * k), min_size=2, max_size=30))


@given(PAPERS)
def test_formulas_keep_their_bounds_and_what_they_are_of(papers):
    columns = list(zip(*papers, strict=True))
    sums = [math.fsum(row) for row in papers]
    whole = statistics.deviations([(one, one) for one in sums]).xx
    squares = [statistics.deviations([(one, one) for one in column]).xx for column in columns]
    found = statistics.alpha(squares, whole, len(papers))
    if whole > 1e-9:
        assert found.value is not None
        assert found.value <= 1 + 1e-9
        scaled = statistics.alpha([9 * one for one in squares], 9 * whole, len(papers))
        assert scaled.value == pytest.approx(found.value)
    for column in columns:
        pairs = [(one, total - one) for one, total in zip(column, sums, strict=True)]
        forth, back = [statistics.correlation(statistics.deviations(some)) for some in (pairs, pairs[::-1])]
        assert (forth.value is None) == (back.value is None)
        if forth.value is not None and back.value is not None:
            assert -1 <= forth.value <= 1
            assert forth.value == pytest.approx(back.value, abs=1e-6)
        assert forth.value is not None or forth.absence is Absence.NO_VARIANCE


@given(
    st.lists(
        st.tuples(st.sampled_from([ANN, BOB, CID]), st.sampled_from([ESSAY, OTHER]), st.lists(SHARES, min_size=1)),
        max_size=8,
        unique_by=lambda one: one[:2],
    )
)
def test_severity_is_a_difference_of_shares(given_):
    for one in statistics.markers([marks(marker, question, *shares) for marker, question, shares in given_]):
        assert one.severity.value is None or -1 <= one.severity.value <= 1
        assert one.spread.value is None or 0 <= one.spread.value <= 1


async def sat(sitting, rows):
    """Let somebody hand in for each row: which of the first items are right; the others are wrong."""
    sessions = []
    for row in rows:
        candidate = await sitting.candidate()
        for n in range(len(candidate.items)):
            right = n < len(row) and row[n]
            await candidate.save(n, 1, candidate.right(n) if right else candidate.wrong(n))
        viewer = candidate.viewer.elevated()
        await sitting.world.office.perform(viewer, lambda work, one=candidate: submit(work, one.session_id))
        sessions.append(candidate)
    return sessions


async def read(sitting, **wanted):
    async with sitting.world.office.snapshot(sitting.world.system) as work:
        found = await statistics_read.read(work, Wanted(sitting.version.id, **wanted))
        assert found is not None
        return found


async def test_the_same_table_by_the_database_as_reported_and_as_remediated(world):
    sitting = await factory.sitting(world)
    candidates = await sat(sitting, TABLE)
    found = await read(sitting, run_label="Test_Run")
    assert (found.papers, found.pending) == (6, 0)
    assert found.scores is not None
    assert found.scores.mean == pytest.approx(100 * 3 / 14, abs=0.01)
    assert (found.scores.minimum, found.scores.maximum, list(found.scores.bins)) == (
        Decimal(0),
        Decimal("42.86"),
        [1, 2, 2, 0, 1, 0, 0, 0, 0, 0],
    )
    assert [one.facility.value for one in found.items] == pytest.approx([4 / 6, 3 / 6, 2 / 6, 0, 0, 0, 0])
    assert found.items[0].discrimination.value == pytest.approx(math.sqrt(2 / 17))
    assert found.items[3].discrimination == Figure(absence=Absence.NO_VARIANCE)
    assert found.items[0].upper_lower.value == pytest.approx(2 / 2 - 1 / 2)
    assert found.alpha.value == pytest.approx(7 / 6 * (1 - 25 / 33))
    choices = [(one.option, one.n, one.upper, one.lower) for one in found.items[0].choices]
    assert choices == [("a", 0, 0, 0), ("b", 4, 2, 1), ("c", 2, 0, 1), ("d", 0, 0, 0)]
    assert found.items[4].choices is None

    question = UUID(candidates[0].items[0]["question_version_id"])
    lines = [Given(question, CorrectionKind.VOID, {"credit": "exclude"})]
    await world.office.perform(
        world.system, lambda work: corrections.apply(work, sitting.version.id, lines, "Not taught.")
    )
    before = await read(sitting, is_remediated=False)
    assert (before.scores, before.items, before.alpha) == (found.scores, found.items, found.alpha)
    after = await read(sitting)
    assert (after.items[0].is_voided, after.items[0].facility) == (True, Figure(absence=Absence.VOIDED))
    squares = statistics.deviations([(sum(row[1:]),) * 2 for row in TABLE]).xx
    assert after.alpha.value == pytest.approx(6 / 5 * (1 - (3 / 2 + 4 / 3) / squares))
    assert after.scores is not None
    assert after.scores.mean == pytest.approx(100 * 5 / 6 / 6, abs=0.01)


async def test_of_few_papers_only_the_number_is_told(world):
    sitting = await factory.sitting(world)
    await sat(sitting, TABLE[:4])
    found = await read(sitting)
    few = Figure(absence=Absence.TOO_FEW)
    assert (found.papers, found.scores, found.alpha, found.standard_error) == (4, None, few, few)
    for one in found.items:
        assert (one.asked, one.facility, one.discrimination, one.upper_lower, one.choices) == (4, few, few, few, None)


async def test_another_org_unit_sees_no_statistics_and_an_unknown_label_nobody(world):
    sitting = await factory.sitting(world)
    await sat(sitting, TABLE[:1])
    stranger = type(world.system).system(world.tenant_id, uuid7())
    async with world.office.snapshot(stranger) as work:
        assert await statistics_read.read(work, Wanted(sitting.version.id)) is None
    assert (await read(sitting, run_label="Nobody")).papers == 0


async def test_the_first_attempt_counts_or_the_best_or_all(world):
    sitting = await factory.sitting(world)
    (first,) = await sat(sitting, [(1,)])
    again = await sitting.candidate(user_id=first.user_id, attempt=2)
    for n in range(7):
        await again.save(n, 1, again.right(n))
    await world.office.perform(again.viewer.elevated(), lambda work: submit(work, again.session_id))
    shown = {one: (await read(sitting, attempts=one)) for one in Attempts}
    assert {one: found.papers for one, found in shown.items()} == {
        Attempts.FIRST: 1,
        Attempts.BEST: 1,
        Attempts.ALL: 2,
    }
    await sat(sitting, TABLE[:5])
    shown = {one: (await read(sitting, attempts=one)) for one in Attempts}
    facility = {one: found.items[0].facility.value for one, found in shown.items()}
    assert facility == pytest.approx({Attempts.FIRST: 5 / 6, Attempts.BEST: 5 / 6, Attempts.ALL: 6 / 7})
    assert {one: found.scores.maximum for one, found in shown.items()} == {
        Attempts.FIRST: Decimal("42.86"),
        Attempts.BEST: Decimal(100),
        Attempts.ALL: Decimal(100),
    }


async def test_markers_are_compared_on_what_they_marked(world):
    sitting = await factory.sitting(world, essay=True)
    ann, bob = [(await world.staff("assessor")).user_id for _ in range(2)]
    candidates = await sat(sitting, [(0,) * 7 + (1,)] * 11)
    for n, candidate in enumerate(candidates[:10]):
        await mark(sitting, candidate, ann if n % 2 else bob, Decimal(1) if n % 2 else Decimal("1.5"))
    found = await read(sitting)
    assert (found.papers, found.pending) == (10, 1)
    assert {one.marker_id: (one.marks, one.severity.value, one.spread.value) for one in found.markers} == {
        ann: (5, pytest.approx(-0.25), pytest.approx(0)),
        bob: (5, pytest.approx(0.25), pytest.approx(0)),
    }


async def mark(sitting, candidate, marker: UUID, points: Decimal) -> None:
    async def act(work):
        submission = await submissions.of_session(work, candidate.session_id)
        held = await scores.hold(work, submission.id)
        item = (await submissions.items_of(work, [held.id]))[held.id][-1]
        task = (await work.session.scalars(select(ReviewTask).where(ReviewTask.submission_id == held.id))).one()
        given = Mark(item.id, points, item.max_points, {}, "Read.", marker)
        work.session.add(
            ReviewMark(
                task_id=task.id,
                submission_item_id=item.id,
                role=MarkRole.FIRST,
                marker_id=marker,
                points=points,
                max_points=item.max_points,
                comment="",
                rationale="Read.",
                fence=1,
            )
        )
        task.state, task.finalised_at, task.pending_count = ReviewState.FINALISED, await work.now(), 0
        await scores.mark(work, held, [given], Why(ScoreCause.GRADED, "Read."))

    await sitting.world.office.perform(sitting.world.system, act)


PEOPLE = 10_000


async def test_ten_thousand_papers_against_numpy(world, database, record_property):
    """Each of fourteen items earns 0, 1 or 2 points, the abler people more; numpy works the same figures out."""
    sitting = await factory.sitting(world, repeat=2)
    (one,) = await sat(sitting, [()])
    chance = np.random.default_rng(20261126)
    ability, ease = chance.normal(size=(PEOPLE, 1)), chance.normal(size=(1, 14))
    points = np.clip(np.rint(1 + ability / 2 + ease / 2 + chance.normal(size=(PEOPLE, 14))), 0, 2)
    choices = chance.integers(0, 4, size=PEOPLE)
    async with filled(database, world.tenant_id, one.session_id, points, choices):
        began = monotonic()
        found = await read(sitting)
        seconds = monotonic() - began
        record_property("seconds", seconds)
    print(f"\n{PEOPLE} papers of 14 items: {seconds:.2f} s")  # noqa: T201 - for the closing note
    total = points.sum(axis=1)
    percent = np.round(100 * total / 28 + 1e-9, 2)
    assert found.papers == PEOPLE
    assert found.scores is not None
    assert found.scores.mean == pytest.approx(percent.mean())
    assert found.scores.deviation == pytest.approx(percent.std(ddof=1))
    assert found.scores.median == pytest.approx(np.median(percent))
    edges = np.arange(0, 101, 10)
    assert list(found.scores.bins) == list(np.histogram(percent, bins=edges)[0])
    variances = points.var(axis=0, ddof=1)
    alpha = 14 / 13 * (1 - variances.sum() / total.var(ddof=1))
    assert found.alpha.value == pytest.approx(alpha)
    assert found.standard_error.value == pytest.approx(percent.std(ddof=1) * math.sqrt(1 - alpha))
    assert [each.facility.value for each in found.items] == pytest.approx(list(points.mean(axis=0) / 2))
    expected = [np.corrcoef(points[:, n], total - points[:, n])[0, 1] for n in range(14)]
    assert [each.discrimination.value for each in found.items] == pytest.approx(expected)
    order, tail = np.argsort(percent, kind="stable"), statistics.tail(PEOPLE)
    lower, upper = order[:tail], order[-tail:]
    assert [each.upper_lower.value for each in found.items] == pytest.approx(
        list((points[upper].mean(axis=0) - points[lower].mean(axis=0)) / 2)
    )
    first = found.items[0].choices
    assert first is not None
    assert [each.n for each in first] == list(np.bincount(choices, minlength=4))
    assert [each.upper for each in first] == list(np.bincount(choices[upper], minlength=4))


def ident(kind: str) -> str:
    """SQL for the id of a kind and a number; ids of a kind are in the order of the numbers."""
    return f"('{kind}000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"


SUBMISSION, SESSION = ident("50"), ident("d0")
SCORES = f"""
insert into submission_score_versions (tenant_id, org_unit_id, id, submission_id, number, points, max_points, percent,
 outcome, items, reason)
select t.tenant_id, t.org_unit_id, {ident("70")}, {SUBMISSION}, 1, m.points, 28, round(100.0 * m.points / 28, 2), 'passed',
 m.items, 'made'
from submissions t cross join (
 select n, sum(points) as points, jsonb_agg(jsonb_build_object('position', position, 'state', 'scored',
  'points', points::text, 'max_points', '2.0000', 'correct', points = 2, 'detail', '{{}}'::jsonb)) as items
 from made group by n) m
where t.session_id = $1"""
ITEMS = f"""
insert into submission_items (tenant_id, org_unit_id, id, submission_id, item_id, question_version_id, position, response,
 max_points)
select i.tenant_id, i.org_unit_id, gen_random_uuid(), {SUBMISSION}, i.item_id, i.question_version_id, i.position,
 case when m.choice is not null then jsonb_build_object('choice', m.choice) end, 2
from submission_items i join submissions t on t.id = i.submission_id join made m on m.position = i.position
where t.session_id = $1"""
TABLES = ("submission_items", "submission_score_versions", "submissions", "delivery_sessions")


@asynccontextmanager
async def filled(database, tenant_id: UUID, session_id: UUID, points, choices) -> AsyncIterator[None]:
    """Have a session's paper handed in once for each row of points; past all keys, and only for the block."""
    connection = await asyncpg.connect(database.admin_dsn)
    records = [
        (n, position, int(each), "abcd"[choices[n]] if position == 1 else None)
        for n, row in enumerate(points)
        for position, each in enumerate(row, 1)
    ]
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute("create temp table made (n int, position int, points int, choice text)")
        await connection.copy_records_to_table("made", records=records)
        many = f"cross join generate_series(0, {len(points) - 1}) n"
        other = {"user_id": ident("a0"), "invitation_id": ident("b0")}
        await copied(connection, "delivery_sessions", f"{many} where t.id = $1", session_id, id=SESSION, **other)
        of_it = f"{many} where t.session_id = $1"
        keys = {"id": SUBMISSION, "session_id": SESSION, "user_id": ident("a0")}
        await copied(connection, "submissions", of_it, session_id, **keys)
        await connection.execute(SCORES, session_id)
        await connection.execute(ITEMS, session_id)
        await connection.execute("update submissions set latest_score_version = 0 where session_id = $1", session_id)
        await connection.execute(f"analyze {', '.join(TABLES)}")
        yield
    finally:
        for table in TABLES:
            await connection.execute(f"delete from {table} where tenant_id = $1", tenant_id)
        await connection.close()


async def copied(connection, table: str, from_: str, key: UUID, **overrides: str) -> None:
    """Insert the row of a table as often as `from_` says, with some columns as SQL says."""
    columns = await connection.fetch(
        "select column_name as name from information_schema.columns where table_schema = 'public'"
        " and table_name = $1 and is_generated = 'NEVER'",
        table,
    )
    names = [row["name"] for row in columns]
    values = ", ".join(overrides.get(name, f"t.{name}") for name in names)
    await connection.execute(f"insert into {table} ({', '.join(names)}) select {values} from {table} t {from_}", key)
