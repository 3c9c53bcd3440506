"""What somebody can do with a certificate now, and why not: by what became of it, and their rights."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from models.capabilities import Capability
from models.certificates import Certificate
from models.programmes_enrolments import EnrolmentStatus


class CertificateAction(StrEnum):
    """What can be done with a certificate."""

    REVOKE = "revoke"
    REISSUE = "reissue"


@dataclass(frozen=True, slots=True)
class Available:
    """Whether an action can be done now, and else why not, in words."""

    action: CertificateAction
    enabled: bool
    reason: str | None


def available(
    row: Certificate, enrolment_status: str, held: Collection[Capability], *, is_newest: bool
) -> list[Available]:
    """Return every action with whether somebody can do it now; `is_newest` of its enrolment's certificates."""
    if Capability.PROGRAMMES_MANAGE not in held:
        return [
            Available(one, enabled=False, reason="You do not have the right to do this.") for one in CertificateAction
        ]
    judged = [(one, _why_not(row, one, enrolment_status, is_newest=is_newest)) for one in CertificateAction]
    return [Available(action, reason is None, reason) for action, reason in judged]


def _why_not(row: Certificate, action: CertificateAction, enrolment_status: str, *, is_newest: bool) -> str | None:
    if action is CertificateAction.REVOKE:
        return None if row.revoked_at is None else "The certificate is revoked."
    if not is_newest:
        return "Another certificate has taken its place."
    if enrolment_status not in (EnrolmentStatus.COMPLETED, EnrolmentStatus.CERTIFIED):
        return "The enrolment is not completed any more."
    return None
