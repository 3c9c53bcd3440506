"""What a reviewer may see of the others: nothing that could sway a second opinion (domain.md section 9).

A blind second opinion is given without knowing the first. So until both are final, marks and drafts are shown to
whoever gave them, and to whoever has the same turn in hand now; to others only where nobody is to judge after them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.reviews import MarkRole, ReviewClaim, ReviewDraft, ReviewMark, ReviewState, ReviewTask
from services.reviews_policy import Policy
from services.reviews_turns import TURNS

_OPEN_TURNS = (ReviewState.AWAITING_REVIEW, ReviewState.REQUIRES_SECOND_OPINION)


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Who looks at a review: whether they have it in hand, and whether they may see through the blindfold."""

    person: UUID | None
    is_holder: bool
    may_unblind: bool

    @classmethod
    def of(cls, person: UUID | None, claim: ReviewClaim | None, now: datetime, *, may_unblind: bool) -> "Onlooker":
        """Say how a person stands to a review."""
        is_holder = claim is not None and claim.leased_until > now and claim.holder_id == person
        return cls(person, is_holder, may_unblind)


def is_blind(task: ReviewTask, policy: Policy) -> bool:
    """Tell whether marks of the present turn, or of the one before it, must not be known to everybody yet."""
    if not policy.is_blind or task.state not in _OPEN_TURNS:
        return False
    follows = policy.second_when_high_stakes or policy.second_near is not None
    sampled = bool(policy.sample_percent or policy.sample_at_least)
    return task.state == ReviewState.REQUIRES_SECOND_OPINION or bool(task.reasons) or follows or sampled


def seen_marks(task: ReviewTask, policy: Policy, who: Onlooker, marks: Collection[ReviewMark]) -> list[ReviewMark]:
    """Return the marks that somebody may see."""
    if who.may_unblind or not is_blind(task, policy):
        return list(marks)
    turn = TURNS[task.state]
    return [one for one in marks if one.marker_id == who.person or (who.is_holder and one.role == turn)]


def seen_drafts(task: ReviewTask, policy: Policy, who: Onlooker, drafts: Collection[ReviewDraft]) -> list[ReviewDraft]:
    """Return the drafts that somebody may see; in the second turn nothing but their own."""
    if who.may_unblind or not is_blind(task, policy):
        return list(drafts)
    is_first = who.is_holder and TURNS[task.state] is MarkRole.FIRST
    return [one for one in drafts if is_first or one.marker_id == who.person]
