"""Groups that assignments address: whoever joins one is invited, whoever leaves one before starting is not any more.

Whether somebody may start is decided when they redeem, by the groups that they are in then (domain.md section 5).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select

from models.assignments import Assignment, AssignmentGroup, AssignmentStatus, AssignmentTarget, TargetKind
from models.authoring import EvaluationVersion
from models.identity import Group, GroupMember
from services import assignments_issue, assignments_mail, assignments_recipients
from services.assignments_issue import Link
from services.assignments_recipients import Addressed, Recipient
from services.work import Work


def still_addressed(target: Any = AssignmentTarget) -> ColumnElement[bool]:
    """Build the condition "is a recipient now": named themselves, or in a group that the assignment addresses."""
    addressed = exists().where(
        AssignmentGroup.assignment_id == target.assignment_id,
        GroupMember.group_id == AssignmentGroup.group_id,
        GroupMember.user_id == target.user_id,
    )
    return or_(target.kind != TargetKind.GROUP, addressed)


async def addressing(work: Work, group_id: UUID) -> list[UUID]:
    """Return the assignments that address a group and can still be started, those that the viewer may see."""
    now = await work.now()
    wanted = (
        select(Assignment.id)
        .join(AssignmentGroup, AssignmentGroup.assignment_id == Assignment.id)
        .where(
            AssignmentGroup.group_id == group_id,
            Assignment.status == AssignmentStatus.ACTIVE,
            or_(Assignment.valid_until.is_(None), Assignment.valid_until > now),
        )
        .order_by(Assignment.id)
    )
    return [row.id for row in await work.rows(wanted)]


async def invite_joined(work: Work, assignment_id: UUID, group_id: UUID, link: Link) -> int:
    """Invite the members of a group who are no recipients of an assignment yet; return how many these are.

    Doing it again invites nobody twice.
    """
    assignment = await work.session.get(Assignment, (work.viewer.tenant_id, assignment_id))
    if assignment is None or assignment.status != AssignmentStatus.ACTIVE:
        return 0
    (row,) = await assignments_recipients.look(work, [Recipient(TargetKind.GROUP, str(group_id), group_id)])
    if not isinstance(row, Addressed):
        return 0
    ids = await assignments_issue.invite(work, assignment, row.people, await work.now())
    if not ids:
        return 0
    version = await work.session.get(EvaluationVersion, (work.viewer.tenant_id, assignment.evaluation_version_id))
    if version is None:
        raise LookupError(f"assignment {assignment_id} has no evaluation version")
    await assignments_mail.invite(work, assignment, version, link, list(ids.values()))
    told = {"group": str(group_id), "invited": len(ids)}
    work.record("assignment.group_joined", ("assignment", assignment.id), after=told)
    return len(ids)


async def of_assignments(work: Work, assignment_ids: Sequence[UUID]) -> dict[UUID, list[Group]]:
    """Return the groups that each assignment addresses, by name."""
    wanted = (
        select(AssignmentGroup.assignment_id, Group)
        .join(Group, Group.id == AssignmentGroup.group_id)
        .where(AssignmentGroup.assignment_id.in_(assignment_ids))
        .order_by(Group.name)
    )
    found: dict[UUID, list[Group]] = {one: [] for one in assignment_ids}
    for row in await work.rows(wanted):
        found[row.assignment_id].append(row.Group)
    return found
