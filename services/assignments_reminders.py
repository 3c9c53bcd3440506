"""Reminders: before an assessment opens, who has not started; before it closes, who has not handed in (domain.md 5).

Mark and mail are one transaction, behind a lock of the assignment: however often it is tried, everybody is reminded
once of each. When a window closes is decided for each person, overrides included.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, any_, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget, Invitation, InvitationStatus
from models.authoring import EvaluationVersion
from models.overrides import AssignmentOverride, OverrideKind
from models.sessions import DeliverySession
from services import assignments_groups, assignments_mail, assignments_policy, policy
from services.assignments_issue import Link
from services.policy import Unlimited
from services.work import Work

MOST = 500
"""People who are reminded in one transaction."""

_SECOND = timedelta(seconds=1)


async def due(work: Work) -> list[tuple[UUID, UUID]]:
    """Return the assignments, with their org units, of which somebody may have to be reminded now."""
    now = func.evalium_now()
    row = Assignment
    moved = exists().where(
        AssignmentOverride.assignment_id == row.id, AssignmentOverride.kind == OverrideKind.WINDOW_UNTIL
    )
    opening = and_(
        row.remind_before_start_seconds.is_not(None),
        row.valid_from > now,
        row.valid_from - row.remind_before_start_seconds * _SECOND <= now,
    )
    closing = and_(
        row.remind_before_deadline_seconds.is_not(None),
        or_(row.valid_until - row.remind_before_deadline_seconds * _SECOND <= now, moved),
        or_(row.valid_until > now, moved),
    )
    wanted = select(row.id, row.org_unit_id).where(row.status == AssignmentStatus.ACTIVE, or_(opening, closing))
    return [(one.id, one.org_unit_id) for one in await work.rows(wanted.order_by(row.id))]


async def remind(work: Work, assignment_id: UUID, link: Link) -> int:
    """Remind at most so many people of one assignment of what is due; return how many were."""
    await work.lock(f"reminders/{work.viewer.tenant_id}/{assignment_id}")
    found = (await work.session.scalars(select(Assignment).where(Assignment.id == assignment_id))).one_or_none()
    if found is None or found.status != AssignmentStatus.ACTIVE:
        return 0
    now = await work.now()
    return await _before_start(work, found, link, now) + await _before_deadline(work, found, link, now)


async def _before_start(work: Work, assignment: Assignment, link: Link, now: datetime) -> int:
    lead, opens = assignment.remind_before_start_seconds, assignment.valid_from
    if lead is None or opens is None or not opens - lead * _SECOND <= now < opens:
        return 0
    waiting = await _waiting(
        work,
        assignment.id,
        Invitation.start_reminded_at.is_(None),
        Invitation.accepted_at.is_(None),
        Invitation.sent_at < opens - lead * _SECOND,
    )
    ids = [one.id for one in waiting]
    await _mark(work, ids, {"start_reminded_at": now})
    closes = {one.id: assignment.valid_until for one in waiting}
    await assignments_mail.remind(work, assignment, link, ids, closes, now)
    return len(ids)


async def _before_deadline(work: Work, assignment: Assignment, link: Link, now: datetime) -> int:
    lead = assignment.remind_before_deadline_seconds
    if lead is None:
        return 0
    at_work = exists().where(DeliverySession.id == Invitation.session_id, DeliverySession.ended_at.is_(None))
    waiting = await _waiting(
        work,
        assignment.id,
        Invitation.deadline_reminded_at.is_(None),
        or_(Invitation.session_id.is_(None), at_work),
    )
    closes = await _closes(work, assignment, [one.user_id for one in waiting])
    due_now: dict[UUID, datetime | None] = {}
    for one in waiting:
        until = closes[one.user_id]
        if until is not None and until - lead * _SECOND <= now < until and one.sent_at < until - lead * _SECOND:
            due_now[one.id] = until
    ids = list(due_now)[:MOST]
    await _mark(work, ids, {"deadline_reminded_at": now})
    await assignments_mail.remind(work, assignment, link, ids, due_now, now)
    return len(ids)


async def _waiting(work: Work, assignment_id: UUID, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    """Return the newest invitation of each recipient that meets the conditions and is still good."""
    later, target = aliased(Invitation), AssignmentTarget
    newer = exists().where(
        later.assignment_id == Invitation.assignment_id,
        later.user_id == Invitation.user_id,
        later.ordinal > Invitation.ordinal,
    )
    addressed = exists().where(
        target.assignment_id == Invitation.assignment_id,
        target.user_id == Invitation.user_id,
        assignments_groups.still_addressed(),
    )
    wanted = (
        select(Invitation.id, Invitation.user_id, Invitation.sent_at)
        .where(
            Invitation.assignment_id == assignment_id,
            Invitation.status != InvitationStatus.REVOKED,
            Invitation.public_link_id.is_(None),
            ~newer,
            addressed,
            *conditions,
        )
        .order_by(Invitation.id)
    )
    return await work.rows(wanted)


async def _closes(work: Work, assignment: Assignment, user_ids: Sequence[UUID]) -> dict[UUID, datetime | None]:
    """Return when the window closes for each of these people."""
    version = await work.session.get(EvaluationVersion, (assignment.tenant_id, assignment.evaluation_version_id))
    plain = assignments_policy.plain_rows(assignment, version, await assignments_policy.defaults_of_tenant(work))
    personal = await assignments_policy.personal_rows(work, assignment.id, user_ids) if user_ids else {}
    found: dict[UUID, datetime | None] = dict.fromkeys(user_ids, assignment.valid_until)
    for user_id, rows in personal.items():
        until = policy.resolve([*plain, *rows]).window_until.value
        found[user_id] = None if isinstance(until, Unlimited) else until
    return found


async def _mark(work: Work, ids: Sequence[UUID], values: dict[str, datetime]) -> None:
    chosen = Invitation.id == any_(literal(list(ids), ARRAY(Uuid())))
    await work.session.execute(
        update(Invitation).where(chosen).values(values), execution_options={"synchronize_session": False}
    )
