"""The answer to an inquiry: given by the review that it asked for, in the transaction that ends it."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from models.results import Inquiry, InquiryOutcome, InquiryState
from models.reviews import ReviewMark
from models.submissions import ScoreVersion
from services.reviews_hold import Held
from services.scores import Change
from services.work import Work


async def answer(work: Work, held: Held, change: Change, last: ReviewMark) -> None:
    """Answer the inquiry that a review was opened for, if it was for one: by whether the points differ, and why."""
    row = await _open(work, held)
    if row is not None:
        points = (change.before.points, change.total.points)
        await _answer(work, held, row, points, last.rationale, last.marker_id)


async def answer_unmarked(work: Work, held: Held, reason: str, by: UUID | None) -> None:
    """Answer the inquiry of a review that ended because nothing was left to judge: by what was corrected, and why."""
    row = await _open(work, held)
    if row is None:
        return
    score = select(ScoreVersion.points).where(ScoreVersion.submission_id == row.submission_id)
    asked = score.where(ScoreVersion.created_at <= row.created_at)
    before = (await work.session.scalars(asked.order_by(ScoreVersion.number.desc()).limit(1))).one()
    now = (await work.session.scalars(score.order_by(ScoreVersion.number.desc()).limit(1))).one()
    await _answer(work, held, row, (before, now), reason, by)


async def _open(work: Work, held: Held) -> Inquiry | None:
    wanted = select(Inquiry).where(Inquiry.task_id == held.task.id, Inquiry.state == InquiryState.OPEN)
    return (await work.session.scalars(wanted)).one_or_none()


async def _answer(
    work: Work, held: Held, row: Inquiry, points: tuple[Decimal, Decimal], reason: str, by: UUID | None
) -> None:
    before, now = points
    row.state = InquiryState.ANSWERED
    row.outcome = InquiryOutcome.UPHELD if now == before else InquiryOutcome.CHANGED
    row.answer, row.answered_at, row.answered_by = reason, held.now, by
    await work.session.flush()
    told = {"outcome": row.outcome, "points": str(now)}
    was = {"points": str(before)}
    work.record("inquiry.answered", ("submission", row.submission_id), reason=reason, before=was, after=told)
