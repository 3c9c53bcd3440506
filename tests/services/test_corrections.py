"""Corrections: what is refused, what changes, what is undone, and who hands in or marks at the same moment."""

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select

from models.activity import Activity
from models.base import uuid7
from models.corrections import CorrectionBatch, CorrectionKind
from models.reviews import ReviewEvent, ReviewTask
from models.submissions import Outcome, ScoreCause, ScoreVersion
from services import (
    activity_related,
    corrections,
    corrections_draft,
    corrections_read,
    corrections_walk,
    scores,
    submissions,
)
from services.content_kinds import QuestionKind
from services.corrections_draft import Given
from services.paging import PageRequest
from services.refusals import (
    AlreadyUndone,
    BadUserInput,
    CorrectionsContradict,
    CorrectionWithoutEffect,
    InvalidInput,
    NotFound,
    StateDrift,
)
from services.scores import Mark, Why
from services.sessions_expiry import submit
from services.viewer import Viewer
from tests.factories import sessions as factory

K = CorrectionKind
WHY = "The key was wrong."


class Class:
    """A sitting, its questions by kind, and what those who sat it handed in."""

    def __init__(self, sitting) -> None:
        self.sitting = sitting
        self.office, self.system = sitting.world.office, sitting.world.system
        self.version_id = sitting.version.id
        self.questions: dict[str, UUID] = {}

    async def hand_in(self, *right: int) -> UUID:
        """Somebody answers these places right and all others wrong."""
        candidate = await self.sit(*right)
        await self.submit(candidate)
        return candidate.session_id

    async def sit(self, *right: int):
        candidate = await self.sitting.candidate()
        self.questions |= {item["kind"]: UUID(item["question_version_id"]) for item in candidate.items}
        for n in range(len(candidate.items)):
            await candidate.save(n, 1, candidate.right(n) if n in right else candidate.wrong(n))
        return candidate

    async def submit(self, candidate) -> None:
        await self.office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))

    async def scores(self, session_id: UUID) -> list[ScoreVersion]:
        async with self.office.snapshot(self.system) as work:
            submission = await submissions.of_session(work, session_id)
            return (await submissions.scores_of(work, [submission.id]))[submission.id]

    async def points(self, session_id: UUID) -> list[tuple[int, int]]:
        return [(int(one.points), int(one.max_points)) for one in await self.scores(session_id)]

    def line(self, kind: str, what: K, **value) -> Given:
        return Given(self.questions[kind], what, value)

    async def apply(self, *lines: Given, fingerprint: str | None = None) -> UUID:
        done = await self.office.perform(
            self.system, lambda work: corrections.apply(work, self.version_id, list(lines), WHY, fingerprint)
        )
        return UUID(done["batch"])

    async def undo(self, batch_id: UUID) -> UUID:
        done = await self.office.perform(self.system, lambda work: corrections.undo(work, batch_id, "A mistake."))
        return UUID(done["batch"])

    async def batch(self, batch_id: UUID) -> CorrectionBatch:
        async with self.office.snapshot(self.system) as work:
            return (await corrections_read.by_ids(work, [batch_id]))[batch_id]

    async def tally(self, *lines: Given):
        async with self.office.snapshot(self.system) as work:
            draft = await corrections_draft.read(work, self.version_id, lines)
            return await corrections_walk.tallied(work, draft)

    async def page(self, wanted: PageRequest, *lines: Given):
        async def total(work):
            return (await corrections_walk.tallied(work, draft)).changed_count

        async with self.office.snapshot(self.system) as work:
            draft = await corrections_draft.read(work, self.version_id, lines)
            return await corrections_walk.page(work, draft, wanted, total)

    async def refused(self, refusal, *lines: Given):
        with pytest.raises(refusal) as caught:
            await self.apply(*lines)
        return caught.value


@pytest.fixture(scope="module")
async def read_only(world) -> Class:
    """A class whose scores no test changes."""
    made = Class(await factory.sitting(world, essay=True))
    await made.hand_in(0, 1, 2, 3, 4, 5, 6)
    return made


async def made(world, **options) -> Class:
    return Class(await factory.sitting(world, **options))


CHOOSE_C = {"key": {"correct": "c"}}


