"""What a reviewer may see of the others: nothing that could sway a second opinion (domain.md section 9).

A blind second opinion is given without knowing the first. So until both are final, marks, drafts and findings are shown
to whoever gave them, and to whoever has the same turn in hand now; to others only where nobody is to judge after them.
Nor is it told which rule asks for a second opinion: that the first marks are near a boundary tells what they are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.reviews import (
    MarkRole,
    ReviewClaim,
    ReviewDraft,
    ReviewMark,
    ReviewState,
    ReviewTask,
    SecondOpinionReason,
)
from models.reviews_findings import ReviewFinding
from services.reviews_policy import Policy
from services.reviews_turns import turn_of


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
    turn = _turn(task)
    if not policy.is_blind or turn not in (MarkRole.FIRST, MarkRole.SECOND):
        return False
    follows = policy.second_when_high_stakes or policy.second_near is not None
    sampled = bool(policy.sample_percent or policy.sample_at_least)
    return turn is MarkRole.SECOND or bool(task.reasons) or follows or sampled


def seen_marks(task: ReviewTask, policy: Policy, who: Onlooker, marks: Collection[ReviewMark]) -> list[ReviewMark]:
    """Return the marks that somebody may see."""
    if who.may_unblind or not is_blind(task, policy):
        return list(marks)
    turn = _turn(task)
    return [one for one in marks if one.marker_id == who.person or (who.is_holder and one.role == turn)]


def seen_drafts(task: ReviewTask, policy: Policy, who: Onlooker, drafts: Collection[ReviewDraft]) -> list[ReviewDraft]:
    """Return the drafts that somebody may see; in the second turn nothing but their own."""
    if who.may_unblind or not is_blind(task, policy):
        return list(drafts)
    return [one for one in drafts if _is_first(task, who) or one.marker_id == who.person]


def seen_findings(
    task: ReviewTask, policy: Policy, who: Onlooker, findings: Collection[ReviewFinding]
) -> list[ReviewFinding]:
    """Return the findings that somebody may see; in the second turn nothing but their own."""
    if who.may_unblind or not is_blind(task, policy):
        return list(findings)
    return [one for one in findings if _is_first(task, who) or one.raised_by == who.person]


def seen_reasons(task: ReviewTask, policy: Policy, who: Onlooker) -> list[SecondOpinionReason]:
    """Return why a second person is asked; until both are final, others than the first know a person's wish alone."""
    reasons = [SecondOpinionReason(one) for one in task.reasons]
    is_first = who.person is not None and task.first_marker_id == who.person
    if who.may_unblind or is_first or not is_blind(task, policy):
        return reasons
    return [one for one in reasons if one is SecondOpinionReason.MANUAL]


def _is_first(task: ReviewTask, who: Onlooker) -> bool:
    return who.is_holder and _turn(task) is MarkRole.FIRST


def _turn(task: ReviewTask) -> MarkRole | None:
    """Return in which turn marks are given; while changes are waited for before the first are complete, in that one."""
    if task.state == ReviewState.CHANGES_REQUESTED and task.first_marker_id is None:
        return MarkRole.FIRST
    return turn_of(task)
