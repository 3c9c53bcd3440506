"""Merging a duplicate: one person who had two addresses becomes one row, with everything that was theirs.

The ledger keeps its plain values: what was decided about the duplicate stays told of the duplicate, and the row
`user.merged` leads from the one to the other. Grants are not moved: they end, and are given anew if they are wanted.
"""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from models.accommodations import AccommodationProfile
from models.assignments import AssignmentTarget, Invitation
from models.capabilities import Capability
from models.certificates import Certificate
from models.identity import GroupMember, User, UserOrgUnit, UserRole, UserStatus
from models.overrides import AssignmentOverride
from models.programmes_enrolments import EnrolmentStatus, ProgrammeEnrolment, ProgrammeEventKind
from models.reviews import ReviewTask
from models.rooms import RoomProctor, RoomSeat
from models.sessions import DeliverySession, SessionState
from models.sign_ins import SignInEnd
from models.submissions import Submission
from realtime import topics
from services import (
    groups,
    org_units,
    programmes_enrol,
    programmes_events,
    roles,
    roles_grants,
    roles_held,
    sign_ins,
    words,
)
from services.idempotency import Answer
from services.memberships import OF_ORG_UNITS
from services.programmes_events import Happened
from services.refusals import InvalidInput, NotFound, OneselfRefused, Refusal, StateDrift, StillInUse
from services.work import Work

OPEN = (SessionState.CREATED, SessionState.ACTIVE, SessionState.PAUSED)

MERGED = "Both people who were merged were enrolled."

MOVED = (
    "user_org_units",
    "group_members",
    "assignment_targets",
    "invitations",
    "delivery_sessions",
    "submissions",
    "assignment_overrides",
    "accommodation_profiles",
    "review_tasks",
    "room_seats",
    "programme_enrolments",
    "certificates",
)
"""Tables whose references to the duplicate go over to the kept person."""

ENDED = ("user_roles", "auth_sessions", "magic_links", "room_proctors")
"""Tables whose rows about the duplicate end with it."""