async def test_a_preview_tells_exactly_what_applying_does(world):
    class_ = await made(world, threshold="80")
    passing, failing = await class_.hand_in(0, 1, 2, 3, 4, 5), await class_.hand_in(1, 2, 3, 4, 5)
    others = [await class_.hand_in() for _ in range(3)]
    line = class_.line("single_choice", K.KEY, **CHOOSE_C)
    tally = await class_.tally(line)
    assert tally.counts() == {
        "affected_count": 5,
        "changed_count": 5,
        "raised_count": 4,
        "lowered_count": 1,
        "passed_count": 1,
        "failed_count": 1,
    }
    first = await class_.page(PageRequest(first=2), line)
    rest = await class_.page(PageRequest(first=5, after=first.cursors[-1]), line)
    assert (first.has_next, rest.has_next, len(first.rows), len(rest.rows)) == (True, False, 2, 3)
    assert len({one.submission.id for one in [*first.rows, *rest.rows]}) == 5
    assert [len(await class_.scores(one)) for one in (passing, failing, *others)] == [1] * 5
    batch = await class_.batch(await class_.apply(line, fingerprint=tally.fingerprint))
    assert {name: getattr(batch, name) for name in tally.counts()} == tally.counts()
    assert await class_.points(passing) == [(12, 14), (10, 14)]
    assert await class_.points(failing) == [(10, 14), (12, 14)]
    newest = (await class_.scores(failing))[-1]
    assert (newest.cause, newest.source_id, newest.reason) == (ScoreCause.CORRECTED, batch.id, WHY)


async def test_who_is_judged_as_before_gets_no_further_score(world):
    class_ = await made(world)
    one = await class_.hand_in(4)
    batch = await class_.batch(await class_.apply(class_.line("single_choice", K.ACCEPT, response={"choice": "d"})))
    assert (batch.affected_count, batch.changed_count) == (1, 0)
    assert await class_.points(one) == [(2, 14)]


async def test_a_fingerprint_that_is_not_that_of_now_changes_nothing(world):
    class_ = await made(world)
    one = await class_.hand_in(0)
    line = class_.line("single_choice", K.VOID, credit="exclude")
    seen = (await class_.tally(line)).fingerprint
    assert seen == (await class_.tally(line)).fingerprint
    assert seen != (await class_.tally(class_.line("single_choice", K.VOID, credit="full"))).fingerprint
    await class_.hand_in(1)
    with pytest.raises(StateDrift) as drift:
        await class_.apply(line, fingerprint=seen)
    assert drift.value.current_state == (await class_.tally(line)).fingerprint
    assert await class_.points(one) == [(2, 14)]


async def test_undoing_restores_every_score_by_further_rows_and_undoing_that_brings_it_back(world):
    class_ = await made(world)
    people = [await class_.hand_in(*right) for right in [(0, 1), (1,), ()]]
    before = [await class_.points(one) for one in people]
    kept = [(await class_.scores(one))[0].items for one in people]
    first = await class_.apply(
        class_.line("single_choice", K.VOID, credit="full"), class_.line("numeric", K.POINTS, points="7")
    )
    other = await class_.apply(class_.line("true_false", K.VOID, credit="exclude"))
    await class_.undo(other)
    undoing = await class_.undo(first)
    for person, (was,), items in zip(people, before, kept, strict=True):
        found = await class_.scores(person)
        assert [one.number for one in found] == [1, 2, 3, 4, 5]
        assert ((await class_.points(person))[-1], found[-1].items) == (was, items)
    with pytest.raises(AlreadyUndone):
        await class_.undo(first)
    await class_.undo(undoing)
    assert [(await class_.points(one))[-1] for one in people] == [(4, 19), (4, 19), (2, 19)]
    async with class_.office.snapshot(class_.system) as work:
        living = (await corrections_read.in_force(work, [class_.version_id]))[class_.version_id]
        page = (await corrections_read.scores_of(work, [first], PageRequest(first=2)))[first]
        counts = await corrections_read.score_counts(work, [first])
    assert first in living
    assert undoing not in living
    assert (len(page.rows), page.has_next, counts[first]) == (2, True, 3)
    assert [(one.before.number, one.after.number) for one in page.rows] == [(1, 2)] * 2


async def test_many_are_walked_past_in_parts_and_all_or_none_are_changed(world, monkeypatch):
    """The small form of `make chaos ARGS=corrections`: two at once of seven, and a failure in the last part."""
    monkeypatch.setattr(scores, "AT_ONCE", 2)
    class_ = await made(world)
    people = [await class_.hand_in(*range(n)) for n in range(7)]
    before = [(await class_.scores(one))[0] for one in people]
    lines = [class_.line("single_choice", K.VOID, credit="exclude"), class_.line("numeric", K.POINTS, points="3")]
    written: list[int] = []
    write = scores.write

    async def failing(work, changes, why):
        written.append(len(changes))
        if len(written) == 4:
            raise RuntimeError("the last part fails")
        await write(work, changes, why)

    with monkeypatch.context() as failed:
        failed.setattr(scores, "write", failing)
        with pytest.raises(RuntimeError):
            await class_.apply(*lines)
    assert written == [2, 2, 2, 1]
    assert [len(await class_.scores(one)) for one in people] == [1] * 7
    tally = await class_.tally(*lines)
    pages: list[UUID] = []
    cursor = None
    while True:
        page = await class_.page(PageRequest(first=3, after=cursor), *lines)
        pages += [one.submission.id for one in page.rows]
        if not page.has_next:
            break
        cursor = page.cursors[-1]
    assert pages == sorted({one.submission_id for one in before})
    batch_id = await class_.apply(*lines, fingerprint=tally.fingerprint)
    assert [len(await class_.scores(one)) for one in people] == [2] * 7
    await class_.undo(batch_id)
    after = [(await class_.scores(one))[-1] for one in people]
    assert [(one.number, one.points, one.percent, one.items) for one in after] == [
        (3, one.points, one.percent, one.items) for one in before
    ]


