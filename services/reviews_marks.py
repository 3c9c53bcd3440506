"""Drafts and final marks of a review, each under the newest fence (domain.md section 9)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from sqlalchemy import select

from models.base import uuid7
from models.reviews import MarkRole, ReviewDraft, ReviewEventKind, ReviewMark
from models.submissions import ScoreVersion, SubmissionItem
from services import corrections_lines, reviews_events, reviews_settle, rubrics, words
from services.content_kinds import JudgedKey
from services.idempotency import Answer
from services.refusals import InvalidInput, NotFound, StateDrift
from services.reviews_hold import Held, drifted, hold, hold_to_score, require_fence, require_open, reviewer
from services.reviews_turns import require_turn, turn_of
from services.rubrics import Rubric
from services.scoring import POINTS_PLACES, half_up, has_places
from services.work import Work

LONGEST_COMMENT = 10_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reviewer thinks of one item: levels where there is a rubric, one for each criterion, else points.

    Points are out of what the item is worth, with at most four decimals.
    """

    item_id: UUID
    points: Decimal | None = None
    levels: Mapping[str, str] | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class _Item:
    """An item that is judged, what it is worth now, and its rubric."""

    row: SubmissionItem
    worth: Decimal
    rubric: Rubric | None


async def save_draft(work: Work, task_id: UUID, fence: int, given: Judgement, revision: int) -> Answer:
    """Keep a draft of one item; a lower revision never overwrites a higher one of the same reviewer.

    Whoever shows a fence that is not the newest is told so, and loses nothing: the draft is kept as theirs, beside what
    the present holder has.
    """
    held = await hold(work, task_id)
    _check_comment(given.comment)
    if revision < 0:
        raise InvalidInput(f"A revision counts from 0; this one is {revision}.", path=["revision"])
    item = await _item(work, held, given.item_id)
    _check_draft(item, given)
    lost: StateDrift | None = None
    try:
        require_open(held)
        require_fence(work, held, fence)
    except StateDrift as drift:
        lost = drift
    kept = await _keep(work, held, given, revision, fence, is_lost=lost is not None)
    told = None if lost is None else {"message": lost.message, "state": lost.current_state, "hint": lost.advice}
    return {"task": str(task_id), "draft": str(kept.id), "drift": told}


async def finalise(
    work: Work, task_id: UUID, fence: int, given: Judgement, rationale: str, *, may_adjudicate: bool
) -> Answer:
    """Make one's mark for an item final, and say why; what follows after the last one, `reviews_settle` decides.

    Refuses a fence that is not the newest, a turn that is another person's (who it is may change by a merge while it is
    in hand), an item that has its mark in this turn, and a mark that leaves a criterion open.
    """
    why = words.reason(rationale, path=["rationale"])
    _check_comment(given.comment)
    held, submission = await hold_to_score(work, task_id)
    require_open(held)
    require_fence(work, held, fence)
    turn = turn_of(held.task)
    if turn is None:
        raise drifted(held, "There is nothing to mark now.")
    await require_turn(work, held, reviewer(work), may_adjudicate=may_adjudicate)
    item = await _item(work, held, given.item_id)
    before = await reviews_settle.sheet(work, held.task, submission)
    if (turn, item.row.position) in before.marks:
        raise drifted(held, f"Item {item.row.position} has its final mark already.")
    mark = await _make_final(work, held, item, given, _Final(turn, why, fence))
    found = replace(before, marks={**before.marks, (turn, item.row.position): mark})
    held.task.pending_count = found.left(turn)
    held.task.version += 1
    told = {"position": item.row.position, "pending": held.task.pending_count}
    await reviews_events.append(work, held.task, ReviewEventKind.ITEM_FINALISED, at=held.now, payload=told)
    work.record("grade.given", ("submission", submission.id), after={"position": item.row.position, "role": turn})
    if held.task.pending_count == 0:
        await reviews_settle.turn_over(work, held, submission, found)
    await work.session.flush()
    return {"task": str(task_id), "mark": str(mark.id)}


@dataclass(frozen=True, slots=True)
class _Final:
    """In which turn a mark is made final, why, and under which fence."""

    turn: MarkRole
    rationale: str
    fence: int


