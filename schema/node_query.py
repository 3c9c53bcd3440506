"""`node` and `nodes`: any object by its global id."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

from resolvers import (
    activity,
    assignments,
    assignments_issue,
    assignments_templates,
    authoring,
    certificates,
    corrections,
    evidence,
    groups,
    identity,
    incidents,
    messages,
    nodes,
    org_units,
    overrides,
    programmes,
    programmes_enrolments,
    reviews,
    roles,
    rooms,
    schedules,
    sessions,
    submissions,
)
from resolvers.context import Context
from resolvers.nodes import Find
from schema.access import Info, ask, says
from schema.activity import Activity
from schema.assignments import Assignment, Invitation
from schema.assignments_issue import AssignmentDraft
from schema.assignments_templates import AssignmentTemplate
from schema.authoring_evaluations import Evaluation, EvaluationVersion
from schema.authoring_questions import Question, QuestionVersion
from schema.certificates import Certificate
from schema.corrections import CorrectionBatch
from schema.evidence import EvidenceItem
from schema.identity import Group, OrgUnit, User
from schema.incidents import Incident
from schema.messages import Message
from schema.nodes import Node, split_id
from schema.overrides import Override
from schema.programmes import Programme, ProgrammeVersion
from schema.programmes_enrolments import ProgrammeEnrolment
from schema.reviews import ReviewTask
from schema.roles import Role
from schema.rooms import Room
from schema.schedules import AssignmentSchedule
from schema.sessions import Session
from schema.submissions import ScoreVersion, Submission, SubmissionItem

NOWHERE: Final = UUID(int=0)


def _shown(find: Callable[[Context, UUID], Awaitable[Any]], show: Callable[[Any], Node]) -> Find[Node]:
    async def found(context: Context, uuid: UUID) -> Node | None:
        row = await find(context, uuid)
        return None if row is None else show(row)

    return found


KINDS: Final[dict[str, Find[Node]]] = {
    "Activity": _shown(activity.activity_row, Activity.of),
    "Assignment": _shown(assignments.assignment, Assignment.of),
    "AssignmentDraft": _shown(assignments_issue.draft, AssignmentDraft.of),
    "AssignmentSchedule": _shown(schedules.schedule, AssignmentSchedule.of),
    "AssignmentTemplate": _shown(assignments_templates.template, AssignmentTemplate.of),
    "Certificate": _shown(certificates.certificate, Certificate.of),
    "CorrectionBatch": _shown(corrections.correction_batch, CorrectionBatch.of),
    "Evaluation": _shown(authoring.evaluation, Evaluation.of),
    "EvaluationVersion": _shown(authoring.evaluation_version, EvaluationVersion.of),
    "EvidenceItem": _shown(evidence.evidence_item, EvidenceItem.of),
    "Group": _shown(groups.group, Group.of),
    "Incident": _shown(incidents.incident, Incident.of),
    "Invitation": _shown(assignments.invitation, Invitation.of),
    "Message": _shown(messages.message, Message.of),
    "Override": _shown(overrides.override, Override.of),
    "OrgUnit": _shown(org_units.org_unit, OrgUnit.of),
    "Programme": _shown(programmes.programme, Programme.of),
    "ProgrammeEnrolment": _shown(programmes_enrolments.enrolment, ProgrammeEnrolment.of),
    "ProgrammeVersion": _shown(programmes.programme_version, ProgrammeVersion.of),
    "Question": _shown(authoring.question, Question.of),
    "QuestionVersion": _shown(authoring.question_version, QuestionVersion.of),
    "ReviewTask": _shown(reviews.review_task, ReviewTask.of),
    "Room": _shown(rooms.room, Room.of),
    "Role": _shown(roles.role, Role.of),
    "Session": _shown(sessions.session, Session.of),
    "ScoreVersion": _shown(submissions.score_version, ScoreVersion.of),
    "Submission": _shown(submissions.submission, Submission.of),
    "SubmissionItem": _shown(submissions.item, SubmissionItem.of),
    "User": _shown(identity.known_person, User.of),
}


def _wanted(value: str) -> tuple[Find[Node] | None, UUID]:
    kind, uuid = split_id(value) or ("", NOWHERE)
    return KINDS.get(kind), uuid


@strawberry.type
class NodeQuery:
    """Look-up by global id."""

    @ask(nodes.node, "Any object by its global id; null for what is unknown or may not be seen.")
    async def node(self, info: Info, id: Annotated[strawberry.ID, says("Global id.")]) -> Node | None:
        """Find one object."""
        return await nodes.node(info.context, *_wanted(id))

    @ask(nodes.nodes, "Several objects by their global ids, in order, with null for each that is not found.")
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], says("Global ids, at most 100.")]
    ) -> list[Node | None]:
        """Find several objects."""
        return await nodes.nodes(info.context, [_wanted(one) for one in ids])
