"""Reviews after a correction: what a person has still to judge follows the scores (domain.md sections 8, 9).

Voiding the last essay that waits ends a review; undoing that lets it wait again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from models.base import uuid7
from models.reviews import MarkRole, ReviewEvent, ReviewEventKind, ReviewState, ReviewTask
from models.submissions import ItemState, Submission
from realtime import topics
from services import reviews_events, reviews_policy, reviews_settle, setwise
from services.reviews_hold import Held, held_of
from services.reviews_turns import turn_of
from services.scores import Change, Why
from services.work import Work

_HELD: Final = """
select distinct on (t.submission_id) t.id, t.submission_id, t.state, t.round,
 exists (select from review_marks m where m.tenant_id = t.tenant_id and m.task_id = t.id) as is_marked
from review_tasks t where t.submission_id = any($1) order by t.submission_id, t.round desc"""
_SETTLED: Final = """
update review_tasks t set pending_count = given.pending, item_count = greatest(t.item_count, given.pending),
 version = t.version + 1,
 state = case when given.pending = 0 then 'finalised' when t.state = 'finalised' then 'awaiting_review'
  else t.state end,
 finalised_at = case when given.pending = 0 then coalesce(t.finalised_at, $3) end
from unnest($1::uuid[], $2::int[]) as given (id, pending) where t.id = given.id"""
_LET_GO: Final = """
update review_claims set leased_until = $2, fence = fence + 1 where task_id = any($1) and leased_until > $2"""
_OBSERVED: Final = """
select distinct i.submission_id from submission_items i
join question_versions q on q.tenant_id = i.tenant_id and q.id = i.question_version_id
where i.submission_id = any($1) and q.kind = 'observation'"""


async def settle(work: Work, changes: Sequence[Change], why: Why, at: datetime) -> list[UUID]:
    """Let the reviews of these submissions wait for what is pending now, and end those that wait for nothing.

    The caller holds the evaluation version, so nobody scores meanwhile. Who has a review in hand that ends loses it.
    Returns the reviews in which somebody has marked already: `go_on` with them once the correction is in force.
    """
    known = {row["submission_id"]: row for row in await work.fetch(_HELD, [one.submission.id for one in changes])}
    begun = {key for key, row in known.items() if row["is_marked"] or row["round"] > 1}
    moved = {
        one.submission.id: one
        for one in changes
        if one.submission.id not in begun and pending(one.items) != pending(one.before.items)
    }
    if moved:
        await _settle_unmarked(work, moved, {key: row for key, row in known.items() if key in moved}, why, at)
    return [known[key]["id"] for key in begun]


async def go_on(work: Work, task_ids: Sequence[UUID], why: Why) -> None:
    """Go on with reviews in which somebody has marked: what was voided is marked no more, what came back is.

    When nothing is left to mark in a turn that is not over, it is over now.
    """
    for task_id in task_ids:
        wanted = select(ReviewTask).where(ReviewTask.id == task_id).with_for_update()
        task = (await work.session.scalars(wanted.execution_options(populate_existing=True))).one()
        row = select(Submission).where(Submission.id == task.submission_id)
        submission = (await work.session.scalars(row.execution_options(populate_existing=True))).one()
        await _go_on(work, await held_of(work, task), submission, why)


async def _go_on(work: Work, held: Held, submission: Submission, why: Why) -> None:
    task = held.task
    found = await reviews_settle.sheet(work, task, submission)
    is_over = task.state == ReviewState.FINALISED and found.waits
    if is_over or (task.state == ReviewState.AWAITING_DECISION and found.left(MarkRole.FIRST)):
        task.state, task.finalised_at, task.decision = ReviewState.AWAITING_REVIEW, None, None
        payload = {"correction": str(why.source_id)}
        await reviews_events.append(work, task, ReviewEventKind.OPENED, at=held.now, reason=why.reason, payload=payload)
    elif task.state == ReviewState.AWAITING_DECISION and await reviews_settle.is_apart(work, held, found):
        return
    turn = turn_of(task)
    if turn is None:
        return
    left = found.left(turn)
    if left != task.pending_count:
        task.pending_count, task.item_count = left, max(task.item_count, left)
        task.version += 1
    if left == 0 and found.of(turn):
        await reviews_settle.turn_over(work, held, submission, found)
    elif left == 0:
        await reviews_settle.end_unmarked(work, held, why.reason, why.by)
    await work.session.flush()


async def _settle_unmarked(
    work: Work, moved: Mapping[UUID, Change], known: Mapping[UUID, Mapping[str, Any]], why: Why, at: datetime
) -> None:
    tasks = {known[one]["id"]: pending(moved[one].items) for one in known}
    await work.fetch(_SETTLED, list(tasks), list(tasks.values()), at)
    over = [row for row in known.values() if tasks[row["id"]] == 0 and row["state"] != ReviewState.FINALISED]
    again = [row for row in known.values() if tasks[row["id"]] and row["state"] == ReviewState.FINALISED]
    await work.fetch(_LET_GO, [row["id"] for row in over], at)
    opened = await _open(work, [one for key, one in moved.items() if key not in known], at)
    ended = [(row["id"], moved[row["submission_id"]]) for row in over]
    began = [(row["id"], moved[row["submission_id"]]) for row in again] + opened
    told = [(*one, ReviewEventKind.FINALISED) for one in ended] + [(*one, ReviewEventKind.OPENED) for one in began]
    await setwise.insert(work, ReviewEvent, [_event(*one, why, at) for one in told])
    one = next(iter(moved.values())).submission
    work.touch(topics.reviews(one.tenant_id, one.org_unit_id))


def pending(items: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of the items of a score wait for a person."""
    return sum(one["state"] == ItemState.PENDING for one in items)


async def _open(work: Work, changes: Sequence[Change], at: datetime) -> list[tuple[UUID, Change]]:
    """Open the first review of submissions that had nothing to be judged when they were handed in."""
    opened = [(uuid7(), one) for one in changes if pending(one.items)]
    if not opened:
        return []
    rules = await reviews_policy.of_version(work, opened[0][1].submission.evaluation_version_id)
    ids = [one.submission.id for _, one in opened]
    observed = {row["submission_id"] for row in await work.fetch(_OBSERVED, ids)}
    rows = [
        {
            "id": task_id,
            "org_unit_id": one.submission.org_unit_id,
            "submission_id": one.submission.id,
            "assignment_id": one.submission.assignment_id,
            "evaluation_version_id": one.submission.evaluation_version_id,
            "user_id": one.submission.user_id,
            "item_count": pending(one.items),
            "pending_count": pending(one.items),
            "due_at": at + timedelta(days=reviews_policy.read(rules).due_days),
            "policy_id": None if rules is None else rules.id,
            "is_observed": one.submission.id in observed,
        }
        for task_id, one in opened
    ]
    await setwise.insert(work, ReviewTask, rows)
    return opened


def _event(task_id: UUID, change: Change, kind: ReviewEventKind, why: Why, at: datetime) -> dict[str, Any]:
    payload = {"correction": str(why.source_id)}
    if kind is ReviewEventKind.FINALISED:
        payload |= {"outcome": change.total.outcome, "percent": str(change.total.percent)}
    return {
        "org_unit_id": change.submission.org_unit_id,
        "task_id": task_id,
        "kind": kind,
        "at": at,
        "actor_id": why.by,
        "reason": why.reason,
        "payload": payload,
    }