AUTHORED = (
    "questions",
    "question_versions",
    "evaluations",
    "evaluation_versions",
    "assignments",
    "assignment_drafts",
    "public_links",
    "assignment_templates",
    "assignment_schedules",
    "assignment_schedule_runs",
    "mail_templates",
    "service_tokens",
    "users",
    "policy_defaults",
    "attention_rules",
    "incidents",
    "correction_batches",
    "review_claims",
    "review_drafts",
    "review_marks",
    "review_findings",
    "review_policies",
    "result_holds",
    "inquiries",
    "rooms",
    "evidence_items",
    "evidence_events",
    "programmes",
    "programme_versions",
    "credential_keys",
)
"""Tables whose references say who did something, which stays as it was said."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of the duplicate goes over, and how many grants end."""

    org_units: int
    groups: int
    targets: int
    invitations: int
    sessions: int
    submissions: int
    grants_ended: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a merge would do, and why it would be refused, if it would."""

    counts: Counts
    refusal: Refusal | None


async def preview(work: Work, kept_id: UUID, duplicate_id: UUID) -> Preview:
    """Tell what merging would move, and what stands against it; the work spans all org units."""
    refusal: Refusal | None = None
    try:
        await _check(work, kept_id, duplicate_id)
        await _refuse_two_open(work, kept_id, duplicate_id)
    except Refusal as refused:
        refusal = refused
    return Preview(await _counts(work, duplicate_id), refusal)


async def merge(work: Work, kept_id: UUID, duplicate_id: UUID, reason: str) -> Answer:
    """Merge a duplicate into the person who is kept, in one transaction; the work spans all org units.

    Refused when both sit one assignment at the moment, and when it would take the last lasting Tenant Admin.
    """
    why = words.reason(reason)
    assignments = await _assignments(work, kept_id, duplicate_id)
    tenant_id = work.viewer.tenant_id
    people = (kept_id, duplicate_id)
    await roles_held.lock(work, *(f"candidate/{tenant_id}/{one}/{user}" for one in assignments for user in people))
    before = await roles_held.lasting_administrators(work)
    kept, duplicate = await _check(work, kept_id, duplicate_id)
    await _refuse_two_open(work, kept_id, duplicate_id)
    counts = await _counts(work, duplicate_id)
    was = duplicate.status
    duplicate.status, duplicate.merged_into = UserStatus.MERGED, kept_id
    await work.session.flush()
    await work.session.execute(update(User).where(User.merged_into == duplicate_id).values(merged_into=kept_id))
    await _move_memberships(work, kept_id, duplicate_id)
    await _move_attempts(work, kept_id, duplicate_id)
    await _move_profile(work, kept_id, duplicate_id)
    grants = (await work.session.scalars(select(UserRole).where(UserRole.user_id == duplicate_id))).all()
    await roles_grants.end(work, grants, why)
    await sign_ins.end_all_of(work, duplicate_id, SignInEnd.ACCESS_LOST)
    work.record(
        "user.merged",
        ("user", duplicate_id),
        reason=why,
        before={"status": was},
        after={"status": UserStatus.MERGED, "merged_into": str(kept_id), "org_units": [], "moved": asdict(counts)},
    )
    work.record("user.absorbed", ("user", kept.id), reason=why, after={"user": str(duplicate_id)})
    await org_units.record_membership(work, [kept_id])
    await roles_held.require_administrator_left(work, before)
    roles.touch(work)
    if tenant_id is not None:
        work.touch(*(topics.assignment_sessions(tenant_id, assignment_id) for assignment_id in assignments))
    return {"user": str(kept_id), "duplicate": str(duplicate_id), "moved": asdict(counts)}


async def _check(work: Work, kept_id: UUID, duplicate_id: UUID) -> tuple[User, User]:
    """Return both people; refuse the same one twice, oneself as duplicate, and whoever holds more than the actor."""
    if kept_id == duplicate_id:
        raise InvalidInput("A person cannot be merged with themselves.", path=["duplicateId"])
    if duplicate_id == work.viewer.user_id:
        raise OneselfRefused("You cannot merge yourself away.", path=["duplicateId"])
    held = await roles_held.of_actor(work)
    roles_held.require_at(held, {Capability.USERS_MANAGE}, None)
    kept = await _person(work, kept_id, "keptId")
    duplicate = await _person(work, duplicate_id, "duplicateId")
    for user in (kept, duplicate):
        if user.status == UserStatus.MERGED:
            raise StateDrift(f"{user.email} was merged already.", current_state="MERGED")
        await roles_held.require_no_less(work, held, user.id)
    return kept, duplicate


async def _person(work: Work, user_id: UUID, name: str) -> User:
    user = (await work.session.scalars(select(User).where(User.id == user_id))).one_or_none()
    if user is None:
        raise NotFound("User", user_id, path=[name])
    return user


async def _refuse_two_open(work: Work, kept_id: UUID, duplicate_id: UUID) -> None:
    one, other = aliased(DeliverySession), aliased(DeliverySession)
    both = (
        select(func.count(one.assignment_id.distinct()))
        .join(other, other.assignment_id == one.assignment_id)
        .where(one.user_id == kept_id, other.user_id == duplicate_id, one.state.in_(OPEN), other.state.in_(OPEN))
    )
    if await work.session.scalar(both):
        raise StillInUse(
            "Both are sitting the same assignment at the moment.",
            path=["duplicateId"],
            hint="Wait until one of the two sessions has ended.",
        )


async def _assignments(work: Work, *user_ids: UUID) -> list[UUID]:
    wanted = select(Invitation.assignment_id).where(Invitation.user_id.in_(user_ids)).distinct()
    return [row.assignment_id for row in await work.rows(wanted.order_by(Invitation.assignment_id))]


async def _counts(work: Work, user_id: UUID) -> Counts:
    columns = (
        UserOrgUnit.user_id,
        GroupMember.user_id,
        AssignmentTarget.user_id,
        Invitation.user_id,
        DeliverySession.user_id,
        Submission.user_id,
        UserRole.user_id,
    )
    numbers = select(*(_count(column, user_id) for column in columns))
    return Counts(*(await work.rows(numbers))[0])


def _count(column: InstrumentedAttribute[UUID], user_id: UUID) -> ColumnElement[int]:
    return select(func.count()).where(column == user_id).scalar_subquery()


async def _move_memberships(work: Work, kept_id: UUID, duplicate_id: UUID) -> None:
    units = select(UserOrgUnit.org_unit_id).where(UserOrgUnit.user_id == duplicate_id)
    for row in await work.rows(units):
        await OF_ORG_UNITS.join(work, [kept_id], row.org_unit_id)
    for row in await work.rows(select(GroupMember.group_id).where(GroupMember.user_id == duplicate_id)):
        await groups.join(work, [kept_id], row.group_id)
    for table in (UserOrgUnit, GroupMember):
        await work.session.execute(delete(table).where(table.user_id == duplicate_id))


async def _move_attempts(work: Work, kept_id: UUID, duplicate_id: UUID) -> None:
    """Move what was issued and sat; attempts and invitations of one assignment are numbered on behind the kept ones."""
    own = select(AssignmentTarget.assignment_id).where(AssignmentTarget.user_id == kept_id)
    twice = delete(AssignmentTarget).where(
        AssignmentTarget.user_id == duplicate_id, AssignmentTarget.assignment_id.in_(own)
    )
    await work.session.execute(twice, execution_options={"synchronize_session": False})
    await _move(work, AssignmentTarget, kept_id, duplicate_id)
    await _move(work, Invitation, kept_id, duplicate_id, Invitation.ordinal)
    await _move(work, DeliverySession, kept_id, duplicate_id, DeliverySession.attempt)
    await _move(work, Submission, kept_id, duplicate_id)
    await _move(work, ReviewTask, kept_id, duplicate_id)
    await _move_seats(work, kept_id, duplicate_id)
    await _move(work, AssignmentOverride, kept_id, duplicate_id)
    await _move_enrolments(work, kept_id, duplicate_id)


async def _move_enrolments(work: Work, kept_id: UUID, duplicate_id: UUID) -> None:
    """Move enrolments and certificates; of two in progress in one programme the duplicate's is cancelled."""
    row, now = ProgrammeEnrolment, await work.now()
    left = {"synchronize_session": False}
    own = select(row.programme_id).where(row.user_id == kept_id, row.status == EnrolmentStatus.IN_PROGRESS)
    twice = update(row).where(row.user_id == duplicate_id, row.status == EnrolmentStatus.IN_PROGRESS)
    ended = {"status": EnrolmentStatus.CANCELLED, "cancelled_at": now, "cancel_reason": MERGED}
    ending = twice.where(row.programme_id.in_(own)).values(**ended).returning(row.programme_id, row.id, row.org_unit_id)
    over = await work.rows(ending.execution_options(**left))
    cancelled = [
        Happened(one.programme_id, one.id, one.org_unit_id, ProgrammeEventKind.CANCELLED, reason=MERGED) for one in over
    ]
    await programmes_enrol.stop(work, [one.id for one in over], MERGED)
    await programmes_events.append(work, cancelled, now)
    for table in (row, Certificate):
        moved = update(table).where(table.user_id == duplicate_id).values(user_id=kept_id)
        await work.session.execute(moved, execution_options=left)


