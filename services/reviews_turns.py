"""Whose turn a review is: first marks, a second opinion by somebody else, or the word of a third (domain.md section 9).

Nobody has two turns in one review, and whoever marked a submission before takes no part in an independent review of it.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, literal, or_, select, union_all
from sqlalchemy.orm import aliased

from models.capabilities import Capability
from models.identity import User
from models.reviews import MarkRole, ReviewMark, ReviewState, ReviewTask
from services.refusals import Forbidden, OneselfRefused
from services.reviews_hold import Held
from services.work import Work

TURNS: Mapping[str, MarkRole] = {
    ReviewState.AWAITING_REVIEW: MarkRole.FIRST,
    ReviewState.REQUIRES_SECOND_OPINION: MarkRole.SECOND,
    ReviewState.REQUIRES_ADJUDICATION: MarkRole.ADJUDICATOR,
}
"""In which turn marks are given, by the state of the review; in any other state none are."""


def turn_of(task: ReviewTask) -> MarkRole | None:
    """Return whose turn it is; None when there is nothing to mark."""
    return TURNS.get(task.state)


def is_barred(person: UUID) -> ColumnElement[bool]:
    """Whether a person had another turn in a review, or marked the submission before an independent one.

    What a duplicate marked, who was merged into this person since, is theirs, too.
    """
    here, there, other = aliased(ReviewMark), aliased(ReviewMark), aliased(ReviewTask)
    same = union_all(select(literal(person)), select(User.id).where(User.merged_into == person))
    theirs = exists().where(here.task_id == ReviewTask.id, here.marker_id.in_(same))
    before = (
        exists()
        .where(there.task_id == other.id, there.marker_id.in_(same))
        .where(other.submission_id == ReviewTask.submission_id, other.id != ReviewTask.id)
    )
    second, third = ReviewState.REQUIRES_SECOND_OPINION, ReviewState.REQUIRES_ADJUDICATION
    return or_(
        and_(ReviewTask.state == second, theirs.where(here.role == MarkRole.FIRST)),
        and_(ReviewTask.state == third, theirs.where(here.role != MarkRole.ADJUDICATOR)),
        and_(ReviewTask.is_independent, before),
    )


async def require_turn(work: Work, held: Held, person: UUID, *, may_adjudicate: bool) -> None:
    """Refuse whoever had another turn already, and whoever may not decide between two others when that is due."""
    if held.task.state == ReviewState.REQUIRES_ADJUDICATION and not may_adjudicate:
        raise Forbidden(Capability.REVIEWS_ADJUDICATE)
    barred = select(ReviewTask.id).where(ReviewTask.id == held.task.id, is_barred(person))
    if (await work.session.scalar(barred)) is not None:
        raise OneselfRefused(
            "You have marked this already, and another person's judgement is asked for.",
            hint="Leave it to a colleague.",
        )
