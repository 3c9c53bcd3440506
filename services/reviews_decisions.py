"""Decisions about a review beside its marks: another opinion, approval, changes, rejection, another round.

What was observed is approved or rejected by a person after its marks, and never approved while a blocking finding is
open (domain.md section 9).
"""

from uuid import UUID

from sqlalchemy import func, select

from models.reviews import (
    MarkRole,
    ReviewClaim,
    ReviewDecision,
    ReviewEventKind,
    ReviewState,
    ReviewTask,
    SecondOpinionReason,
)
from models.reviews_findings import FindingSeverity, FindingState, ReviewFinding
from models.submissions import Submission
from services import reviews_claims, reviews_events, reviews_open, reviews_settle, words
from services.idempotency import Answer
from services.refusals import InvalidInput, Refusal
from services.reviews_hold import Held, drifted, hold, hold_to_score, require_another, require_fence, require_open
from services.work import Work


class FindingsOpen(Refusal):
    """An approval while a blocking finding is open."""

    code = "FINDINGS_OPEN"
    hint = "Resolve or waive the blocking findings first."


async def ask_second(work: Work, task_id: UUID, fence: int, reason: str) -> Answer:
    """Have another person judge, too, once one's own marks are given; refuses a review that is past its first turn."""
    why = words.reason(reason)
    held = await hold(work, task_id)
    require_open(held)
    claim = require_fence(work, held, fence)
    if held.task.state != ReviewState.AWAITING_REVIEW:
        raise drifted(held, "The first marks are given already.")
    held.task.reasons = sorted({*held.task.reasons, SecondOpinionReason.MANUAL})
    held.task.note = why
    held.task.version += 1
    await work.session.flush()
    work.record("review.second_opinion_asked", ("submission", held.task.submission_id), reason=why)
    return _answer(held, claim)


async def approve(work: Work, task_id: UUID, fence: int, reason: str) -> Answer:
    """Approve what was observed: its marks count. Refused while a blocking finding is open."""
    why = words.reason(reason)
    held, submission = await hold_to_score(work, task_id)
    claim = _require_decision(work, held, fence)
    blocking = select(func.count()).where(
        ReviewFinding.task_id == task_id,
        ReviewFinding.severity == FindingSeverity.BLOCKING,
        ReviewFinding.state == FindingState.OPEN,
    )
    count = (await work.session.scalar(blocking)) or 0
    if count:
        raise FindingsOpen(f"{count} blocking {'finding is' if count == 1 else 'findings are'} open.")
    return await _decided(work, held, submission, claim, ReviewDecision.APPROVED, why)


async def reject(work: Work, task_id: UUID, fence: int, reason: str) -> Answer:
    """Reject what was observed: what a person judged in it counts nothing."""
    why = words.reason(reason)
    held, submission = await hold_to_score(work, task_id)
    claim = _require_decision(work, held, fence)
    return await _decided(work, held, submission, claim, ReviewDecision.REJECTED, why)


async def request_changes(work: Work, task_id: UUID, fence: int, reason: str) -> Answer:
    """Let what was observed wait until something is changed, and give it back."""
    why = words.reason(reason)
    held = await hold(work, task_id)
    require_open(held)
    claim = require_fence(work, held, fence)
    _require_observed(held)
    if held.task.state not in (ReviewState.AWAITING_REVIEW, ReviewState.AWAITING_DECISION):
        raise drifted(held, "Another person's judgement is waited for.")
    before = held.task.state
    held.task.state = ReviewState.CHANGES_REQUESTED
    await reviews_claims.let_go(work, held)
    await reviews_events.append(work, held.task, ReviewEventKind.CHANGES_REQUESTED, at=held.now, reason=why)
    work.record(
        "review.changes_requested", ("submission", held.task.submission_id), reason=why, before={"state": before}
    )
    return _answer(held, claim)


