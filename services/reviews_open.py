"""Opening a review: a submission that a person has to judge waits from the moment it was handed in (domain.md 9)."""

from datetime import datetime, timedelta

from models.base import uuid7
from models.reviews import ReviewEventKind, ReviewTask
from models.submissions import Submission
from services import reviews_events
from services.work import Work

DUE = timedelta(days=7)
"""How long a review may take."""


async def open_for(work: Work, submission: Submission, pending: int, at: datetime) -> None:
    """Let a new submission wait for a reviewer, if `pending` of its items have to be judged by one."""
    if pending == 0:
        return
    task = ReviewTask(
        id=uuid7(),
        org_unit_id=submission.org_unit_id,
        submission_id=submission.id,
        assignment_id=submission.assignment_id,
        evaluation_version_id=submission.evaluation_version_id,
        user_id=submission.user_id,
        item_count=pending,
        pending_count=pending,
        due_at=at + DUE,
    )
    work.session.add(task)
    await work.session.flush()
    await reviews_events.append(work, task, ReviewEventKind.OPENED, at=at)
