"""Opening a review: a submission that a person has to judge waits from the moment it was handed in (domain.md 9)."""

from datetime import datetime, timedelta

from models.base import uuid7
from models.reviews import ReviewEventKind, ReviewTask
from models.submissions import Submission
from services import reviews_events, reviews_policy
from services.work import Work


async def open_for(work: Work, submission: Submission, pending: int, at: datetime, *, is_observed: bool) -> None:
    """Let a new submission wait for a reviewer, if `pending` of its items have to be judged by one."""
    if pending:
        await open_round(work, submission, pending, at, number=1, is_observed=is_observed)


async def open_round(
    work: Work,
    submission: Submission,
    pending: int,
    at: datetime,
    *,
    number: int,
    is_observed: bool,
    is_independent: bool = False,
    reason: str | None = None,
) -> ReviewTask:
    """Open a review of a submission under the rules in force; `number` counts its reviews, from 1."""
    rules = await reviews_policy.of_version(work, submission.evaluation_version_id)
    task = ReviewTask(
        id=uuid7(),
        org_unit_id=submission.org_unit_id,
        submission_id=submission.id,
        round=number,
        assignment_id=submission.assignment_id,
        evaluation_version_id=submission.evaluation_version_id,
        user_id=submission.user_id,
        item_count=pending,
        pending_count=pending,
        due_at=at + timedelta(days=reviews_policy.read(rules).due_days),
        policy_id=None if rules is None else rules.id,
        is_observed=is_observed,
        is_independent=is_independent,
    )
    work.session.add(task)
    await work.session.flush()
    payload = {"round": number} if number > 1 else None
    await reviews_events.append(work, task, ReviewEventKind.OPENED, at=at, reason=reason, payload=payload)
    return task
