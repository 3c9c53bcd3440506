"""Opening a review: a submission that a person has to judge waits from the moment it was handed in (domain.md 9)."""

from models.base import uuid7
from models.reviews import ReviewTask
from models.submissions import Submission
from services.work import Work


def open_for(work: Work, submission: Submission, pending: int) -> None:
    """Let a new submission wait for a reviewer, if `pending` of its items have to be judged by one."""
    if pending == 0:
        return
    work.session.add(
        ReviewTask(
            id=uuid7(),
            org_unit_id=submission.org_unit_id,
            submission_id=submission.id,
            assignment_id=submission.assignment_id,
            evaluation_version_id=submission.evaluation_version_id,
            user_id=submission.user_id,
            item_count=pending,
            pending_count=pending,
        )
    )
