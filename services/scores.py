"""Scores after the first one: what a submission is worth by all that holds now, as further versions (domain.md 8, 9).

A score follows from the responses, the keys with the corrections in force, and the marks of people. So whoever marks
or corrects writes down what was decided, and then has the scores renewed here; nothing else writes a score version.

Whoever writes scores of one submission holds it, and shares its evaluation version; whoever corrects holds the
evaluation version alone. So does handing in share it: no submission slips between a correction and its effect.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, update

from models.authoring import EvaluationVersion
from models.submissions import ItemGrade, ItemState, ScoreCause, ScoreVersion, Submission, SubmissionItem
from services import corrections_lines, plain, programmes_signal, responses, scoring, setwise
from services.corrections_lines import InForce
from services.refusals import NotFound
from services.scoring import ItemScore, PassMark, ScoreTotal
from services.scoring_revised import Asked, Grade, judge, scaled
from services.work import Work

AT_ONCE = 500
"""Submissions whose rows are in memory together."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why scores are renewed: what caused it, in somebody's words, by whom, and the review task or correction batch."""

    cause: ScoreCause
    reason: str
    by: UUID | None = None
    source_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A person's final mark for one item: points out of what it is worth, how they came about, and why."""

    submission_item_id: UUID
    points: Decimal
    max_points: Decimal
    detail: dict[str, Any]
    rationale: str
    by: UUID | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a submission's score is, and what it would be by all that holds; `items` is as a score version keeps it."""

    submission: Submission
    before: ScoreVersion
    total: ScoreTotal
    items: list[dict[str, Any]]

    @property
    def is_one(self) -> bool:
        """Tell whether anything differs."""
        return self.items != self.before.items or self.total.outcome != self.before.outcome

    @property
    def is_felt(self) -> bool:
        """Tell whether anything that somebody earned differs, and not merely what is said about it."""
        return self.total.outcome != self.before.outcome or any(
            one[name] != was[name]
            for one, was in zip(self.items, self.before.items, strict=True)
            for name in ("state", "points", "max_points", "correct")
        )


@dataclass(frozen=True, slots=True)
class _Read:
    """What the scores of some submissions follow from."""

    scores: Mapping[UUID, ScoreVersion]
    items: Mapping[UUID, Sequence[SubmissionItem]]
    grades: Mapping[UUID, Grade]
    asked: Mapping[UUID, Asked]
    planned: Mapping[UUID, Decimal]


def version_lock(tenant_id: UUID | None, evaluation_version_id: UUID) -> str:
    """Name the lock that scoring shares and correcting holds alone."""
    return f"scores/{tenant_id}/{evaluation_version_id}"


def submission_lock(tenant_id: UUID | None, submission_id: UUID) -> str:
    """Name the lock of whoever writes a score of one submission."""
    return f"submission/{tenant_id}/{submission_id}"


async def hold(work: Work, submission_id: UUID, *beside: str) -> Submission:
    """Hold a submission whose score is to change, and return it as it is now; before the first write.

    The locks named `beside` are taken with it, so that all are taken in one order.
    """
    tenant_id = work.viewer.tenant_id
    wanted = select(Submission.evaluation_version_id).where(Submission.id == submission_id)
    version_id = await work.session.scalar(wanted)
    if version_id is None:
        raise NotFound("Submission", submission_id)
    await work.lock(submission_lock(tenant_id, submission_id), *beside, shared=[version_lock(tenant_id, version_id)])
    held = select(Submission).where(Submission.id == submission_id).with_for_update()
    return (await work.session.scalars(held.execution_options(populate_existing=True))).one()


async def mark(work: Work, submission: Submission, marks: Sequence[Mark], why: Why) -> Change:
    """Keep the marks of a held submission, and renew its score by them."""
    grade = ItemGrade
    numbers = select(grade.submission_item_id, func.max(grade.number).label("number")).where(
        grade.submission_item_id.in_([one.submission_item_id for one in marks])
    )
    known = {row.submission_item_id: row.number for row in await work.rows(numbers.group_by(grade.submission_item_id))}
    work.session.add_all(
        ItemGrade(
            org_unit_id=submission.org_unit_id,
            submission_id=submission.id,
            submission_item_id=one.submission_item_id,
            number=known.get(one.submission_item_id, 0) + 1,
            points=one.points,
            max_points=one.max_points,
            detail=one.detail,
            rationale=one.rationale,
            graded_by=one.by,
            source_id=why.source_id,
        )
        for one in marks
    )
    await work.session.flush()
    holds = await corrections_lines.in_force(work, submission.evaluation_version_id)
    return (await renew(work, submission.evaluation_version_id, [submission.id], holds, why))[0]


async def renew(
    work: Work,
    evaluation_version_id: UUID,
    submission_ids: Sequence[UUID],
    holds: InForce,
    why: Why,
    *,
    questions: Collection[UUID] | None = None,
) -> list[Change]:
    """Write the next score version of each submission whose score differs; return what became of each, in order.

    All are of this evaluation version and held. With `questions` only their items are judged again, which is enough
    when nothing else can have changed.
    """
    changes: list[Change] = []
    for some in parts(submission_ids):
        found = await outlooks(work, evaluation_version_id, some, holds, questions)
        await write(work, [one for one in found if one.is_one], why)
        changes += found
    return changes


