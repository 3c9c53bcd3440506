"""The answer to an inquiry: given by the review that it asked for, in the transaction that ends it."""

from sqlalchemy import select

from models.results import Inquiry, InquiryOutcome, InquiryState
from models.reviews import ReviewMark
from services.reviews_hold import Held
from services.scores import Change
from services.work import Work


async def answer(work: Work, held: Held, change: Change, last: ReviewMark) -> None:
    """Answer the inquiry that a review was opened for, if it was for one: by whether the points differ, and why."""
    wanted = select(Inquiry).where(Inquiry.task_id == held.task.id, Inquiry.state == InquiryState.OPEN)
    row = (await work.session.scalars(wanted)).one_or_none()
    if row is None:
        return
    is_changed = change.total.points != change.before.points
    row.state = InquiryState.ANSWERED
    row.outcome = InquiryOutcome.CHANGED if is_changed else InquiryOutcome.UPHELD
    row.answer, row.answered_at, row.answered_by = last.rationale, held.now, last.marker_id
    await work.session.flush()
    after = {"outcome": row.outcome, "points": str(change.total.points)}
    before = {"points": str(change.before.points)}
    work.record(
        "inquiry.answered", ("submission", row.submission_id), reason=last.rationale, before=before, after=after
    )
