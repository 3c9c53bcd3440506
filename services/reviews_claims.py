"""Claims: who has a review in hand, by a lease with a fencing token (domain.md section 9).

A lease runs out by itself when its holder falls silent, and acting renews it. Whenever a task changes hands its fence
grows, so whoever was late finds the newer fence at the next act, and changes nothing.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, func, or_, select

from models.base import uuid7
from models.reviews import ReviewClaim, ReviewEventKind, ReviewState, ReviewTask
from services import reviews_events, reviews_turns, words
from services.idempotency import Answer
from services.refusals import NothingChosen
from services.reviews_hold import (
    Held,
    drifted,
    held_of,
    hold,
    require_another,
    require_fence,
    require_open,
    reviewer,
)
from services.reviews_queue import Filter, narrowed
from services.work import Work

ATTEMPTS = 20
"""How often the next one is looked for again, when others were faster each time."""


async def claim(work: Work, task_id: UUID, *, may_adjudicate: bool) -> Answer:
    """Take a review in hand; claiming again what one has renews the lease and keeps the fence.

    Refuses what somebody else has in hand, what is finalised, one's own work, and a turn that is another person's.
    """
    return await _claimed(work, await hold(work, task_id), may_adjudicate=may_adjudicate)


async def claim_next(work: Work, wanted: Filter, *, may_adjudicate: bool) -> Answer:
    """Take the next review in hand: an unfinished one of one's own first, then the one that is due first.

    Several who ask at once get different ones: what somebody is about to take is passed over. What was taken between
    looking and locking is looked past, too.
    """
    person = reviewer(work)
    for _ in range(ATTEMPTS):
        found = (await work.session.scalars(_next(person, wanted, may_adjudicate=may_adjudicate))).one_or_none()
        if found is None:
            break
        held = await held_of(work, found)
        if held.is_free or (held.claim is not None and held.claim.holder_id == person):
            return await _claimed(work, held, may_adjudicate=may_adjudicate)
    raise NothingChosen("No review waits for you.", path=["filter"], hint="Ask again, or with a wider filter.")


async def release(work: Work, task_id: UUID, fence: int, reason: str | None) -> Answer:
    """Give a review back; drafts stay. Refuses a fence that is not the newest."""
    why = None if reason is None or not reason.strip() else words.reason(reason)
    held = await hold(work, task_id)
    claim_ = require_fence(work, held, fence)
    await let_go(work, held)
    await reviews_events.append(work, held.task, ReviewEventKind.RELEASED, at=held.now, reason=why)
    work.record("review.released", ("submission", held.task.submission_id), reason=why, after={"fence": fence})
    return _answer(held, claim_)


async def steal(work: Work, task_id: UUID, reason: str, *, may_adjudicate: bool) -> Answer:
    """Take over a review that somebody else has in hand, and say why; that person's drafts stay."""
    why = words.reason(reason)
    held = await hold(work, task_id)
    person = await _may_take(work, held, may_adjudicate=may_adjudicate)
    before = held.claim
    if before is None or held.is_free or before.holder_id == person:
        return await _claimed(work, held, may_adjudicate=may_adjudicate)
    told: dict[str, Any] = {"holder": str(before.holder_id), "fence": before.fence}
    claim_ = await _take(work, held, person)
    await reviews_events.append(
        work, held.task, ReviewEventKind.STOLEN, at=held.now, reason=why, payload={"from": str(told["holder"])}
    )
    after = {"holder": str(person), "fence": claim_.fence}
    work.record("review.stolen", ("submission", held.task.submission_id), reason=why, before=told, after=after)
    return _answer(held, claim_)


async def let_go(work: Work, held: Held) -> None:
    """End the claim of a task, if there is any: whoever held it has to claim anew."""
    if held.claim is not None:
        held.claim.leased_until = held.now
        held.claim.fence += 1
    held.task.version += 1
    await work.session.flush()


async def _claimed(work: Work, held: Held, *, may_adjudicate: bool) -> Answer:
    person = await _may_take(work, held, may_adjudicate=may_adjudicate)
    claim_ = held.claim
    if claim_ is not None and not held.is_free:
        if claim_.holder_id != person:
            raise drifted(held, f"Somebody has this review in hand until {claim_.leased_until.isoformat()}.")
        claim_.leased_until = held.now + held.policy.lease
        await work.session.flush()
        return _answer(held, claim_)
    claim_ = await _take(work, held, person)
    payload = {"fence": claim_.fence}
    await reviews_events.append(work, held.task, ReviewEventKind.CLAIMED, at=held.now, payload=payload)
    work.record("review.claimed", ("submission", held.task.submission_id), after=payload)
    return _answer(held, claim_)


async def _take(work: Work, held: Held, person: UUID) -> ReviewClaim:
    """Put a task into somebody's hands, with the next fence."""
    until = held.now + held.policy.lease
    claim_ = held.claim
    if claim_ is None:
        claim_ = ReviewClaim(
            id=uuid7(), org_unit_id=held.task.org_unit_id, task_id=held.task.id, holder_id=person, fence=0
        )
        work.session.add(claim_)
    claim_.holder_id, claim_.claimed_at, claim_.leased_until = person, held.now, until
    claim_.fence += 1
    held.task.version += 1
    await work.session.flush()
    return claim_


async def _may_take(work: Work, held: Held, *, may_adjudicate: bool) -> UUID:
    person = require_another(work, held)
    require_open(held)
    await reviews_turns.require_turn(work, held, person, may_adjudicate=may_adjudicate)
    return person


def _next(person: UUID, wanted: Filter, *, may_adjudicate: bool) -> Select[Any]:
    """Select the one task that this person takes next, locked; what others have locked is passed over."""
    task, held = ReviewTask, ReviewClaim
    mine = and_(held.holder_id == person, held.leased_until > func.evalium_now())
    free = or_(held.id.is_(None), held.leased_until <= func.evalium_now())
    past = [ReviewState.FINALISED, ReviewState.CHANGES_REQUESTED]
    if not may_adjudicate:
        past.append(ReviewState.REQUIRES_ADJUDICATION)
    return (
        narrowed(select(task).outerjoin(held, held.task_id == task.id), wanted)
        .where(
            task.state.not_in(past),
            task.user_id != person,
            ~reviews_turns.is_barred(person),
            or_(mine, free),
        )
        .order_by(case((mine, 0), else_=1), task.due_at, task.id)
        .limit(1)
        .with_for_update(of=task, skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _answer(held: Held, claim_: ReviewClaim) -> Answer:
    return {"task": str(held.task.id), "fence": claim_.fence}