async def resume(work: Work, task_id: UUID, reason: str) -> Answer:
    """Go on with a review that waited for changes, where it stood or where corrections have left it since."""
    why = words.reason(reason)
    held, submission = await hold_to_score(work, task_id)
    require_another(work, held)
    if held.task.state != ReviewState.CHANGES_REQUESTED:
        raise drifted(held, "The review does not wait for changes.")
    found = await reviews_settle.sheet(work, held.task, submission)
    left, is_marked = found.left(MarkRole.FIRST), held.task.first_marker_id is not None
    held.task.state = ReviewState.AWAITING_DECISION if is_marked and not left else ReviewState.AWAITING_REVIEW
    held.task.pending_count, held.task.item_count = left, max(held.task.item_count, left)
    held.task.version += 1
    await reviews_events.append(work, held.task, ReviewEventKind.RESUMED, at=held.now, reason=why)
    work.record("review.resumed", ("submission", submission.id), reason=why, after={"state": held.task.state})
    if not left and held.task.state == ReviewState.AWAITING_REVIEW:
        if found.of(MarkRole.FIRST):
            await reviews_settle.turn_over(work, held, submission, found)
        else:
            await reviews_settle.end_unmarked(work, held, why, work.viewer.user_id)
    elif not left:
        await reviews_settle.is_apart(work, held, found)
    await work.session.flush()
    return _answer(held, held.claim)


async def reopen(work: Work, task_id: UUID, reason: str) -> Answer:
    """Open another round of a finalised review; the score stays until that round is finalised, too."""
    why = words.reason(reason)
    held, submission = await hold_to_score(work, task_id)
    require_another(work, held)
    if held.task.state != ReviewState.FINALISED:
        raise drifted(held, "The review is not finalised.")
    work.record("review.reopened", ("submission", submission.id), reason=why, after={"round": held.task.round + 1})
    task = await another_round(work, held, submission, why, is_independent=False)
    return {"task": str(task.id), "fence": 0}


async def another_round(
    work: Work, held: Held, submission: Submission, reason: str, *, is_independent: bool
) -> ReviewTask:
    """Open the next review of a submission whose latest one is held; refuses while one is open, or nothing is left."""
    latest = select(ReviewTask).where(ReviewTask.submission_id == submission.id).order_by(ReviewTask.round.desc())
    last = (await work.session.scalars(latest.limit(1))).one()
    if last.state != ReviewState.FINALISED or last.id != held.task.id:
        raise drifted(held, f"Round {last.round} is the latest review of this submission.")
    another = ReviewTask(round=last.round + 1)
    found = await reviews_settle.sheet(work, another, submission)
    if not found.open:
        raise InvalidInput("Nothing in this submission is judged by a person any more.", path=["id"])
    return await reviews_open.open_round(
        work,
        submission,
        len(found.open),
        held.now,
        number=another.round,
        is_observed=held.task.is_observed,
        is_independent=is_independent,
        reason=reason,
    )


async def _decided(
    work: Work, held: Held, submission: Submission, claim: ReviewClaim, decision: ReviewDecision, why: str
) -> Answer:
    held.task.decision = decision
    work.record(f"review.{decision}", ("submission", submission.id), reason=why, after={"round": held.task.round})
    found = await reviews_settle.sheet(work, held.task, submission)
    await reviews_settle.count(work, held, submission, found)
    await work.session.flush()
    return _answer(held, claim)


def _require_decision(work: Work, held: Held, fence: int) -> ReviewClaim:
    require_open(held)
    claim = require_fence(work, held, fence)
    _require_observed(held)
    if held.task.state != ReviewState.AWAITING_DECISION:
        raise drifted(held, "Not everything is marked yet.")
    return claim


def _require_observed(held: Held) -> None:
    if not held.task.is_observed:
        raise InvalidInput(
            "Nothing in this review was observed; its marks alone decide.",
            path=["taskId"],
            hint="Make the marks final.",
        )


def _answer(held: Held, claim: ReviewClaim | None) -> Answer:
    return {"task": str(held.task.id), "fence": 0 if claim is None else claim.fence}
