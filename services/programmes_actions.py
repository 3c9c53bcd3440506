"""What somebody can do with an enrolment now, and why not: by where it stands, and their rights."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from models.capabilities import Capability
from models.programmes_enrolments import EnrolmentStatus, ProgrammeEnrolment


class EnrolmentAction(StrEnum):
    """What can be done with an enrolment."""

    CANCEL = "cancel"
    TRANSFER = "transfer"
    DECIDE_HOLD = "decide_hold"


@dataclass(frozen=True, slots=True)
class Available:
    """Whether an action can be done now, and else why not, in words."""

    action: EnrolmentAction
    enabled: bool
    reason: str | None


def available(row: ProgrammeEnrolment, held: Collection[Capability], *, is_newest: bool) -> list[Available]:
    """Return every action with whether somebody can do it now; `is_newest` tells of the enrolment's version."""
    judged = [(action, _why_not(row, action, held, is_newest=is_newest)) for action in EnrolmentAction]
    return [Available(action, reason is None, reason) for action, reason in judged]


def _why_not(
    row: ProgrammeEnrolment, action: EnrolmentAction, held: Collection[Capability], *, is_newest: bool
) -> str | None:
    if Capability.PROGRAMMES_MANAGE not in held:
        return "You do not have the right to do this."
    if action is EnrolmentAction.DECIDE_HOLD:
        if row.status == EnrolmentStatus.CANCELLED:
            return "The enrolment is cancelled."
        return None if row.held_count else "No requirement is held."
    if row.status != EnrolmentStatus.IN_PROGRESS:
        return f"The enrolment is {row.status.replace('_', ' ')}."
    if action is EnrolmentAction.TRANSFER and is_newest:
        return "The enrolment is by the newest version already."
    return None
