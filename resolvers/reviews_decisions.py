"""Decisions about a review beside its marks, and findings."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from dataloaders import reviews as loaders
from models.capabilities import Capability
from models.reviews import ReviewTask
from models.reviews_findings import FindingSeverity, FindingState
from resolvers.access import requires
from resolvers.context import Context
from services import reviews_decisions, reviews_findings
from services.idempotency import Answer
from services.work import Work


@requires(Capability.REVIEWS_GRADE)
async def ask_second(context: Context, task_id: UUID, fence: int, reason: str, key: str | None) -> ReviewTask:
    """Have another person judge, too."""

    async def act(work: Work) -> Answer:
        return await reviews_decisions.ask_second(work, task_id, fence, reason)

    return await _fenced(context, "reviewSecondOpinionAsk", task_id, fence, reason, key, act)


@requires(Capability.REVIEWS_GRADE)
async def approve(context: Context, task_id: UUID, fence: int, reason: str, key: str | None) -> ReviewTask:
    """Approve what was observed."""

    async def act(work: Work) -> Answer:
        return await reviews_decisions.approve(work, task_id, fence, reason)

    return await _fenced(context, "reviewApprove", task_id, fence, reason, key, act)


@requires(Capability.REVIEWS_GRADE)
async def reject(context: Context, task_id: UUID, fence: int, reason: str, key: str | None) -> ReviewTask:
    """Reject what was observed."""

    async def act(work: Work) -> Answer:
        return await reviews_decisions.reject(work, task_id, fence, reason)

    return await _fenced(context, "reviewReject", task_id, fence, reason, key, act)


@requires(Capability.REVIEWS_GRADE)
async def request_changes(context: Context, task_id: UUID, fence: int, reason: str, key: str | None) -> ReviewTask:
    """Let what was observed wait for changes."""

    async def act(work: Work) -> Answer:
        return await reviews_decisions.request_changes(work, task_id, fence, reason)

    return await _fenced(context, "reviewRequestChanges", task_id, fence, reason, key, act)


@requires(Capability.REVIEWS_GRADE)
async def resume(context: Context, task_id: UUID, reason: str, key: str | None) -> ReviewTask:
    """Go on with a review that waited for changes."""

    async def act(work: Work) -> Answer:
        return await reviews_decisions.resume(work, task_id, reason)

    return await _done(context, "reviewResume", {"task": str(task_id), "reason": reason}, key, act)


@requires(Capability.REVIEWS_REASSIGN)
async def reopen(context: Context, task_id: UUID, reason: str, key: str | None) -> ReviewTask:
    """Open another round of a finalised review."""

    async def act(work: Work) -> Answer:
        return await reviews_decisions.reopen(work, task_id, reason)

    return await _done(context, "reviewReopen", {"task": str(task_id), "reason": reason}, key, act)


@requires(Capability.REVIEWS_GRADE)
async def finding_raise(
    context: Context,
    task_id: UUID,
    fence: int,
    item_id: UUID | None,
    severity: FindingSeverity,
    text: str,
    key: str | None,
) -> ReviewTask:
    """Object to something."""

    async def act(work: Work) -> Answer:
        return await reviews_findings.raise_(work, task_id, fence, item_id, severity, text)

    given = {"task": str(task_id), "fence": fence, "item": str(item_id), "severity": severity, "text": text}
    return await _done(context, "findingRaise", given, key, act)


@requires(Capability.REVIEWS_GRADE)
async def finding_close(
    context: Context, finding_id: UUID, fence: int, state: FindingState, reason: str, key: str | None
) -> ReviewTask:
    """Close a finding."""

    async def act(work: Work) -> Answer:
        return await reviews_findings.close(work, finding_id, fence, state, reason)

    given = {"finding": str(finding_id), "fence": fence, "state": state, "reason": reason}
    operation = "findingResolve" if state is FindingState.RESOLVED else "findingWaive"
    return await _done(context, operation, given, key, act)


async def _fenced(
    context: Context,
    operation: str,
    task_id: UUID,
    fence: int,
    reason: str,
    key: str | None,
    act: Callable[[Work], Awaitable[Answer]],
) -> ReviewTask:
    return await _done(context, operation, {"task": str(task_id), "fence": fence, "reason": reason}, key, act)


async def _done(
    context: Context, operation: str, given: Any, key: str | None, act: Callable[[Work], Awaitable[Answer]]
) -> ReviewTask:
    answer = await context.write(operation, key, given, act)
    row = await context.loaders.of(loaders.by_id).load(UUID(answer["task"]))
    if row is None:
        raise LookupError(f"review {answer['task']} cannot be read back")
    return row
