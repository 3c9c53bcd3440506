"""Explaining a decision: which role, grant and scope allowed something or did not, now or at a past instant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, or_, select

from models.activity import Activity
from models.assignments import Assignment, AssignmentDraft, Invitation
from models.authoring import Evaluation, EvaluationVersion, Question, QuestionVersion
from models.capabilities import Capability
from models.identity import Group, OrgUnit, Role, User
from models.overrides import AssignmentOverride
from models.sessions import DeliverySession
from models.submissions import Submission
from services import roles, roles_held
from services.access_replay import Decision, Row, State, decide, replay
from services.refusals import InvalidInput, NotFound
from services.viewer import Viewer
from services.work import Work

PLACED: Final[dict[str, Any]] = {
    "Assignment": Assignment,
    "AssignmentDraft": AssignmentDraft,
    "Invitation": Invitation,
    "Override": AssignmentOverride,
    "Question": Question,
    "QuestionVersion": QuestionVersion,
    "Evaluation": Evaluation,
    "EvaluationVersion": EvaluationVersion,
    "Session": DeliverySession,
    "Submission": Submission,
}
"""Kinds of objects that lie in an org unit; an org unit itself may be named too."""

EVERYWHERE: Final[dict[str, Any]] = {"User": User, "Group": Group, "Role": Role}
"""Kinds of objects that belong to the whole tenant: only grants without a bound reach them."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision about a person, a capability and a place at an instant."""

    user: User
    capability: Capability
    org_unit_id: UUID | None
    at: datetime
    decision: Decision


async def reach(work: Work) -> Viewer:
    """Return as whom objects are looked for: across all org units only for who reads roles in the whole tenant."""
    held = await roles_held.of_actor(work)
    return work.viewer.everywhere() if Capability.ROLES_READ in held.everywhere else work.viewer


async def explain(
    work: Work, user_id: UUID, capability: str, place: tuple[str, UUID] | None, at: datetime | None
) -> Explanation:
    """Explain whether a person may do something, in the org unit of an object or else in the whole tenant."""
    (wanted,) = roles.parse([capability], path=["capability"])
    now = await work.now()
    instant = now if at is None else at
    if instant.tzinfo is None or instant > now:
        raise InvalidInput(
            f"'{instant.isoformat()}' is not an instant of the past.", path=["at"], hint="Write it in UTC, ending in Z."
        )
    user = (await work.session.scalars(select(User).where(User.id == user_id))).one_or_none()
    if user is None:
        raise NotFound("User", user_id, path=["userId"])
    org_unit_id = None if place is None else await _org_unit_of(work, *place)
    state = await state_at(work, user_id, instant)
    return Explanation(user, wanted, org_unit_id, instant, decide(state, user_id, wanted, org_unit_id, instant))


async def state_at(work: Work, user_id: UUID, at: datetime) -> State:
    """Replay the ledger up to an instant, as far as one person's rights are concerned."""
    kind, subject = Activity.subject_kind, Activity.subject_id
    wanted = (
        select(
            Activity.at,
            Activity.act,
            Activity.subject_kind,
            Activity.subject_id,
            Activity.before,
            Activity.after,
            Activity.reason,
            Activity.actor_name,
        )
        .where(
            or_(
                and_(kind == "tenant", subject == work.viewer.tenant_id),
                kind == "role",
                and_(kind == "user", subject == user_id),
            ),
            Activity.at <= at,
        )
        .order_by(Activity.at, Activity.id)
    )
    return replay([Row(*row) for row in await work.rows(wanted)], at)


async def _org_unit_of(work: Work, kind: str, object_id: UUID) -> UUID | None:
    """Return the org unit in which an object lies, None for the whole tenant; refuse one that the work cannot see."""
    found: UUID | None = None
    if kind in EVERYWHERE:
        model = EVERYWHERE[kind]
        if await work.session.scalar(select(model.id).where(model.id == object_id)) is not None:
            return None
    if kind == "OrgUnit":
        found = await work.session.scalar(select(OrgUnit.id).where(OrgUnit.id == object_id))
    elif kind in PLACED:
        model = PLACED[kind]
        found = await work.session.scalar(select(model.org_unit_id).where(model.id == object_id))
    if found is None:
        raise NotFound(kind, object_id, path=["objectId"])
    return found
