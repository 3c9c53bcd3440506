"""Findings: what a reviewer objects to in what was observed, and how each was closed (domain.md section 9)."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from models.base import uuid7
from models.reviews import ReviewEventKind
from models.reviews_findings import FindingSeverity, FindingState, ReviewFinding
from models.submissions import SubmissionItem
from services import plain, reviews_events, words
from services.idempotency import Answer
from services.refusals import InvalidInput, NotFound
from services.reviews_hold import drifted, hold, require_fence, require_open, reviewer
from services.work import Work


async def raise_(
    work: Work, task_id: UUID, fence: int, item_id: UUID | None, severity: FindingSeverity, text: str
) -> Answer:
    """Object to something, on one item or on the whole, and say what is wrong; the claim is renewed."""
    said = words.reason(text, path=["text"])
    held = await hold(work, task_id)
    require_open(held)
    require_fence(work, held, fence)
    if not held.task.is_observed:
        raise InvalidInput("Nothing in this review was observed.", path=["taskId"], hint="Say it in a comment.")
    if item_id is not None:
        wanted = select(SubmissionItem.id).where(
            SubmissionItem.id == item_id, SubmissionItem.submission_id == held.task.submission_id
        )
        if (await work.session.scalar(wanted)) is None:
            raise NotFound("SubmissionItem", item_id, path=["itemId"])
    finding = ReviewFinding(
        id=uuid7(),
        org_unit_id=held.task.org_unit_id,
        task_id=task_id,
        submission_item_id=item_id,
        severity=severity,
        text=said,
        raised_by=reviewer(work),
    )
    work.session.add(finding)
    held.task.version += 1
    await work.session.flush()
    about = {"finding": str(finding.id)}
    await reviews_events.append(work, held.task, ReviewEventKind.FINDING_RAISED, at=held.now, payload=about)
    told = about | {"severity": severity.value}
    work.record("finding.raised", ("submission", held.task.submission_id), reason=said, after=told)
    return {"task": str(task_id), "finding": str(finding.id)}


async def close(work: Work, finding_id: UUID, fence: int, state: FindingState, reason: str) -> Answer:
    """Close a finding, as resolved or as waived, and say why; refuses one that is closed."""
    why = words.reason(reason)
    task_id = await work.session.scalar(select(ReviewFinding.task_id).where(ReviewFinding.id == finding_id))
    if task_id is None:
        raise NotFound("ReviewFinding", finding_id)
    held = await hold(work, task_id)
    require_open(held)
    require_fence(work, held, fence)
    finding = (await work.session.scalars(select(ReviewFinding).where(ReviewFinding.id == finding_id))).one()
    if finding.state != FindingState.OPEN:
        raise drifted(held, f"The finding was {finding.state} already.")
    finding.state, finding.closed_by, finding.closed_at = state, reviewer(work), held.now
    finding.closing_reason = why
    held.task.version += 1
    await work.session.flush()
    told = {"finding": str(finding.id), "state": state.value}
    await reviews_events.append(work, held.task, ReviewEventKind.FINDING_CLOSED, at=held.now, payload=told)
    work.record(f"finding.{state}", ("submission", held.task.submission_id), reason=why, after=told)
    return {"task": str(task_id), "finding": str(finding.id)}


async def of_tasks(work: Work, task_ids: Sequence[UUID]) -> dict[UUID, list[ReviewFinding]]:
    """Return the findings of each of these reviews, oldest first."""
    found: dict[UUID, list[ReviewFinding]] = {one: [] for one in task_ids}
    for row in sorted(await plain.by(work, ReviewFinding, "task_id", task_ids), key=lambda one: one.id):
        found[row.task_id].append(row)
    return found
