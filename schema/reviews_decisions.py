"""Decisions about a review beside its marks, and findings."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import strawberry

from models.reviews import ReviewTask as TaskRow
from resolvers import reviews_decisions
from resolvers.context import Context
from schema.access import Info, act, says, told
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.reviews import ReviewTask
from schema.reviews_acts import FENCE
from schema.reviews_enums import FindingSeverity, FindingState
from schema.users_acts import KEY, WHY


@strawberry.input(description="A decision on a review that the caller has in hand.")
class ReviewDecisionInput:
    """Which review, and why."""

    task_id: strawberry.ID = told("Global id of the review.")
    fence: int = told(FENCE)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A review that nobody needs to have in hand.")
class ReviewReopenInput:
    """Which review, and why."""

    task_id: strawberry.ID = told("Global id of the review.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Something to object to.")
class FindingRaiseInput:
    """A finding."""

    task_id: strawberry.ID = told("Global id of the review.")
    fence: int = told(FENCE)
    item_id: strawberry.ID | None = told("Global id of the item it is about; the whole when left out.", default=None)
    severity: FindingSeverity = told("How grave it is.")
    text: str = told("What is wrong, 1 to 1,000 characters.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A finding to close.")
class FindingCloseInput:
    """Which finding, and why."""

    id: strawberry.ID = told("Global id of the finding.")
    fence: int = told(FENCE)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A review on which something was decided, or not.")
class ReviewDecisionPayload:
    """Answer of decisions."""

    task: ReviewTask | None = told("The review, or the next one after `reviewReopen`; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


async def _answered(done: Awaitable[TaskRow]) -> ReviewDecisionPayload:
    row, problems = await attempt(done)
    return ReviewDecisionPayload(task=row and ReviewTask.of(row), problems=problems)


async def _held(
    info: Info, given: ReviewDecisionInput, decide: Callable[[Context, UUID, int, str, str | None], Awaitable[TaskRow]]
) -> TaskRow:
    task_id = local_id("ReviewTask", given.task_id, path=["taskId"])
    return await decide(info.context, task_id, given.fence, given.reason, given.idempotency_key)


async def _free(
    info: Info, given: ReviewReopenInput, decide: Callable[[Context, UUID, str, str | None], Awaitable[TaskRow]]
) -> TaskRow:
    task_id = local_id("ReviewTask", given.task_id, path=["taskId"])
    return await decide(info.context, task_id, given.reason, given.idempotency_key)


@strawberry.type
class ReviewsDecisionsMutation:
    """Decisions on reviews."""

    @act(
        reviews_decisions.ask_second,
        "Have another person judge, too, once the caller's own marks are final; possible in the first turn only.",
    )
    async def review_second_opinion_ask(
        self, info: Info, input: Annotated[ReviewDecisionInput, says("Which review, and why.")]
    ) -> ReviewDecisionPayload:
        """Ask for a second opinion."""
        return await _answered(_held(info, input, reviews_decisions.ask_second))

    @act(
        reviews_decisions.approve,
        "Approve what was observed, after all marks: they count. Refused as FINDINGS_OPEN while a blocking finding is "
        "open.",
    )
    async def review_approve(
        self, info: Info, input: Annotated[ReviewDecisionInput, says("Which review, and why.")]
    ) -> ReviewDecisionPayload:
        """Approve."""
        return await _answered(_held(info, input, reviews_decisions.approve))

    @act(reviews_decisions.reject, "Reject what was observed, after all marks: what a person judged counts nothing.")
    async def review_reject(
        self, info: Info, input: Annotated[ReviewDecisionInput, says("Which review, and why.")]
    ) -> ReviewDecisionPayload:
        """Reject."""
        return await _answered(_held(info, input, reviews_decisions.reject))

    @act(
        reviews_decisions.request_changes,
        "Let what was observed wait until something is changed, and give the review back; `reviewResume` goes on.",
    )
    async def review_request_changes(
        self, info: Info, input: Annotated[ReviewDecisionInput, says("Which review, and why.")]
    ) -> ReviewDecisionPayload:
        """Request changes."""
        return await _answered(_held(info, input, reviews_decisions.request_changes))

    @act(reviews_decisions.resume, "Go on with a review that waited for changes, where it stood.")
    async def review_resume(
        self, info: Info, input: Annotated[ReviewReopenInput, says("Which review, and why.")]
    ) -> ReviewDecisionPayload:
        """Resume."""
        return await _answered(_free(info, input, reviews_decisions.resume))

    @act(
        reviews_decisions.reopen,
        "Open another round of a finalised review. The score stays until that round is finalised, too.",
    )
    async def review_reopen(
        self, info: Info, input: Annotated[ReviewReopenInput, says("Which review, and why.")]
    ) -> ReviewDecisionPayload:
        """Reopen."""
        return await _answered(_free(info, input, reviews_decisions.reopen))

    @act(reviews_decisions.finding_raise, "Object to something in what was observed.")
    async def finding_raise(
        self, info: Info, input: Annotated[FindingRaiseInput, says("The finding.")]
    ) -> ReviewDecisionPayload:
        """Raise a finding."""

        async def object_() -> TaskRow:
            task_id = local_id("ReviewTask", input.task_id, path=["taskId"])
            item = input.item_id
            item_id = None if item is None else local_id("SubmissionItem", item, path=["itemId"])
            severity, key = input.severity, input.idempotency_key
            return await reviews_decisions.finding_raise(
                info.context, task_id, input.fence, item_id, severity, input.text, key
            )

        return await _answered(object_())

    @act(reviews_decisions.finding_close, "Close a finding whose matter was mended.")
    async def finding_resolve(
        self, info: Info, input: Annotated[FindingCloseInput, says("Which finding, and why.")]
    ) -> ReviewDecisionPayload:
        """Resolve a finding."""
        return await _answered(_closed(info, input, FindingState.RESOLVED))

    @act(reviews_decisions.finding_close, "Close a finding though nothing was mended.")
    async def finding_waive(
        self, info: Info, input: Annotated[FindingCloseInput, says("Which finding, and why.")]
    ) -> ReviewDecisionPayload:
        """Waive a finding."""
        return await _answered(_closed(info, input, FindingState.WAIVED))


async def _closed(info: Info, given: FindingCloseInput, state: FindingState) -> TaskRow:
    finding_id, key = local_id("ReviewFinding", given.id), given.idempotency_key
    return await reviews_decisions.finding_close(info.context, finding_id, given.fence, state, given.reason, key)
