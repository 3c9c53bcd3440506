"""The queue of reviews, what is to be judged in each, and the acts of whoever judges."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dataloaders import reviews as loaders
from dataloaders import sessions as session_loaders
from dataloaders import submissions as submission_loaders
from models.capabilities import Capability
from models.reviews import ReviewClaim, ReviewDraft, ReviewEvent, ReviewMark, ReviewTask, SecondOpinionReason
from models.reviews_findings import ReviewFinding
from models.submissions import SubmissionItem
from resolvers.access import requires
from resolvers.context import Context
from services import reviews_actions, reviews_blind, reviews_claims, reviews_marks, reviews_policy, reviews_queue
from services.content_kinds import JudgedKey
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.reviews_actions import Available, Standing
from services.reviews_blind import Onlooker
from services.reviews_marks import Judgement
from services.reviews_policy import Policy
from services.reviews_queue import Filter, SortedBy
from services.work import Work


@dataclass(frozen=True, slots=True)
class Claimed:
    """A review that was taken in hand or given back, and the fence that holds now."""

    task: ReviewTask
    fence: int


@dataclass(frozen=True, slots=True)
class Drafted:
    """A review in which a draft was kept; `drift` tells why it is no longer in the hands of whoever sent it."""

    task: ReviewTask
    draft: ReviewDraft
    drift: dict[str, Any] | None


@requires(Capability.SUBMISSIONS_READ)
async def review_task(context: Context, task_id: UUID | None) -> ReviewTask | None:
    """Return one review; None when it cannot be seen."""
    return None if task_id is None else await context.loaders.of(loaders.by_id).load(task_id)


@requires(Capability.SUBMISSIONS_READ)
async def review_tasks(
    context: Context, wanted: Filter, order: Sequence[SortedBy], page: PageRequest
) -> Page[ReviewTask]:
    """List the queue."""
    return await context.read(reviews_queue.listed, wanted, order, page)


@requires(Capability.SUBMISSIONS_READ)
async def of_submissions(context: Context, submission_ids: Sequence[UUID]) -> list[list[ReviewTask]]:
    """Return the reviews of submissions, in order."""
    return await context.loaders.of(loaders.of_submission).load_many(submission_ids)


async def tasks(context: Context, task_ids: Sequence[UUID]) -> list[ReviewTask | None]:
    """Return reviews that the viewer may see, in order."""
    return await context.loaders.of(loaders.by_id).load_many(task_ids)


async def claims(context: Context, task_ids: Sequence[UUID]) -> list[ReviewClaim | None]:
    """Return who has or had reviews in hand, in order."""
    return await context.loaders.of(loaders.claim).load_many(task_ids)


async def drafts(context: Context, task: ReviewTask) -> list[ReviewDraft]:
    """Return the drafts in a review that the viewer may see."""
    found = await context.loaders.of(loaders.drafts).load(task.id)
    return reviews_blind.seen_drafts(task, await policy(context, task), await _onlooker(context, task), found)


async def marks(context: Context, task: ReviewTask) -> list[ReviewMark]:
    """Return the final marks in a review that the viewer may see."""
    found = await context.loaders.of(loaders.marks).load(task.id)
    return reviews_blind.seen_marks(task, await policy(context, task), await _onlooker(context, task), found)


async def policy(context: Context, task: ReviewTask) -> Policy:
    """Return the rules that a review goes by."""
    row = None if task.policy_id is None else await context.loaders.of(loaders.policy).load(task.policy_id)
    return reviews_policy.read(row)


async def findings(context: Context, task: ReviewTask) -> list[ReviewFinding]:
    """Return the findings in a review that the viewer may see."""
    found = await context.loaders.of(loaders.findings).load(task.id)
    return reviews_blind.seen_findings(task, await policy(context, task), await _onlooker(context, task), found)


async def second_opinion_reasons(context: Context, task: ReviewTask) -> list[SecondOpinionReason]:
    """Return why a second person is asked, as far as the viewer may know."""
    if not task.reasons:
        return []
    return reviews_blind.seen_reasons(task, await policy(context, task), await _onlooker(context, task))


async def actions(context: Context, tasks: Sequence[ReviewTask]) -> list[list[Available]]:
    """Return what the viewer can do with each of these reviews, in order."""
    ids = [one.id for one in tasks]
    barred = await context.loaders.of(loaders.barred).load_many(ids)
    held, now, mine = await context.capabilities(), await clock(context), context.viewer.user_id
    standings = [
        Standing(
            held,
            is_person=mine is not None,
            is_taken=claim is not None and claim.leased_until > now,
            is_holder=claim is not None and claim.leased_until > now and claim.holder_id == mine,
            is_candidate=task.user_id == mine,
            is_barred=is_barred,
        )
        for task, claim, is_barred in zip(tasks, await claims(context, ids), barred, strict=True)
    ]
    return [reviews_actions.available(task, one) for task, one in zip(tasks, standings, strict=True)]


async def _onlooker(context: Context, task: ReviewTask) -> Onlooker:
    (claim,) = await claims(context, [task.id])
    may_unblind = Capability.REVIEWS_UNBLIND in await context.capabilities()
    return Onlooker.of(context.viewer.user_id, claim, await clock(context), may_unblind=may_unblind)


async def events(context: Context, task_id: UUID) -> list[ReviewEvent]:
    """Return what happened to a review that the viewer may see."""
    return await context.loaders.of(loaders.events).load(task_id)


async def items(context: Context, submission_id: UUID) -> list[SubmissionItem]:
    """Return all items of what is reviewed."""
    return await context.loaders.of(submission_loaders.items).load(submission_id)


async def judged(context: Context, question_version_ids: Sequence[UUID]) -> list[JudgedKey | None]:
    """Return by what a person judges each of these questions, in order; None for one that is scored by rule."""
    return await context.loaders.of(loaders.judged).load_many(question_version_ids)


async def clock(context: Context) -> datetime:
    """Return the database's clock as of this operation."""
    return await context.loaders.of(session_loaders.clock).load("now")


