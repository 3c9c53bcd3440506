"""What issuing would do: everything that a person wants to see before sending (operations brief, section 1.1).

It looks with the very functions that the issue decides with, and writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Uuid, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget
from models.authoring import EvaluationVersion
from services import assignments_policy, assignments_recipients, assignments_terms, invitations, policy
from services.assignments_recipients import Addressed, Recipient, Resolved, Row
from services.assignments_terms import Terms
from services.policy import Policy
from services.refusals import InvalidInput, Refusal
from services.work import Work

SAMPLE = 10


class WarningKind(StrEnum):
    """What somebody should know before sending, and may still send."""

    GROUP_EMPTY = "group_empty"
    ROWS_REFUSED = "rows_refused"
    OPENS_AT_ONCE = "opens_at_once"
    WINDOW_SHORTER_THAN_LIMIT = "window_shorter_than_limit"
    NO_DEADLINE = "no_deadline"
    ALREADY_ISSUED = "already_issued"
    LOCKDOWN_WITHOUT_KEYS = "lockdown_without_keys"


@dataclass(frozen=True, slots=True)
class IssueWarning:
    """One warning, and a sentence that says it."""

    kind: WarningKind
    message: str


@dataclass(slots=True)
class Preview:
    """What issuing would do now, as far as it is known. `problems` are why it would be refused as a whole."""

    assignment: Assignment | None = None
    version: EvaluationVersion | None = None
    policy: Policy | None = None
    rows: Sequence[Row] = ()
    problems: list[Refusal] = field(default_factory=list[Refusal])
    warnings: list[IssueWarning] = field(default_factory=list[IssueWarning])

    @property
    def people(self) -> Sequence[Resolved]:
        """Everybody who would be invited."""
        return assignments_recipients.people_of(self.rows)


async def preview(work: Work, terms: Terms, given: Sequence[Recipient]) -> Preview:
    """Tell what issuing these terms to these recipients would do now."""
    found, now = Preview(), await work.now()
    try:
        found.assignment, found.version = await assignments_terms.made(work, terms, now)
    except Refusal as refusal:
        found.problems.append(refusal)
    try:
        found.rows = await assignments_recipients.look(work, given)
        if not given:
            raise InvalidInput("There are no recipients.", path=["recipients"])
        assignments_recipients.require_somebody(given, found.rows)
    except Refusal as refusal:
        found.problems.append(refusal)
    if found.assignment is not None:
        defaults = await assignments_policy.defaults_of_tenant(work)
        found.policy = assignments_policy.effective(found.assignment, found.version, defaults)
        if found.assignment.valid_from is not None and found.assignment.valid_from <= now:
            found.warnings.append(IssueWarning(WarningKind.OPENS_AT_ONCE, "The window is open already."))
    _warn_of_rows(found)
    if found.assignment is not None and found.policy is not None:
        _warn_of_window(found, found.assignment, found.policy)
        await _warn_of_twins(work, found, found.assignment)
        _warn_of_lockdown(found, found.policy)
    return found


def _warn_of_rows(found: Preview) -> None:
    for row in found.rows:
        if isinstance(row, Addressed) and not row.people:
            said = f"Nobody new is in the group '{row.name}'; whoever joins it later is invited then."
            found.warnings.append(IssueWarning(WarningKind.GROUP_EMPTY, said))
    refused = sum(isinstance(row, Refusal) for row in found.rows)
    if 0 < refused < len(found.rows):
        said = f"{refused} of {len(found.rows)} recipients cannot be invited; the others are."
        found.warnings.append(IssueWarning(WarningKind.ROWS_REFUSED, said))


def _warn_of_window(found: Preview, assignment: Assignment, limits: Policy) -> None:
    seconds = policy.bounded(limits.time_limit_seconds.value)
    opens, closes = assignment.valid_from, assignment.valid_until
    if closes is None:
        days = invitations.LIFE // timedelta(days=1)
        said = f"There is no deadline; invitations can be redeemed for {days} days."
        found.warnings.append(IssueWarning(WarningKind.NO_DEADLINE, said))
    elif seconds is not None and opens is not None and closes - opens < timedelta(seconds=seconds):
        said = "The window is shorter than the time limit: nobody has all of their time."
        found.warnings.append(IssueWarning(WarningKind.WINDOW_SHORTER_THAN_LIMIT, said))


def _warn_of_lockdown(found: Preview, limits: Policy) -> None:
    """Keys are an assignment's own, so what is about to be issued has none yet."""
    if limits.security.value.requires_lockdown:
        said = (
            "A lockdown browser is required: give its keys with the issue, or with assignmentLockdownUpdate before the "
            "window opens. Without them it cannot be verified."
        )
        found.warnings.append(IssueWarning(WarningKind.LOCKDOWN_WITHOUT_KEYS, said))


async def _warn_of_twins(work: Work, found: Preview, assignment: Assignment) -> None:
    ids: list[UUID] = [one.user_id for one in found.people if one.user_id is not None]
    wanted = (
        select(func.count(AssignmentTarget.user_id.distinct()))
        .join(Assignment, Assignment.id == AssignmentTarget.assignment_id)
        .where(
            Assignment.evaluation_version_id == assignment.evaluation_version_id,
            Assignment.status == AssignmentStatus.ACTIVE,
            AssignmentTarget.user_id == any_(literal(ids, ARRAY(Uuid()))),
        )
    )
    count = await work.session.scalar(wanted) if ids else 0
    if count:
        said = f"{count} of these people have an active assignment of the same version already."
        found.warnings.append(IssueWarning(WarningKind.ALREADY_ISSUED, said))
