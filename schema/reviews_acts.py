"""Acts of whoever reviews: claim, claim next, release, steal, draft, finalise."""

from collections.abc import Awaitable
from decimal import Decimal
from typing import Annotated

import strawberry

from resolvers import reviews
from resolvers.reviews import Claimed, Drafted
from schema.access import Info, act, says, told
from schema.nodes import local_id
from schema.problems import Problem, StateDrift, attempt
from schema.reviews import GradeDraft, ReviewTask
from schema.reviews_queue import ReviewTaskFilter
from schema.users_acts import KEY
from services.content_parts import refuse_repeats
from services.reviews_marks import Judgement

FENCE = "The fence of the caller's claim; refused as STATE_DRIFT when the review has changed hands since."


@strawberry.input(description="A review to take in hand.")
class ReviewClaimInput:
    """Which review."""

    id: strawberry.ID = told("Global id of the review.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Among which reviews to take the next in hand.")
class ReviewClaimNextInput:
    """Which reviews."""

    filter: ReviewTaskFilter | None = told("Only among these; among all when left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A review to give back.")
class ReviewReleaseInput:
    """Which review."""

    id: strawberry.ID = told("Global id of the review.")
    fence: int = told(FENCE)
    reason: str | None = told("Why, 1 to 1,000 characters; may be left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A review to take over.")