@requires(Capability.REVIEWS_GRADE)
async def review_claim(context: Context, task_id: UUID, key: str | None) -> Claimed:
    """Take a review in hand."""
    may_adjudicate = await _may_adjudicate(context)

    async def act(work: Work) -> Answer:
        return await reviews_claims.claim(work, task_id, may_adjudicate=may_adjudicate)

    return await _claimed(context, "reviewClaim", key, {"task": str(task_id)}, act)


@requires(Capability.REVIEWS_GRADE)
async def review_claim_next(context: Context, wanted: Filter, key: str | None) -> Claimed:
    """Take the next review in hand."""
    may_adjudicate = await _may_adjudicate(context)

    async def act(work: Work) -> Answer:
        return await reviews_claims.claim_next(work, wanted, may_adjudicate=may_adjudicate)

    return await _claimed(context, "reviewClaimNext", key, asdict(wanted), act)


@requires(Capability.REVIEWS_GRADE)
async def review_release(context: Context, task_id: UUID, fence: int, reason: str | None, key: str | None) -> Claimed:
    """Give a review back."""

    async def act(work: Work) -> Answer:
        return await reviews_claims.release(work, task_id, fence, reason)

    given = {"task": str(task_id), "fence": fence, "reason": reason}
    return await _claimed(context, "reviewRelease", key, given, act)


@requires(Capability.REVIEWS_REASSIGN)
async def review_steal(context: Context, task_id: UUID, reason: str, key: str | None) -> Claimed:
    """Take over a review that somebody else has in hand."""
    may_adjudicate = await _may_adjudicate(context)

    async def act(work: Work) -> Answer:
        return await reviews_claims.steal(work, task_id, reason, may_adjudicate=may_adjudicate)

    return await _claimed(context, "reviewSteal", key, {"task": str(task_id), "reason": reason}, act)


@requires(Capability.REVIEWS_GRADE)
async def grade_draft_save(
    context: Context, task_id: UUID, fence: int, judgement: Judgement, revision: int, key: str | None
) -> Drafted:
    """Keep a draft."""

    async def act(work: Work) -> Answer:
        return await reviews_marks.save_draft(work, task_id, fence, judgement, revision)

    given = {"task": str(task_id), "fence": fence, "draft": asdict(judgement), "revision": revision}
    answer = await context.write("gradeDraftSave", key, given, act)
    found = await context.loaders.of(loaders.drafts).load(task_id)
    kept = [one for one in found if str(one.id) == answer["draft"]]
    return Drafted(await _task(context, answer), kept[0], answer["drift"])


@requires(Capability.REVIEWS_GRADE)
async def grade_finalise(
    context: Context, task_id: UUID, fence: int, judgement: Judgement, rationale: str, key: str | None
) -> ReviewTask:
    """Make a mark final."""
    may_adjudicate = await _may_adjudicate(context)

    async def act(work: Work) -> Answer:
        return await reviews_marks.finalise(work, task_id, fence, judgement, rationale, may_adjudicate=may_adjudicate)

    given = {"task": str(task_id), "fence": fence, "mark": asdict(judgement), "rationale": rationale}
    return await _task(context, await context.write("gradeFinalise", key, given, act))


async def _may_adjudicate(context: Context) -> bool:
    return Capability.REVIEWS_ADJUDICATE in await context.capabilities()


async def _claimed(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> Claimed:
    answer = await context.write(operation, key, given, act)
    return Claimed(await _task(context, answer), answer["fence"])


async def _task(context: Context, answer: Answer) -> ReviewTask:
    row = await context.loaders.of(loaders.by_id).load(UUID(answer["task"]))
    if row is None:
        raise LookupError(f"review {answer['task']} cannot be read back")
    return row
