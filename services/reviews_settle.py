"""When a turn is over: a second person is asked, two agree, a third decides, or the marks count (domain.md section 9).

Marks count all at once, and only when nobody's judgement is wanting any more. Until then the score tells nothing of
them, so that a second opinion can be blind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models.authoring import EvaluationVersion
from models.reviews import (
    MarkRole,
    ReviewDecision,
    ReviewEventKind,
    ReviewMark,
    ReviewState,
    ReviewTask,
    SecondOpinionReason,
)
from models.sessions import DeliverySession
from models.submissions import ItemState, ScoreCause, ScoreVersion, Submission, SubmissionItem
from services import (
    corrections_lines,
    inquiries_answer,
    reviews_agreement,
    reviews_claims,
    reviews_events,
    scores,
    scoring,
)
from services.content_kinds import JudgedKey
from services.reviews_agreement import Pair
from services.reviews_hold import Held
from services.reviews_sampling import is_sampled
from services.reviews_turns import turn_of
from services.scores import Mark, Why
from services.scoring import POINTS_PLACES, ItemScore, PassMark, ScoreTotal, half_up
from services.scoring_revised import scaled
from services.work import Work


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a review stands at: the items that are to be judged, by position, the marks, and what counts beside them."""

    open: Mapping[int, SubmissionItem]
    marks: Mapping[tuple[MarkRole, int], ReviewMark]
    kept: Sequence[Mapping[str, Any]]
    pass_mark: PassMark

    def of(self, role: MarkRole) -> dict[int, ReviewMark]:
        """Return the marks of one turn, by position."""
        return {position: mark for (turn, position), mark in self.marks.items() if turn is role}

    def points(self, role: MarkRole) -> dict[int, Decimal]:
        """Return the points of one turn, by position: a mark moves in proportion when a correction moves the worth."""
        return {position: self._points(position, mark) for position, mark in self.of(role).items()}

    def worth(self, position: int) -> Decimal:
        """Return what an item is worth now; one that was voided, what it was worth when it was marked last."""
        now = next(Decimal(one["max_points"]) for one in self.kept if one["position"] == position)
        marks = [mark for (_, place), mark in self.marks.items() if place == position]
        return now or max(marks, key=lambda one: one.id).max_points

    def _points(self, position: int, mark: ReviewMark) -> Decimal:
        worth = self.worth(position)
        if worth == mark.max_points:
            return mark.points
        return half_up(Fraction(mark.points) / Fraction(mark.max_points) * Fraction(worth), POINTS_PLACES)

    @property
    def last(self) -> ReviewMark:
        """The mark that was given last."""
        return max(self.marks.values(), key=lambda one: one.id)

    @property
    def waits(self) -> bool:
        """Tell whether the score waits for any of these items."""
        pending = {one["position"] for one in self.kept if ItemState(one["state"]) is ItemState.PENDING}
        return bool(pending & self.open.keys())

    def left(self, role: MarkRole) -> int:
        """Count the items without a mark in a turn."""
        return len(self.open.keys() - self.of(role).keys())

    def total(self, points: Mapping[int, Decimal]) -> ScoreTotal:
        """Return what the submission comes to when the items at these positions have these points."""
        return scoring.total([self._scored(one, points) for one in self.kept], self.pass_mark)

    def _scored(self, item: Mapping[str, Any], points: Mapping[int, Decimal]) -> ItemScore:
        worth, state = Decimal(item["max_points"]), ItemState(item["state"])
        if item["position"] in points and state is not ItemState.VOIDED:
            return ItemScore(points[item["position"]], worth, ItemState.SCORED, correct=None)
        given = None if item["points"] is None else Decimal(item["points"])
        return ItemScore(given, worth, state, item["correct"])


async def sheet(work: Work, task: ReviewTask, submission: Submission) -> Sheet:
    """Read what a review stands at, by the score that counts now."""
    rows = (
        await work.session.scalars(select(SubmissionItem).where(SubmissionItem.submission_id == submission.id))
    ).all()
    newest = select(ScoreVersion.items).where(
        ScoreVersion.submission_id == submission.id, ScoreVersion.number == submission.latest_score_version
    )
    kept = (await work.session.scalars(newest)).one()
    asked = await corrections_lines.questions(work, {row.question_version_id for row in rows})
    judged = {row.position for row in rows if isinstance(asked[row.question_version_id].key, JudgedKey)}
    states = {ItemState.PENDING} if task.round == 1 else {ItemState.PENDING, ItemState.SCORED}
    wanted = {one["position"] for one in kept if ItemState(one["state"]) in states} & judged
    places = {row.id: row.position for row in rows}
    marks = (await work.session.scalars(select(ReviewMark).where(ReviewMark.task_id == task.id))).all()
    return Sheet(
        {row.position: row for row in rows if row.position in wanted},
        {(MarkRole(mark.role), places[mark.submission_item_id]): mark for mark in marks},
        kept,
        await _pass_mark(work, submission, rows, kept),
    )