async def _move_seats(work: Work, kept_id: UUID, duplicate_id: UUID) -> None:
    """Move seats in rooms, unless the kept person has one for the same assignment; watching rooms ends."""
    left = {"synchronize_session": False}
    own = select(RoomSeat.assignment_id).where(RoomSeat.user_id == kept_id)
    twice = delete(RoomSeat).where(RoomSeat.user_id == duplicate_id, RoomSeat.assignment_id.in_(own))
    await work.session.execute(twice, execution_options=left)
    await _move(work, RoomSeat, kept_id, duplicate_id)
    await work.session.execute(delete(RoomProctor).where(RoomProctor.user_id == duplicate_id), execution_options=left)


async def _move_profile(work: Work, kept_id: UUID, duplicate_id: UUID) -> None:
    """Let the duplicate's accommodation profile become the kept person's, unless that one has a profile already."""
    profile = AccommodationProfile
    own = select(profile.id).where(profile.user_id == kept_id)
    left = {"synchronize_session": False}
    await work.session.execute(
        delete(profile).where(profile.user_id == duplicate_id, own.exists()), execution_options=left
    )
    await work.session.execute(
        update(profile).where(profile.user_id == duplicate_id).values(user_id=kept_id), execution_options=left
    )


async def _move(
    work: Work,
    table: type[
        AssignmentTarget | Invitation | DeliverySession | Submission | AssignmentOverride | ReviewTask | RoomSeat
    ],
    kept_id: UUID,
    duplicate_id: UUID,
    number: InstrumentedAttribute[int] | None = None,
) -> None:
    values: dict[str, Any] = {"user_id": kept_id}
    if number is not None:
        other = aliased(table)
        highest = select(func.coalesce(func.max(getattr(other, number.key)), 0)).where(
            other.user_id == kept_id, other.assignment_id == table.assignment_id
        )
        values[number.key] = number + highest.scalar_subquery()
    moved = update(table).where(table.user_id == duplicate_id).values(values)
    await work.session.execute(moved, execution_options={"synchronize_session": False})