class ReviewStealInput:
    """Which review, and why."""

    id: strawberry.ID = told("Global id of the review.")
    reason: str = told("Why, 1 to 1,000 characters.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="The level chosen for one criterion of a rubric.")
class ChosenLevelInput:
    """A choice."""

    criterion: str = told("Id of the criterion.")
    level: str = told("Id of the chosen level.")


def _judgement(
    item_id: strawberry.ID, points: Decimal | None, levels: list[ChosenLevelInput] | None, comment: str
) -> Judgement:
    chosen = None if levels is None else {one.criterion: one.level for one in levels}
    if levels is not None and chosen is not None and len(chosen) < len(levels):
        refuse_repeats([one.criterion for one in levels], ("levels",), "criterion")
    return Judgement(local_id("SubmissionItem", item_id, path=["itemId"]), points, chosen, comment)


@strawberry.input(description="A draft to keep; it is whole, what is left out is left open.")
class GradeDraftSaveInput:
    """A draft."""

    task_id: strawberry.ID = told("Global id of the review.")
    item_id: strawberry.ID = told("Global id of the item.")
    fence: int = told(FENCE)
    revision: int = told("The reviewer's own count of the draft, from 0; a lower one never overwrites a higher one.")
    points: Decimal | None = told("Points, where there is no rubric: 0 to what the item is worth.", default=None)
    levels: list[ChosenLevelInput] | None = told("Levels, where there is a rubric; some or all.", default=None)
    comment: str = told("A comment, as Markdown, at most 10,000 characters.", default="")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A mark to make final.")
class GradeFinaliseInput:
    """A mark."""

    task_id: strawberry.ID = told("Global id of the review.")
    item_id: strawberry.ID = told("Global id of the item.")
    fence: int = told(FENCE)
    points: Decimal | None = told("Points, where there is no rubric: 0 to what the item is worth.", default=None)
    levels: list[ChosenLevelInput] | None = told(
        "Levels, where there is a rubric: one for each criterion.", default=None
    )
    comment: str = told("A comment, as Markdown, at most 10,000 characters.", default="")
    rationale: str = told("Why the mark is given, 1 to 1,000 characters; it stays for ever.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A review that changed hands, or did not.")
class ReviewClaimPayload:
    """Answer of claims."""

    task: ReviewTask | None = told("The review; null when nothing was done.")
    fence: int | None = told("The fence that holds now, to be shown with every act of its holder.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A draft as kept.")
class GradeDraftSavePayload:
    """Answer of `gradeDraftSave`."""

    task: ReviewTask | None = told("The review; null when nothing was kept.")
    draft: GradeDraft | None = told("The caller's draft as it is kept: of what was sent, or a later revision.")
    problems: list[Problem] = told(
        "Why nothing was kept. STATE_DRIFT with a draft beside it: the review is in other hands by now, and the draft "
        "is kept as the caller's all the same."
    )


@strawberry.type(description="A mark that was made final, or was not.")
class GradeFinalisePayload:
    """Answer of `gradeFinalise`."""

    task: ReviewTask | None = told("The review; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


async def _claim_answered(done: Awaitable[Claimed]) -> ReviewClaimPayload:
    claimed, problems = await attempt(done)
    task = claimed and ReviewTask.of(claimed.task)
    return ReviewClaimPayload(task=task, fence=claimed and claimed.fence, problems=problems)


def _drift(drafted: Drafted) -> list[Problem]:
    if drafted.drift is None:
        return []
    told_ = drafted.drift
    return [
        StateDrift(
            code="STATE_DRIFT",
            message=told_["message"],
            path=["fence"],
            hint=told_["hint"],
            current_state=told_["state"],
            current_version=drafted.task.version,
        )
    ]


@strawberry.type
class ReviewsMutation:
    """Acts on reviews."""

    @act(
        reviews.review_claim,
        "Take a review in hand. The claim holds until its lease runs out, and every act of its holder renews it.",
    )
    async def review_claim(
        self, info: Info, input: Annotated[ReviewClaimInput, says("Which review.")]
    ) -> ReviewClaimPayload:
        """Claim."""

        async def claim() -> Claimed:
            return await reviews.review_claim(info.context, local_id("ReviewTask", input.id), input.idempotency_key)

        return await _claim_answered(claim())

    @act(
        reviews.review_claim_next,
        "Take the next review in hand: an unfinished one of the caller's own first, then what is due first.",
    )
    async def review_claim_next(
        self, info: Info, input: Annotated[ReviewClaimNextInput, says("Among which.")]
    ) -> ReviewClaimPayload:
        """Claim the next."""

        async def claim() -> Claimed:
            wanted = (input.filter or ReviewTaskFilter()).plain(info.context)
            return await reviews.review_claim_next(info.context, wanted, input.idempotency_key)

        return await _claim_answered(claim())

    @act(reviews.review_release, "Give a review back; drafts stay.")
    async def review_release(
        self, info: Info, input: Annotated[ReviewReleaseInput, says("Which review.")]
    ) -> ReviewClaimPayload:
        """Release."""

        async def release() -> Claimed:
            task_id, key = local_id("ReviewTask", input.id), input.idempotency_key
            return await reviews.review_release(info.context, task_id, input.fence, input.reason, key)

        return await _claim_answered(release())

    @act(
        reviews.review_steal,
        "Take over a review that somebody else has in hand. That person's fence counts no more, and their drafts stay.",
    )
    async def review_steal(
        self, info: Info, input: Annotated[ReviewStealInput, says("Which review, and why.")]
    ) -> ReviewClaimPayload:
        """Steal."""

        async def steal() -> Claimed:
            task_id, key = local_id("ReviewTask", input.id), input.idempotency_key
            return await reviews.review_steal(info.context, task_id, input.reason, key)

        return await _claim_answered(steal())

    @act(reviews.grade_draft_save, "Keep a draft of one item's mark; saving renews the claim.")
    async def grade_draft_save(
        self, info: Info, input: Annotated[GradeDraftSaveInput, says("The draft.")]
    ) -> GradeDraftSavePayload:
        """Save a draft."""

        async def save() -> Drafted:
            task_id = local_id("ReviewTask", input.task_id, path=["taskId"])
            judgement = _judgement(input.item_id, input.points, input.levels, input.comment)
            key = input.idempotency_key
            return await reviews.grade_draft_save(info.context, task_id, input.fence, judgement, input.revision, key)

        drafted, problems = await attempt(save())
        return GradeDraftSavePayload(
            task=drafted and ReviewTask.of(drafted.task),
            draft=drafted and GradeDraft.of(drafted.draft),
            problems=problems if drafted is None else _drift(drafted),
        )

    @act(
        reviews.grade_finalise,
        "Make a mark final. After the last one of a turn the marks count, unless another person is to judge, too; the "
        "review is given back then.",
    )
    async def grade_finalise(
        self, info: Info, input: Annotated[GradeFinaliseInput, says("The mark, and why.")]
    ) -> GradeFinalisePayload:
        """Finalise."""

        async def finalise() -> ReviewTask:
            task_id = local_id("ReviewTask", input.task_id, path=["taskId"])
            judgement = _judgement(input.item_id, input.points, input.levels, input.comment)
            rationale, key = input.rationale, input.idempotency_key
            row = await reviews.grade_finalise(info.context, task_id, input.fence, judgement, rationale, key)
            return ReviewTask.of(row)

        task, problems = await attempt(finalise())
        return GradeFinalisePayload(task=task, problems=problems)
