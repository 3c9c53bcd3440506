"""Reviews after a correction: what a person has still to judge follows the scores (domain.md sections 8, 9).

Voiding the last essay that waits ends a review; undoing that lets it wait again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from models.base import uuid7
from models.reviews import ReviewEvent, ReviewEventKind, ReviewState, ReviewTask
from models.submissions import ItemState
from realtime import topics
from services import setwise
from services.reviews_open import DUE
from services.scores import Change, Why
from services.work import Work

_HELD: Final = """
select distinct on (submission_id) id, submission_id, state from review_tasks
where submission_id = any($1) order by submission_id, round desc"""
_SETTLED: Final = """
update review_tasks t set pending_count = given.pending, item_count = greatest(t.item_count, given.pending),
 version = t.version + 1,
 state = case when given.pending = 0 then 'finalised' when t.state = 'finalised' then 'awaiting_review'
  else t.state end,
 finalised_at = case when given.pending = 0 then coalesce(t.finalised_at, $3) end
from unnest($1::uuid[], $2::int[]) as given (id, pending) where t.id = given.id"""
_LET_GO: Final = """
update review_claims set leased_until = $2, fence = fence + 1 where task_id = any($1) and leased_until > $2"""


async def settle(work: Work, changes: Sequence[Change], why: Why, at: datetime) -> None:
    """Let the reviews of these submissions wait for what is pending now, and end those that wait for nothing.

    The caller holds the evaluation version, so nobody scores meanwhile. Who has a review in hand that ends loses it.
    """
    moved = {one.submission.id: one for one in changes if pending(one.items) != pending(one.before.items)}
    if not moved:
        return
    known = {row["submission_id"]: row for row in await work.fetch(_HELD, list(moved))}
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
            "due_at": at + DUE,
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
