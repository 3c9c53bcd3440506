"""Inquiries: a candidate asks for a regrade once, and another assessor's review answers (domain.md section 9)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from models.base import uuid7
from models.results import Inquiry
from models.reviews import ReviewState, ReviewTask
from models.submissions import Submission
from services import plain, results, reviews_decisions, reviews_hold, reviews_policy, reviews_settle, scores, words
from services.idempotency import Answer
from services.policy import FeedbackMode
from services.refusals import AlreadyExists, Refusal
from services.results import ResultState
from services.work import Work


class InquiryClosed(Refusal):
    """A regrade that cannot be asked for: not offered, not yet, or too late."""

    code = "INQUIRY_CLOSED"
    hint = "Speak to whoever set the assessment."


async def open_(work: Work, session_id: UUID, mode: FeedbackMode, reason: str) -> Answer:
    """Ask for a regrade of what a session handed in; its score stays until another assessor has judged.

    Refused while the result is not told, when the rules of its review offer none, after their days, and the second
    time.
    """
    why = words.reason(reason)
    found = await _last_review(work, session_id)
    if found is None:
        raise InquiryClosed("Nothing that was handed in was judged by a person.")
    lock = reviews_hold.lock_name(work.viewer.tenant_id, found.id)
    submission = await scores.hold(work, found.submission_id, lock)
    held = await reviews_hold.held(work, found.id)
    if (await of_submissions(work, [submission.id])).get(submission.id) is not None:
        raise AlreadyExists("A regrade was asked for already.", hint="Wait for its answer.")
    until = await _until(work, submission, held.task, mode)
    if until is None:
        raise InquiryClosed("A regrade cannot be asked for.")
    if held.now >= until:
        raise InquiryClosed(f"A regrade could be asked for until {until.isoformat()}.")
    work.record("inquiry.opened", ("submission", submission.id), reason=why)
    task = await reviews_decisions.another_round(work, held, submission, why, is_independent=True)
    row = Inquiry(
        id=uuid7(), org_unit_id=submission.org_unit_id, submission_id=submission.id, task_id=task.id, reason=why
    )
    work.session.add(row)
    await work.session.flush()
    return {"inquiry": str(row.id)}


async def until(work: Work, session_id: UUID, mode: FeedbackMode) -> datetime | None:
    """Return until when a regrade can be asked for; None when it cannot, or was asked for."""
    task = await _last_review(work, session_id)
    if task is None:
        return None
    submission = (await work.session.scalars(select(Submission).where(Submission.id == task.submission_id))).one()
    if (await of_submissions(work, [submission.id])).get(submission.id) is not None:
        return None
    return await _until(work, submission, task, mode)


async def of_submissions(work: Work, submission_ids: Sequence[UUID]) -> dict[UUID, Inquiry]:
    """Return the inquiries about these submissions, those that have one."""
    return {row.submission_id: row for row in await plain.by(work, Inquiry, "submission_id", submission_ids)}


async def of_session(work: Work, session_id: UUID) -> Inquiry | None:
    """Return the inquiry about what a session handed in."""
    wanted = select(Inquiry).join(Submission, Submission.id == Inquiry.submission_id)
    return (await work.session.scalars(wanted.where(Submission.session_id == session_id))).one_or_none()


async def _last_review(work: Work, session_id: UUID) -> ReviewTask | None:
    wanted = (
        select(ReviewTask)
        .join(Submission, Submission.id == ReviewTask.submission_id)
        .where(Submission.session_id == session_id)
        .order_by(ReviewTask.round.desc())
        .limit(1)
    )
    return (await work.session.scalars(wanted)).one_or_none()


async def _until(work: Work, submission: Submission, task: ReviewTask, mode: FeedbackMode) -> datetime | None:
    """Return the end of the days in which a regrade can be asked for: from when the result stood and was told."""
    told = await results.of_session(work, submission.session_id, mode)
    rules = None if task.policy_id is None else (await reviews_policy.by_ids(work, [task.policy_id]))[task.policy_id]
    days = reviews_policy.read(rules).inquiry_days
    if (
        told.state is not ResultState.TOLD
        or task.state != ReviewState.FINALISED
        or task.finalised_at is None
        or not days
    ):
        return None
    if not (await reviews_settle.sheet(work, ReviewTask(round=task.round + 1), submission)).open:
        return None  # all that a person judged was voided
    begins = max(task.finalised_at, told.since or task.finalised_at)
    return begins + timedelta(days=days)