async def _make_final(work: Work, held: Held, item: _Item, given: Judgement, final: _Final) -> ReviewMark:
    mark = ReviewMark(
        id=uuid7(),
        org_unit_id=held.task.org_unit_id,
        task_id=held.task.id,
        submission_item_id=item.row.id,
        role=final.turn,
        marker_id=reviewer(work),
        points=_points(item, given),
        max_points=item.worth,
        levels=None if given.levels is None else dict(given.levels),
        comment=given.comment,
        rationale=final.rationale,
        fence=final.fence,
    )
    work.session.add(mark)
    await work.session.flush()
    return mark


async def _item(work: Work, held: Held, item_id: UUID) -> _Item:
    """Return an item of the task's submission that a person judges; refuse any other."""
    wanted = select(SubmissionItem).where(
        SubmissionItem.id == item_id, SubmissionItem.submission_id == held.task.submission_id
    )
    row = (await work.session.scalars(wanted)).one_or_none()
    if row is None:
        raise NotFound("SubmissionItem", item_id, path=["itemId"])
    asked = (await corrections_lines.questions(work, [row.question_version_id]))[row.question_version_id]
    if not isinstance(asked.key, JudgedKey):
        raise InvalidInput(
            f"Item {row.position} is scored by rule; nobody marks it.",
            path=["itemId"],
            hint="Correct the key if it is wrong.",
        )
    return _Item(row, await _worth(work, held.task.submission_id, row), asked.key.rubric)


async def _worth(work: Work, submission_id: UUID, item: SubmissionItem) -> Decimal:
    """Return what an item is worth by the score that counts: a correction may have changed it."""
    newest = select(ScoreVersion.items).where(ScoreVersion.submission_id == submission_id)
    items = (await work.session.scalars(newest.order_by(ScoreVersion.number.desc()).limit(1))).one()
    worth = next(Decimal(one["max_points"]) for one in items if one["position"] == item.position)
    if not worth:
        raise InvalidInput(f"Item {item.position} was voided; there is nothing to mark.", path=["itemId"])
    return worth


def _points(item: _Item, given: Judgement) -> Decimal:
    """Return the points of a whole judgement, rounded half up to four decimals."""
    if item.rubric is not None:
        if given.levels is None or given.points is not None:
            raise InvalidInput("This item has a rubric: choose its levels, the points follow.", path=["levels"])
        return half_up(rubrics.share(item.rubric, given.levels) * Fraction(item.worth), POINTS_PLACES)
    if given.levels is not None or given.points is None:
        raise InvalidInput("This item has no rubric: give points.", path=["points"])
    return _in_bounds(given.points, item.worth)


def _check_draft(item: _Item, given: Judgement) -> None:
    """Refuse what could never become a mark; what is left open may stay open in a draft."""
    if given.points is not None:
        if item.rubric is not None:
            raise InvalidInput("This item has a rubric: choose its levels, the points follow.", path=["points"])
        _in_bounds(given.points, item.worth)
    if given.levels is not None:
        if item.rubric is None:
            raise InvalidInput("This item has no rubric: give points.", path=["levels"])
        rubrics.check(item.rubric, given.levels)


def _in_bounds(points: Decimal, worth: Decimal) -> Decimal:
    if not points.is_finite() or not 0 <= points <= worth or not has_places(points, POINTS_PLACES):
        said = f"{points} is not 0 to {worth:f} with at most {POINTS_PLACES} decimals."
        raise InvalidInput(said, path=["points"])
    return round(points, POINTS_PLACES)


def _check_comment(comment: str) -> None:
    if len(comment) > LONGEST_COMMENT or "\x00" in comment:
        said = f"A comment has at most {LONGEST_COMMENT} characters; this one has {len(comment)}."
        raise InvalidInput(said, path=["comment"])


async def _keep(work: Work, held: Held, given: Judgement, revision: int, fence: int, *, is_lost: bool) -> ReviewDraft:
    person = reviewer(work)
    draft = ReviewDraft
    mine = select(draft).where(
        draft.task_id == held.task.id, draft.submission_item_id == given.item_id, draft.marker_id == person
    )
    row = (await work.session.scalars(mine)).one_or_none()
    if row is None:
        row = ReviewDraft(
            id=uuid7(),
            org_unit_id=held.task.org_unit_id,
            task_id=held.task.id,
            submission_item_id=given.item_id,
            marker_id=person,
            revision=-1,
        )
        work.session.add(row)
    if revision > row.revision:
        row.points, row.comment = given.points, given.comment
        row.levels = None if given.levels is None else dict(given.levels)
        row.revision, row.fence, row.saved_at = revision, fence, held.now
        row.lost_at = held.now if is_lost else None
    await work.session.flush()
    return row