async def turn_over(work: Work, held: Held, submission: Submission, found: Sheet) -> None:
    """Go on after the last mark of a turn, whether it was given just now or is the last one that is still asked for."""
    task, turn = held.task, turn_of(held.task)
    if turn is MarkRole.FIRST:
        marker = max(found.of(turn).values(), key=lambda one: one.id).marker_id
        task.reasons = await _reasons(work, held, submission, found, marker)
        task.first_marker_id = marker
        if task.reasons:
            await _ask_another(work, held, found, ReviewEventKind.SECOND_OPINION_REQUIRED)
            return
    if await is_apart(work, held, found):
        return
    if task.is_observed:
        task.state, task.pending_count = ReviewState.AWAITING_DECISION, 0
        await reviews_events.append(work, task, ReviewEventKind.DECISION_REQUIRED, at=held.now)
        return
    await count(work, held, submission, found)


async def is_apart(work: Work, held: Held, found: Sheet) -> bool:
    """Have a third person decide where two do not agree by what holds now; tell whether that is so."""
    is_compared = bool(found.of(MarkRole.SECOND)) and not found.of(MarkRole.ADJUDICATOR)
    if not is_compared or _agreed(held, found) is not None:
        return False
    await _ask_another(work, held, found, ReviewEventKind.ADJUDICATION_REQUIRED)
    return True


async def count(work: Work, held: Held, submission: Submission, found: Sheet) -> None:
    """Let the marks of a review count, and end it; what was rejected counts nothing."""
    task = held.task
    points, last = _settled(held, found)
    if task.decision == ReviewDecision.REJECTED:
        points = dict.fromkeys(points, Decimal("0.0000"))
    for (role, position), mark in sorted(found.marks.items(), key=lambda one: one[1].id):
        levels = {} if mark.levels is None else {"levels": mark.levels}
        told = {"position": position, "role": role, "points": str(mark.points), "max_points": str(mark.max_points)}
        after = told | levels | {"marker": str(mark.marker_id)}
        work.record("grade.finalised", ("submission", submission.id), reason=mark.rationale, after=after)
    if len(found.marks) > len(points):
        told = {str(position): str(one) for position, one in points.items()}
        by = MarkRole.ADJUDICATOR if found.of(MarkRole.ADJUDICATOR) else held.policy.agreed_by
        work.record("grade.agreed", ("submission", submission.id), after={"by": by, "points": told})
    marks = [_counted(found, position, points[position], mark) for position, mark in last.items()]
    why = Why(ScoreCause.GRADED, found.last.rationale, found.last.marker_id, task.id)
    change = await scores.mark(work, submission, marks, why)
    task.state, task.finalised_at, task.pending_count = ReviewState.FINALISED, held.now, 0
    await reviews_claims.let_go(work, held)
    payload = {"outcome": change.total.outcome, "percent": str(change.total.percent)}
    await reviews_events.append(work, task, ReviewEventKind.FINALISED, at=held.now, payload=payload)
    await inquiries_answer.answer(work, held, change, found.last)


async def end_unmarked(work: Work, held: Held, reason: str, by: UUID | None) -> None:
    """End a review in which nothing is left to be judged, and nothing was in this turn; that answers an inquiry."""
    task = held.task
    task.state, task.finalised_at, task.pending_count = ReviewState.FINALISED, held.now, 0
    await reviews_claims.let_go(work, held)
    await reviews_events.append(work, task, ReviewEventKind.FINALISED, at=held.now)
    await inquiries_answer.answer_unmarked(work, held, reason, by)


def _settled(held: Held, found: Sheet) -> tuple[dict[int, Decimal], dict[int, ReviewMark]]:
    """Return the points that count for each item, and the mark that decided last."""
    third, second, first = (found.of(role) for role in (MarkRole.ADJUDICATOR, MarkRole.SECOND, MarkRole.FIRST))
    alone = found.points(MarkRole.FIRST)
    if third or not second:
        return alone | found.points(MarkRole.ADJUDICATOR), first | third
    points = _agreed(held, found)
    if points is None:
        raise ValueError(f"the marks of review {held.task.id} do not agree, and nobody has decided")
    return alone | found.points(MarkRole.SECOND) | points, first | second


