"""The queue of reviews: which there are, what each waits for, and who has it in hand (domain.md section 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, literal, or_, select
from sqlalchemy.orm import aliased

from models.assignments import Assignment
from models.authoring import EvaluationVersion
from models.programmes_enrolments import ProgrammeAttempt
from models.reviews import ReviewClaim, ReviewDraft, ReviewEvent, ReviewMark, ReviewState, ReviewTask
from services import plain
from services.paging import Order, Page, PageRequest, paged
from services.reviews_turns import is_barred
from services.work import Work


class ShownState(StrEnum):
    """A review as people speak of it: its state, and whether somebody has it in hand."""

    AWAITING_REVIEW = "awaiting_review"
    IN_PROGRESS = "in_progress"
    REQUIRES_SECOND_OPINION = "requires_second_opinion"
    REQUIRES_ADJUDICATION = "requires_adjudication"
    AWAITING_DECISION = "awaiting_decision"
    CHANGES_REQUESTED = "changes_requested"
    FINALISED = "finalised"


class ReviewOrder(StrEnum):
    """By what reviews can be sorted."""

    DUE_AT = "due_at"
    CREATED_AT = "created_at"
    PENDING_COUNT = "pending_count"


@dataclass(frozen=True, slots=True)
class SortedBy:
    """One column of an order."""

    by: ReviewOrder
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reviews are wanted; what is None does not narrow. `due_within_days` counts from now, the overdue included.

    `holder_id` is who has it in hand now; `is_unclaimed` asks for what nobody has.
    """

    assignment_id: UUID | None = None
    evaluation_id: UUID | None = None
    run_label: str | None = None
    states: Sequence[ShownState] | None = None
    due_within_days: int | None = None
    holder_id: UUID | None = None
    is_unclaimed: bool | None = None
    programme_id: UUID | None = None
    org_unit_id: UUID | None = None


def shown(task: ReviewTask, claim: ReviewClaim | None, now: datetime) -> ShownState:
    """Return what a review is shown as."""
    if task.state == ReviewState.AWAITING_REVIEW and claim is not None and claim.leased_until > now:
        return ShownState.IN_PROGRESS
    return ShownState(task.state)


def narrowed(statement: Select[Any], wanted: Filter) -> Select[Any]:
    """Narrow a statement about review tasks to what is wanted."""
    task = ReviewTask
    conditions: list[ColumnElement[bool]] = []
    if wanted.assignment_id is not None:
        conditions.append(task.assignment_id == wanted.assignment_id)
    if wanted.evaluation_id is not None:
        versions = select(EvaluationVersion.id).where(EvaluationVersion.evaluation_id == wanted.evaluation_id)
        conditions.append(task.evaluation_version_id.in_(versions))
    if wanted.org_unit_id is not None:
        conditions.append(task.org_unit_id == wanted.org_unit_id)
    if wanted.run_label is not None:
        labelled = select(Assignment.id).where(Assignment.run_label == wanted.run_label)
        conditions.append(task.assignment_id.in_(labelled))
    if wanted.states is not None:
        conditions.append(or_(false(), *[_shown_as(state) for state in wanted.states]))
    if wanted.due_within_days is not None:
        soon = func.evalium_now() + literal(timedelta(days=wanted.due_within_days))
        conditions.append(and_(task.state != ReviewState.FINALISED, task.due_at <= soon))
    if wanted.programme_id is not None:
        issued = select(ProgrammeAttempt.assignment_id).where(ProgrammeAttempt.programme_id == wanted.programme_id)
        conditions.append(task.assignment_id.in_(issued))
    if wanted.holder_id is not None:
        conditions.append(_in_hand(wanted.holder_id))
    if wanted.is_unclaimed is not None:
        in_hand = _in_hand()
        conditions.append(~in_hand if wanted.is_unclaimed else in_hand)
    return statement.where(*conditions)