async def test_the_ledger_of_each_submission_tells_of_a_correction_and_of_no_key(world):
    class_ = await made(world)
    one = await class_.hand_in(0)
    batch_id = await class_.apply(class_.line("single_choice", K.KEY, **CHOOSE_C))
    async with class_.office.snapshot(class_.system) as work:
        submission = await submissions.of_session(work, one)
        page = await activity_related.of_submission(work, submission.id, PageRequest())
        told = await work.session.scalar(select(func.count()).where(Activity.act == "correction.applied"))
    row = next(row for row in page.rows if row.subject_kind == "correction_batch")
    assert (row.act, row.subject_id, row.reason) == ("correction.applied", batch_id, WHY)
    assert row.after["lines"] == [{"question_version": str(class_.questions["single_choice"]), "kind": "key"}]
    assert told >= 1


REFUSED = [
    ("single_choice", K.KEY, {"key": {"correct": "z"}}, InvalidInput, ("change", "key", "correct")),
    ("single_choice", K.ACCEPT, {"response": {"text": "b"}}, InvalidInput, ("change", "response")),
    ("single_choice", K.ACCEPT, {"response": {"choice": "z"}}, InvalidInput, ("change", "response", "choice")),
    ("multiple_choice", K.ACCEPT, {"response": {"choices": []}}, InvalidInput, ("change", "response")),
    ("essay", K.ACCEPT, {"response": {"text": "Because."}}, InvalidInput, ("change", "response")),
    ("essay", K.KEY, {"key": {}}, InvalidInput, ("change", "key")),
    ("numeric", K.POINTS, {"points": "-1"}, InvalidInput, ("change", "points")),
    ("numeric", K.POINTS, {"points": "0"}, InvalidInput, ("change", "points")),
    ("numeric", K.POINTS, {"points": "1.00001"}, InvalidInput, ("change", "points")),
    ("numeric", K.POINTS, {"points": "10001"}, InvalidInput, ("change", "points")),
    ("numeric", K.POINTS, {"points": "2.0"}, CorrectionWithoutEffect, ()),
    ("single_choice", K.KEY, {"key": {"correct": "b"}}, CorrectionWithoutEffect, ()),
    ("multiple_choice", K.KEY, {"key": {"correct": ["c", "a"], "rule": "proportional_minus_wrong"}},
     CorrectionWithoutEffect, ()),
    ("single_choice", K.ACCEPT, {"response": {"choice": "b"}}, CorrectionWithoutEffect, ()),
    ("short_text", K.ACCEPT, {"response": {"text": "OHM"}}, CorrectionWithoutEffect, ()),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "what", "value", "refusal", "path"), REFUSED)
async def test_a_line_that_cannot_or_need_not_hold_is_refused(read_only, kind, what, value, refusal, path):
    refused = await read_only.refused(refusal, read_only.line(kind, what, **value))
    assert refused.path[:2] == ("lines", 0)
    assert refused.path[2 : 2 + len(path)] == path


async def test_lines_that_contradict_each_other_are_refused(read_only):
    void = read_only.line("numeric", K.VOID, credit="full")
    points, more = [read_only.line("numeric", K.POINTS, points=n) for n in "34"]
    for lines in ([void, points], [points, void], [points, more], [void, void]):
        refused = await read_only.refused(CorrectionsContradict, *lines)
        assert refused.path == ("lines", 1)


async def test_what_is_unknown_is_refused(read_only):
    unknown = Given(uuid7(), K.VOID, {"credit": "full"})
    fits = read_only.line("numeric", K.POINTS, points="3")
    assert (await read_only.refused(NotFound, fits, unknown)).path == ("lines", 1, "questionVersionId")
    assert (await read_only.refused(InvalidInput)).path == ("lines",)
    wrong = Given(fits.question_version_id, K.KEY, {"key": {"correct": "a"}}, QuestionKind.SINGLE_CHOICE)
    assert (await read_only.refused(InvalidInput, wrong)).path == ("lines", 0, "change", "key")
    with pytest.raises(NotFound):
        await read_only.undo(uuid7())
    with pytest.raises(BadUserInput):
        await read_only.page(PageRequest(after="nonsense"), fits)


