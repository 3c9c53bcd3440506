"""Renewals: before a certificate ends, its holder is enrolled again, once (domain.md section 10).

A renewal is due from when it opens until it ends, and never for a certificate that ended over 90 days ago, so that
after a long standstill nobody is flooded with what is of no use any more.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import aliased

from models.assignments import TargetKind
from models.certificates import Certificate
from models.identity import User, UserStatus
from models.programmes import Programme, ProgrammeStatus
from models.programmes_enrolments import EnrolmentStatus, ProgrammeEnrolment
from services import programmes, programmes_enrol
from services.assignments_issue import Link
from services.assignments_recipients import Resolved
from services.programmes_enrol import Renews
from services.work import Work

LONGEST_OVER: Final = timedelta(days=90)


async def due(work: Work, limit: int) -> list[tuple[UUID, UUID]]:
    """Return enrolments that are to be renewed by now, and their org units, what ends first at the front."""
    wanted = _wanted(ProgrammeEnrolment.id, ProgrammeEnrolment.org_unit_id)
    wanted = wanted.order_by(Certificate.expires_at, ProgrammeEnrolment.id).limit(limit)
    return [(one.id, one.org_unit_id) for one in await work.rows(wanted)]


async def renew(work: Work, enrolment_id: UUID, link: Link | None) -> UUID | None:
    """Enrol a holder again; return the new enrolment, or None where there is nothing to renew any more."""
    found = select(ProgrammeEnrolment.programme_id).where(ProgrammeEnrolment.id == enrolment_id)
    programme_id = (await work.session.scalars(found)).one()
    programme = (
        await work.session.scalars(select(Programme).where(Programme.id == programme_id).with_for_update())
    ).one()
    wanted = _wanted(User.id, User.email, User.display_name, Certificate.expires_at)
    rows = await work.rows(wanted.where(ProgrammeEnrolment.id == enrolment_id))
    if not rows:
        return None
    (row,) = rows
    version = (await programmes.versions_of(work, [programme_id]))[programme_id][0]
    asked = (await programmes.requirements_of(work, [version.id]))[version.id]
    person = Resolved(TargetKind.USER, str(row.id), row.id, row.email, row.display_name)
    renews = Renews(enrolment_id, row.expires_at)
    made = await programmes_enrol.make(work, programme, version, asked, [person], link, renews)
    return made[row.id]


def _wanted(*columns: Any) -> Any:
    """Select of what is to be renewed now: a certificate that counts, or has ended and may still be continued."""
    row, cert, other, now = ProgrammeEnrolment, Certificate, aliased(ProgrammeEnrolment), func.evalium_now()
    renewed = exists().where(other.renewal_of_id == row.id)
    at_it = exists().where(
        other.programme_id == row.programme_id,
        other.user_id == row.user_id,
        other.status == EnrolmentStatus.IN_PROGRESS,
    )
    open_now = and_(
        cert.revoked_at.is_(None),
        cert.renewal_opens_at <= now,
        cert.renewal_ends_at > now,
        cert.expires_at > now - LONGEST_OVER,
    )
    return (
        select(*columns)
        .select_from(cert)
        .join(row, row.id == cert.enrolment_id)
        .join(Programme, Programme.id == row.programme_id)
        .join(User, User.id == row.user_id)
        .where(open_now, row.status == EnrolmentStatus.CERTIFIED, ~renewed, ~at_it)
        .where(Programme.status == ProgrammeStatus.ACTIVE)
        .where(User.status.in_((UserStatus.ACTIVE, UserStatus.INVITED)))
    )
