"""In which bucket a recipient of an assignment is, and how many are in each (domain.md 5).

It is computed in SQL only, so that what a row shows, what a filter finds and what is counted cannot differ.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Uuid,
    and_,
    any_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.sql.selectable import LateralFromClause

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget, Invitation, InvitationStatus
from models.sessions import DeliverySession, SessionState
from services import assignments_groups, sessions_status
from services.prepared import Forms, given
from services.work import Work

_FORMS: Final = Forms()


class Bucket(StrEnum):
    """How far a recipient has come."""

    INVITED = "invited"
    STARTED = "started"
    COMPLETED = "completed"
    EXPIRED = "expired"


async def counts(work: Work, assignment_ids: Sequence[UUID]) -> dict[UUID, dict[Bucket, int]]:
    """Return how many recipients of each assignment are in each bucket."""
    found: dict[UUID, dict[Bucket, int]] = {one: dict.fromkeys(Bucket, 0) for one in assignment_ids}
    statement = _FORMS.of("counts", _counted)
    for record in await statement.fetch(work, {"assignment_ids": list(assignment_ids)}):
        found[record["assignment_id"]][Bucket(record["bucket"])] += record["number"]
    return found


def _counted() -> CompoundSelect[Any]:
    """Count recipients by bucket: their latest attempts in one pass, and then only those who have not started.

    Where there are as many attempts that count as recipients, nobody is left to look for: only recipients have any.
    """
    ids, moment = given("assignment_ids", ARRAY(Uuid())), now()
    session, target = DeliverySession, AssignmentTarget
    latest = (
        select(session.assignment_id, session.user_id, _reached(moment).label("bucket"))
        .where(session.assignment_id == any_(ids))
        .ext(distinct_on(session.assignment_id, session.user_id))
        .order_by(session.assignment_id, session.user_id, session.attempt.desc())
        .cte("latest")
    )
    keys = (latest.c.assignment_id, latest.c.bucket)
    started = select(*keys, func.count().label("number")).group_by(*keys).cte("started")
    recipients = select(func.count()).where(target.assignment_id == any_(ids)).scalar_subquery()
    begun = select(func.coalesce(func.sum(started.c.number), 0)).scalar_subquery()
    own = and_(latest.c.assignment_id == target.assignment_id, latest.c.user_id == target.user_id)
    newest = _newest_invitation()
    each = (
        select(target.assignment_id.label("assignment_id"), _unstarted(newest.c, moment).label("bucket"))
        .join(Assignment, Assignment.id == target.assignment_id)
        .join(newest, true())
        .where(
            target.assignment_id == any_(ids),
            ~select(latest).where(own).exists(),
            assignments_groups.still_addressed(),
            recipients > begun,
        )
        .subquery()
    )
    keys = (each.c.assignment_id, each.c.bucket)
    return union_all(select(started), select(*keys, func.count().label("number")).group_by(*keys))


def _newest_invitation() -> LateralFromClause:
    """Return the newest invitation of the recipient that it is joined to."""
    target = AssignmentTarget
    return (
        select(Invitation.status, Invitation.expires_at)
        .where(Invitation.assignment_id == target.assignment_id, Invitation.user_id == target.user_id)
        .order_by(Invitation.ordinal.desc())
        .limit(1)
        .lateral("newest")
    )


def now() -> ColumnElement[datetime]:
    """Return the database's clock, read once for the whole statement."""
    return select(func.evalium_now()).scalar_subquery()


def bucket() -> ColumnElement[str]:
    """Decide the bucket: by the latest attempt, and before the first one by invitation and window."""
    moment = now()
    unstarted = DeliverySession.id.is_(None)
    return case((unstarted, _unstarted(Invitation, moment)), else_=_reached(moment)).label("bucket")


def _unstarted(invitation: Any, now: ColumnElement[datetime]) -> ColumnElement[str]:
    """Decide the bucket before the first attempt."""
    shut = or_(
        invitation.status == InvitationStatus.REVOKED,
        invitation.expires_at <= now,
        Assignment.status != AssignmentStatus.ACTIVE,
        func.coalesce(Assignment.valid_until <= now, literal(value=False)),
    )
    return case((shut, literal(Bucket.EXPIRED)), else_=literal(Bucket.INVITED))


def _reached(now: ColumnElement[datetime]) -> ColumnElement[str]:
    """Decide the bucket by an attempt; one that was terminated is completed if there was something to hand in."""
    state = DeliverySession.state
    ended = or_(state.in_([SessionState.EXPIRED, SessionState.TERMINATED]), sessions_status.due(now))
    handed_in = and_(state == SessionState.TERMINATED, DeliverySession.started_at.is_not(None))
    return case(
        (or_(state == SessionState.SUBMITTED, handed_in), literal(Bucket.COMPLETED)),
        (ended, literal(Bucket.EXPIRED)),
        else_=literal(Bucket.STARTED),
    )