def parts(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    """Return the ids in parts, each as many as are in memory together."""
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


async def outlooks(
    work: Work, evaluation_version_id: UUID, ids: Sequence[UUID], holds: InForce, questions: Collection[UUID] | None
) -> list[Change]:
    """Return what each of these submissions is worth by what `holds`, in order; writes nothing. See `renew`."""
    version = (
        await work.session.scalars(select(EvaluationVersion).where(EvaluationVersion.id == evaluation_version_id))
    ).one()
    pass_mark = PassMark(percent=version.pass_percent, points=version.pass_points)
    found = {row.id: row for row in await plain.by(work, Submission, "id", ids)}
    read = await _read(work, ids, questions, with_plan=pass_mark.points is not None)
    return [_change(found[one], read, holds, pass_mark) for one in ids if one in found]


def _change(submission: Submission, read: _Read, holds: InForce, pass_mark: PassMark) -> Change:
    before = read.scores[submission.id]
    again = dict(_judged(read.items.get(submission.id, ()), read, holds))
    items = [again.get(kept["position"], kept) for kept in before.items]
    worth = sum((Decimal(one["max_points"]) for one in items), Decimal("0.0000"))
    mark = scaled(pass_mark, read.planned.get(submission.id, worth), worth)
    return Change(submission, before, scoring.total([_scored(one) for one in items], mark), items)


def _judged(items: Sequence[SubmissionItem], read: _Read, holds: InForce) -> Iterator[tuple[int, dict[str, Any]]]:
    for item in items:
        known = read.asked[item.question_version_id]
        asked = Asked(known.kind, known.content, known.key, item.max_points)
        response = responses.parse_response(known.kind, known.content, item.response)
        one = judge(asked, response, holds.of(item.question_version_id), read.grades.get(item.id))
        yield item.position, kept(item.position, one)


def kept(position: int, one: ItemScore) -> dict[str, Any]:
    """Return an item's score as a score version keeps it."""
    return {
        "position": position,
        "state": one.state.value,
        "points": None if one.points_awarded is None else str(one.points_awarded),
        "max_points": str(one.max_points),
        "correct": one.correct,
        "detail": dict(one.detail),
    }


def _scored(item: Mapping[str, Any]) -> ItemScore:
    points = None if item["points"] is None else Decimal(item["points"])
    return ItemScore(points, Decimal(item["max_points"]), ItemState(item["state"]), item["correct"])


async def _read(work: Work, ids: Sequence[UUID], questions: Collection[UUID] | None, *, with_plan: bool) -> _Read:
    score, item, grade = ScoreVersion, SubmissionItem, ItemGrade
    counts = and_(score.submission_id == Submission.id, score.number == Submission.latest_score_version)
    newest = select(*plain.columns(score)).select_from(Submission).join(score, counts).where(Submission.id.in_(ids))
    scores = {one.submission_id: one for one in (plain.row(score, row) for row in await work.rows(newest))}
    wanted = select(*plain.columns(item)).where(item.submission_id.in_(ids)).order_by(item.position)
    if questions is not None:
        wanted = wanted.where(item.question_version_id.in_(list(questions)))
    items: dict[UUID, list[SubmissionItem]] = {}
    for one in (plain.row(item, row) for row in await work.rows(wanted)):
        items.setdefault(one.submission_id, []).append(one)
    marks = select(grade.submission_item_id, grade.points, grade.max_points, grade.detail).where(
        grade.submission_id.in_(ids)
    )
    grades = {
        row.submission_item_id: Grade(row.points, row.max_points, row.detail)
        for row in await work.rows(marks.order_by(grade.number))
    }
    versions = {one.question_version_id for some in items.values() for one in some}
    asked = await corrections_lines.questions(work, versions)
    planned: dict[UUID, Decimal] = {}
    if with_plan:
        sums = select(item.submission_id, func.sum(item.max_points).label("points")).where(item.submission_id.in_(ids))
        planned = {row.submission_id: row.points for row in await work.rows(sums.group_by(item.submission_id))}
    return _Read(scores, items, grades, asked, planned)


async def write(work: Work, changes: Sequence[Change], why: Why) -> None:
    """Write the next score version of each of these submissions, which are held."""
    rows = [
        {
            "org_unit_id": one.submission.org_unit_id,
            "submission_id": one.submission.id,
            "number": one.before.number + 1,
            "points": one.total.points,
            "max_points": one.total.max_points,
            "percent": one.total.percent,
            "outcome": one.total.outcome,
            "cause": why.cause,
            "source_id": why.source_id,
            "items": one.items,
            "reason": why.reason,
            "scored_by": why.by,
        }
        for one in changes
    ]
    await setwise.insert(work, ScoreVersion, rows)
    if changes:
        await work.session.execute(
            update(Submission)
            .where(Submission.id.in_([one.submission.id for one in changes]))
            .values(latest_score_version=Submission.latest_score_version + 1)
        )
        await programmes_signal.scored(work, {one.submission.assignment_id for one in changes})