def _agreed(held: Held, found: Sheet) -> dict[int, Decimal] | None:
    """Return what two people agree on for each item that both have marked; None where a third has to decide."""
    first, second = found.points(MarkRole.FIRST), found.points(MarkRole.SECOND)
    both = sorted(first.keys() & second.keys())
    pairs = [Pair(first[one], second[one], found.worth(one)) for one in both]

    def total(points: Sequence[Decimal]) -> ScoreTotal:
        return found.total(dict(zip(both, points, strict=True)))

    done = reviews_agreement.agreed(pairs, held.policy.rule, total)
    return None if done is None else dict(zip(both, done, strict=True))


def _counted(found: Sheet, position: int, points: Decimal, mark: ReviewMark) -> Mark:
    ids = [str(one.id) for (_, place), one in sorted(found.marks.items(), key=lambda m: m[1].id) if place == position]
    detail: dict[str, Any] = {"marks": ids}
    if mark.levels is not None and points == found.points(MarkRole(mark.role))[position]:
        detail["levels"] = mark.levels
    return Mark(mark.submission_item_id, points, found.worth(position), detail, mark.rationale, mark.marker_id)


async def _ask_another(work: Work, held: Held, found: Sheet, kind: ReviewEventKind) -> None:
    """Give a review to another person, and say why."""
    task = held.task
    is_second = kind is ReviewEventKind.SECOND_OPINION_REQUIRED
    task.state = ReviewState.REQUIRES_SECOND_OPINION if is_second else ReviewState.REQUIRES_ADJUDICATION
    task.pending_count = len(found.open)
    await reviews_claims.let_go(work, held)
    await reviews_events.append(work, task, kind, at=held.now)
    act = "review.second_opinion_required" if is_second else "review.adjudication_required"
    reasons = {"reasons": task.reasons} if is_second else None
    work.record(act, ("submission", task.submission_id), after=reasons)


async def _reasons(work: Work, held: Held, submission: Submission, found: Sheet, marker: UUID) -> list[str]:
    """Say why a second person is asked, all that apply; rules and samples are for the first review of a submission."""
    reasons = set(held.task.reasons)
    policy, rules = held.policy, held.rules
    if held.task.round == 1 and rules is not None:
        if policy.second_when_high_stakes and await _is_high_stakes(work, submission):
            reasons.add(SecondOpinionReason.HIGH_STAKES)
        if policy.second_near is not None and _is_near(found, policy.second_near, policy.boundaries):
            reasons.add(SecondOpinionReason.NEAR_BOUNDARY)
        number = 1 + await _finished(work, rules.id, marker)
        if is_sampled(rules.seed, marker, number, policy.sample_percent, policy.sample_at_least):
            reasons.add(SecondOpinionReason.SAMPLE)
    return [one.value for one in SecondOpinionReason if one in reasons]


def _is_near(found: Sheet, within: Decimal, boundaries: Sequence[Decimal]) -> bool:
    total = found.total(found.points(MarkRole.FIRST))
    passes = found.pass_mark.percent
    if found.pass_mark.points is not None:
        passes = found.pass_mark.points / total.max_points * 100 if total.max_points else None
    marks = [*boundaries, *([] if passes is None else [passes])]
    return reviews_agreement.is_near(total.percent, marks, within)


async def _is_high_stakes(work: Work, submission: Submission) -> bool:
    wanted = select(DeliverySession.is_high_stakes).where(DeliverySession.id == submission.session_id)
    return bool(await work.session.scalar(wanted))


async def _finished(work: Work, policy_id: UUID, marker: UUID) -> int:
    """Count the reviews under these rules whose first marks somebody completed."""
    task = ReviewTask
    wanted = select(func.count()).where(task.first_marker_id == marker, task.policy_id == policy_id)
    return (await work.session.scalar(wanted)) or 0


async def _pass_mark(
    work: Work, submission: Submission, rows: Sequence[SubmissionItem], kept: Sequence[Mapping[str, Any]]
) -> PassMark:
    wanted = select(EvaluationVersion).where(EvaluationVersion.id == submission.evaluation_version_id)
    version = (await work.session.scalars(wanted)).one()
    planned = sum((row.max_points for row in rows), Decimal("0.0000"))
    worth = sum((Decimal(one["max_points"]) for one in kept), Decimal("0.0000"))
    return scaled(PassMark(percent=version.pass_percent, points=version.pass_points), planned, worth)
