"""What somebody can do with a review now, and why not: by its state, who has it in hand, and their rights."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from models.capabilities import Capability
from models.reviews import ReviewState, ReviewTask
from services.reviews_turns import TURNS


class ReviewAction(StrEnum):
    """What can be done with a review."""

    CLAIM = "claim"
    RELEASE = "release"
    STEAL = "steal"
    MARK = "mark"
    ASK_SECOND = "ask_second"
    RAISE_FINDING = "raise_finding"
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"
    RESUME = "resume"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Available:
    """Whether an action can be done now, and else why not, in words."""

    action: ReviewAction
    enabled: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands to a review: their rights, whether they or another have it in hand, and the candidate.

    A service token is no person.
    """

    held: Collection[Capability]
    is_person: bool
    is_holder: bool
    is_taken: bool
    is_candidate: bool
    is_barred: bool


_NEEDS = {
    ReviewAction.STEAL: Capability.REVIEWS_REASSIGN,
    ReviewAction.REOPEN: Capability.REVIEWS_REASSIGN,
}
_IN_HAND = frozenset(ReviewAction) - {
    ReviewAction.CLAIM,
    ReviewAction.STEAL,
    ReviewAction.RESUME,
    ReviewAction.REOPEN,
}
_OBSERVED = frozenset(
    {ReviewAction.RAISE_FINDING, ReviewAction.APPROVE, ReviewAction.REJECT, ReviewAction.REQUEST_CHANGES}
)
_OWN_WORK = "Nobody reviews what they have handed in themselves."
_NOBODYS = "A review is somebody's judgement, and this token is nobody's own."
_TAKES_TURN = frozenset({ReviewAction.CLAIM, ReviewAction.STEAL, ReviewAction.MARK})
_OPEN = frozenset(ReviewState) - {ReviewState.FINALISED}
_STATES = {
    ReviewAction.MARK: frozenset(TURNS),
    ReviewAction.ASK_SECOND: frozenset({ReviewState.AWAITING_REVIEW}),
    ReviewAction.APPROVE: frozenset({ReviewState.AWAITING_DECISION}),
    ReviewAction.REJECT: frozenset({ReviewState.AWAITING_DECISION}),
    ReviewAction.REQUEST_CHANGES: frozenset({ReviewState.AWAITING_REVIEW, ReviewState.AWAITING_DECISION}),
    ReviewAction.RESUME: frozenset({ReviewState.CHANGES_REQUESTED}),
    ReviewAction.REOPEN: frozenset({ReviewState.FINALISED}),
}


def available(task: ReviewTask, standing: Standing) -> list[Available]:
    """Return every action with whether somebody can do it now."""
    judged = [(action, _why_not(task, action, standing)) for action in ReviewAction]
    return [Available(action, reason is None, reason) for action, reason in judged]


def _why_not(task: ReviewTask, action: ReviewAction, who: Standing) -> str | None:
    if _NEEDS.get(action, Capability.REVIEWS_GRADE) not in who.held:
        return "You do not have the right to do this."
    if who.is_candidate or not who.is_person:
        return _OWN_WORK if who.is_candidate else _NOBODYS
    if task.state not in _STATES.get(action, _OPEN):
        return f"The review is {task.state.replace('_', ' ')}."
    if action in _OBSERVED and not task.is_observed:
        return "Nothing in this review was observed."
    if action in _IN_HAND and not who.is_holder:
        return "You do not have this review in hand."
    return _why_not_take(task, action, who) if action in _TAKES_TURN else None


def _why_not_take(task: ReviewTask, action: ReviewAction, who: Standing) -> str | None:
    if who.is_barred:
        return "You have marked this already, and another person's judgement is asked for."
    if task.state == ReviewState.REQUIRES_ADJUDICATION and Capability.REVIEWS_ADJUDICATE not in who.held:
        return "You do not have the right to decide between two reviewers."
    if action is ReviewAction.CLAIM and who.is_taken and not who.is_holder:
        return "Somebody else has this review in hand."
    if action is ReviewAction.STEAL and (who.is_holder or not who.is_taken):
        return "Nobody else has this review in hand."
    return None