async def test_what_a_voided_question_is_worth_or_means_needs_no_correction(world):
    class_ = await made(world)
    await class_.hand_in(0)
    await class_.apply(class_.line("numeric", K.VOID, credit="exclude"))
    for what, value in [
        (K.VOID, {"credit": "exclude"}),
        (K.POINTS, {"points": "3"}),
        (K.ACCEPT, {"response": {"value": "9"}}),
    ]:
        await class_.refused(CorrectionWithoutEffect, class_.line("numeric", what, **value))
    await class_.apply(class_.line("numeric", K.VOID, credit="full"))
    await class_.apply(class_.line("numeric", K.POINTS, points="3"))


async def test_a_batch_of_another_org_unit_cannot_be_undone(world):
    class_ = await made(world)
    await class_.hand_in(0)
    batch_id = await class_.apply(class_.line("single_choice", K.VOID, credit="full"))
    stranger = Viewer.system(world.tenant_id, uuid7())
    with pytest.raises(NotFound):
        await world.office.perform(stranger, lambda work: corrections.undo(work, batch_id, WHY))
    with pytest.raises(NotFound):
        lines = [class_.line("numeric", K.POINTS, points="3")]
        await world.office.perform(stranger, lambda work: corrections.apply(work, class_.version_id, lines, WHY))


async def reviews_of(class_: Class, session_id: UUID) -> list[tuple[str, int, int, list[str]]]:
    async with class_.office.snapshot(class_.system) as work:
        submission = await submissions.of_session(work, session_id)
        tasks = list(await work.session.scalars(select(ReviewTask).where(ReviewTask.submission_id == submission.id)))
        found = []
        for task in tasks:
            events = await work.session.scalars(
                select(ReviewEvent.kind).where(ReviewEvent.task_id == task.id).order_by(ReviewEvent.xid, ReviewEvent.id)
            )
            found.append((task.state, task.item_count, task.pending_count, list(events)))
        return found


async def test_voiding_what_a_person_has_to_judge_ends_the_review_and_undoing_opens_it(world):
    class_ = await made(world, essay=True)
    before = await class_.hand_in(0, 7)
    batch_id = await class_.apply(class_.line("essay", K.VOID, credit="exclude"))
    after = await class_.hand_in(1, 7)
    assert await reviews_of(class_, before) == [("finalised", 1, 0, ["opened", "finalised"])]
    assert await reviews_of(class_, after) == []
    assert (await class_.scores(before))[-1].outcome == Outcome.FAILED
    await class_.undo(batch_id)
    assert await reviews_of(class_, before) == [("awaiting_review", 1, 1, ["opened", "finalised", "opened"])]
    assert await reviews_of(class_, after) == [("awaiting_review", 1, 1, ["opened"])]
    assert [one.outcome for one in await class_.scores(after)] == [Outcome.FAILED, Outcome.PENDING]


async def test_whoever_hands_in_or_marks_while_corrections_run_is_scored_by_the_one_in_force(world):
    """Real connections: eight hand in and four are marked, while batches are applied and undone."""
    class_ = await made(world, essay=True)
    marked = [await class_.hand_in(0, 7) for _ in range(4)]
    late = [await class_.sit(0) for _ in range(8)]
    line = class_.line("single_choice", K.VOID, credit="exclude")

    async def mark(session_id: UUID) -> None:
        async def act(work):
            submission = (await submissions.of_sessions(work, [session_id]))[session_id]
            held = await scores.hold(work, submission.id)
            item = (await submissions.items_of(work, [held.id]))[held.id][-1]
            given = Mark(item.id, Decimal(1), item.max_points, {}, "Read.", None)
            await scores.mark(work, held, [given], Why(ScoreCause.GRADED, "Read."))

        await class_.office.perform(class_.system, act)

    async def correct() -> None:
        for _ in range(3):
            await class_.undo(await class_.apply(line))
        await class_.apply(line)

    await asyncio.gather(correct(), *map(class_.submit, late), *map(mark, marked))
    for candidate in late:
        assert (await class_.points(candidate.session_id))[-1] == (0, 14)
    for session_id in marked:
        found = await class_.scores(session_id)
        assert (found[-1].points, found[-1].max_points, found[-1].outcome) == (1, 14, Outcome.FAILED)
        assert [one.number for one in found] == list(range(1, len(found) + 1))


async def test_of_two_who_undo_at_once_one_does(world):
    class_ = await made(world)
    one = await class_.hand_in(0)
    batch_id = await class_.apply(class_.line("single_choice", K.VOID, credit="exclude"))
    done = await asyncio.gather(*[class_.undo(batch_id) for _ in range(4)], return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["AlreadyUndone"] * 3 + ["UUID"]
    assert await class_.points(one) == [(2, 14), (0, 12), (2, 14)]