async def listed(work: Work, wanted: Filter, order: Sequence[SortedBy], page: PageRequest) -> Page[ReviewTask]:
    """List reviews of the viewer's org unit; without an order, what is due first comes first."""
    task = ReviewTask
    columns: dict[ReviewOrder, Any] = {
        ReviewOrder.DUE_AT: task.due_at,
        ReviewOrder.CREATED_AT: task.created_at,
        ReviewOrder.PENDING_COUNT: task.pending_count,
    }
    sorting = list(order) or [SortedBy(ReviewOrder.DUE_AT)]
    orders = [Order(columns[one.by], descending=one.descending) for one in sorting]
    last = Order(task.id, descending=orders[-1].descending)
    return await paged(work, narrowed(select(task), wanted), [*orders, last], page)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, ReviewTask]:
    """Return the tasks with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, ReviewTask, "id", ids)}


async def of_submissions(work: Work, submission_ids: Sequence[UUID]) -> dict[UUID, list[ReviewTask]]:
    """Return the reviews of each of these submissions, the first one first."""
    found: dict[UUID, list[ReviewTask]] = {one: [] for one in submission_ids}
    for row in sorted(await plain.by(work, ReviewTask, "submission_id", submission_ids), key=lambda one: one.round):
        found[row.submission_id].append(row)
    return found


async def claims_of(work: Work, task_ids: Sequence[UUID]) -> dict[UUID, ReviewClaim]:
    """Return who has, or last had, each of these tasks in hand."""
    return {row.task_id: row for row in await plain.by(work, ReviewClaim, "task_id", task_ids)}


async def drafts_of(work: Work, task_ids: Sequence[UUID]) -> dict[UUID, list[ReviewDraft]]:
    """Return the drafts in each of these tasks, everybody's, those that were saved first in front."""
    found: dict[UUID, list[ReviewDraft]] = {one: [] for one in task_ids}
    for row in sorted(await plain.by(work, ReviewDraft, "task_id", task_ids), key=lambda one: one.id):
        found[row.task_id].append(row)
    return found


async def marks_of(work: Work, task_ids: Sequence[UUID]) -> dict[UUID, list[ReviewMark]]:
    """Return the final marks in each of these tasks, everybody's, oldest first."""
    found: dict[UUID, list[ReviewMark]] = {one: [] for one in task_ids}
    for row in sorted(await plain.by(work, ReviewMark, "task_id", task_ids), key=lambda one: one.id):
        found[row.task_id].append(row)
    return found


async def events_of(work: Work, task_ids: Sequence[UUID]) -> dict[UUID, list[ReviewEvent]]:
    """Return what happened to each of these tasks, oldest first."""
    found: dict[UUID, list[ReviewEvent]] = {one: [] for one in task_ids}
    for row in sorted(await plain.by(work, ReviewEvent, "task_id", task_ids), key=lambda one: (one.xid, one.id)):
        found[row.task_id].append(row)
    return found


async def barred(work: Work, task_ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these reviews the viewer must not take, having had another turn in them."""
    if work.viewer.user_id is None:
        return set()
    wanted = select(ReviewTask.id).where(ReviewTask.id.in_(task_ids), is_barred(work.viewer.user_id))
    return {row.id for row in await work.rows(wanted)}


def _in_hand(holder_id: UUID | None = None) -> ColumnElement[bool]:
    claim = aliased(ReviewClaim)
    held = exists().where(claim.task_id == ReviewTask.id, claim.leased_until > func.evalium_now())
    return held if holder_id is None else held.where(claim.holder_id == holder_id)


def _shown_as(state: ShownState) -> ColumnElement[bool]:
    waits = ReviewTask.state == ReviewState.AWAITING_REVIEW
    match state:
        case ShownState.AWAITING_REVIEW:
            return and_(waits, ~_in_hand())
        case ShownState.IN_PROGRESS:
            return and_(waits, _in_hand())
        case _:
            return ReviewTask.state == state
