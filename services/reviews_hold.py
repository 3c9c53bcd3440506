"""Holding a review task: every act on it happens alone, and a fence tells who may still act (domain.md section 9)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from models.reviews import ReviewClaim, ReviewState, ReviewTask
from models.reviews_policy import ReviewPolicy
from models.submissions import Submission
from services import reviews_policy, scores
from services.refusals import NotFound, OneselfRefused, PersonNeeded, StateDrift
from services.reviews_policy import Policy
from services.work import Work


@dataclass(frozen=True, slots=True)
class Held:
    """A task that nobody else acts on, the claim that it is under, when that is, and the rules it goes by."""

    task: ReviewTask
    claim: ReviewClaim | None
    now: datetime
    rules: ReviewPolicy | None = None

    @property
    def policy(self) -> Policy:
        """The rules, Evalium's own where nobody set any."""
        return reviews_policy.read(self.rules)

    @property
    def is_free(self) -> bool:
        """Tell whether nobody has it in hand."""
        return self.claim is None or self.claim.leased_until <= self.now


def lock_name(tenant_id: UUID | None, task_id: UUID) -> str:
    """Name the lock that every act on a review task holds."""
    return f"review/{tenant_id}/{task_id}"


def reviewer(work: Work) -> UUID:
    """Return the person who acts; refuse whatever is nobody in particular, such as a service token."""
    if work.viewer.user_id is None:
        raise PersonNeeded("A review is somebody's judgement, and this token is nobody's own.")
    return work.viewer.user_id


async def hold(work: Work, task_id: UUID) -> Held:
    """Wait until nobody else acts on a task, and return it as it is now; before the first write."""
    await work.lock(lock_name(work.viewer.tenant_id, task_id))
    return await held(work, task_id)


async def hold_to_score(work: Work, task_id: UUID) -> tuple[Held, Submission]:
    """Hold a task together with its submission, whose score is to change, and with one's own place in samples."""
    submission_id = await work.session.scalar(select(ReviewTask.submission_id).where(ReviewTask.id == task_id))
    if submission_id is None:
        raise NotFound("ReviewTask", task_id)
    stratum = f"review-sample/{work.viewer.tenant_id}/{reviewer(work)}"
    submission = await scores.hold(work, submission_id, lock_name(work.viewer.tenant_id, task_id), stratum)
    return await held(work, task_id), submission


def require_fence(work: Work, held: Held, fence: int) -> ReviewClaim:
    """Return the claim of whoever shows the newest fence, renewed: acting keeps a task in hand.

    A lease that ran out while nobody else came is no loss. Refuses everybody else as drift, and the candidate, whom a
    merge may have made of its holder.
    """
    claim = held.claim
    if claim is None or claim.fence != fence or claim.holder_id != reviewer(work):
        raise drifted(held, "You do not have this review in hand any more.")
    require_another(work, held)
    claim.leased_until = held.now + held.policy.lease
    return claim


def require_open(held: Held) -> None:
    """Refuse a task that is finalised."""
    if held.task.state == ReviewState.FINALISED:
        raise drifted(held, "The review is finalised.")


def require_another(work: Work, held: Held) -> UUID:
    """Return the person who acts; refuse the candidate."""
    person = reviewer(work)
    if person == held.task.user_id:
        raise OneselfRefused("Nobody reviews what they have handed in themselves.", hint="Leave it to a colleague.")
    return person


def drifted(held: Held, said: str) -> StateDrift:
    """Say what the task is now; the version is that of the task."""
    return StateDrift(said, current_state=held.task.state.upper(), current_version=held.task.version)


async def held_of(work: Work, task: ReviewTask) -> Held:
    """Return what holds for a task whose row is locked."""
    claims = select(ReviewClaim).where(ReviewClaim.task_id == task.id)
    claim = (await work.session.scalars(claims.execution_options(populate_existing=True))).one_or_none()
    rules = None if task.policy_id is None else (await reviews_policy.by_ids(work, [task.policy_id]))[task.policy_id]
    return Held(task, claim, await work.now(), rules)


async def held(work: Work, task_id: UUID) -> Held:
    """Return a task as it is now, whose lock is held; its row is kept from changing."""
    wanted = select(ReviewTask).where(ReviewTask.id == task_id).with_for_update()
    task = (await work.session.scalars(wanted.execution_options(populate_existing=True))).one_or_none()
    if task is None:
        raise NotFound("ReviewTask", task_id)
    return await held_of(work, task)
