"""Certificates: issued in the transaction that completes an enrolment, revoked and reissued (domain.md section 10).

Whoever changes certificates holds their enrolment. A certificate is never changed: what takes its place is a new one.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.base import uuid7
from models.certificates import Certificate, RevokeCause
from models.identity import Tenant, User
from models.programmes import ExpiryAnchor, ProgrammeVersion
from models.programmes_enrolments import EnrolmentStatus, ProgrammeEnrolment, ProgrammeEventKind
from models.sign_ins import BearerKind
from services import bearers, certificates_notices, certificates_rules, programmes_enrol, programmes_events, words
from services.certificates_rules import Term, Validity
from services.idempotency import Answer
from services.programmes_events import Happened
from services.refusals import NotFound, StateDrift
from services.work import Work

SUBJECT = "certificate"
TOKEN_BYTES = 32


async def certify(work: Work, enrolment: ProgrammeEnrolment, grounds: Sequence[UUID], now: datetime) -> Certificate:
    """Issue the certificate of an enrolment that is held and has none that counts.

    `grounds` are the submissions that meet what is mandatory. A certificate that rests on those of the one before it
    keeps its days: nobody gains or loses time by a correction that was taken back.
    """
    last = await newest(work, enrolment.id)
    said = sorted(str(one) for one in grounds)
    if last is not None and last.grounds == said:
        return await _issue(work, enrolment, said, _kept(last), now, replaces=last, renews_id=last.renews_id)
    renewed = await _continued(work, enrolment, now)
    valid = await _validity(work, enrolment, now, renewed)
    renews_id = None if renewed is None else renewed.id
    return await _issue(work, enrolment, said, valid, now, replaces=last, renews_id=renews_id)


async def withdraw(work: Work, enrolment: ProgrammeEnrolment, reason: str, now: datetime) -> None:
    """Revoke the certificate of an enrolment that is held, because a score it rests on was corrected."""
    last = await newest(work, enrolment.id)
    if last is not None and last.revoked_at is None:
        await _revoke(work, enrolment, last, RevokeCause.CORRECTED, reason, now)


async def revoke(work: Work, certificate_id: UUID, reason: str) -> Answer:
    """Revoke a certificate; the enrolment stays completed, and can be certified again by reissuing."""
    why, now = words.reason(reason), await work.now()
    enrolment, row = await _held(work, certificate_id)
    if row.revoked_at is not None:
        raise StateDrift("The certificate is revoked.", current_state="REVOKED")
    await _revoke(work, enrolment, row, RevokeCause.DECISION, why, now)
    enrolment.status = EnrolmentStatus.COMPLETED
    return {"certificate": str(row.id)}


async def reissue(work: Work, certificate_id: UUID, reason: str) -> Answer:
    """Issue a certificate again, with today's name of the holder and the days that it had.

    Refused is one that another has taken the place of, and one whose enrolment is not completed any more.
    """
    why, now = words.reason(reason), await work.now()
    enrolment, row = await _held(work, certificate_id)
    last = await newest(work, enrolment.id)
    if last is not None and last.id != row.id:
        raise StateDrift("Another certificate has taken its place.", current_state="REPLACED")
    if enrolment.status not in (EnrolmentStatus.COMPLETED, EnrolmentStatus.CERTIFIED):
        raise StateDrift("The enrolment is not completed any more.", current_state=enrolment.status.upper())
    if row.revoked_at is None:
        await _revoke(work, enrolment, row, RevokeCause.REISSUED, why, now)
    new = await _issue(work, enrolment, row.grounds, _kept(row), now, replaces=row, renews_id=row.renews_id, reason=why)
    return {"certificate": str(new.id)}


async def newest(work: Work, enrolment_id: UUID) -> Certificate | None:
    """Return the certificate of an enrolment that was issued last, whatever became of it."""
    wanted = select(Certificate).where(Certificate.enrolment_id == enrolment_id).order_by(Certificate.id.desc())
    wanted = wanted.limit(1).execution_options(populate_existing=True)
    return (await work.session.scalars(wanted)).one_or_none()


async def _held(work: Work, certificate_id: UUID) -> tuple[ProgrammeEnrolment, Certificate]:
    found = select(Certificate.enrolment_id).where(Certificate.id == certificate_id)
    enrolment_id = await work.session.scalar(found)
    if enrolment_id is None:
        raise NotFound("Certificate", certificate_id)
    enrolment = await programmes_enrol.held(work, enrolment_id)
    wanted = select(Certificate).where(Certificate.id == certificate_id).execution_options(populate_existing=True)
    return enrolment, (await work.session.scalars(wanted)).one()


async def _continued(work: Work, enrolment: ProgrammeEnrolment, now: datetime) -> Certificate | None:
    """Return the certificate that this enrolment is to renew, while that is still a renewal."""
    if enrolment.renewal_of_id is None:
        return None
    before = await newest(work, enrolment.renewal_of_id)
    if before is None or before.revoked_at is not None or before.renewal_ends_at is None:
        return None
    return before if now < before.renewal_ends_at else None


async def _validity(
    work: Work, enrolment: ProgrammeEnrolment, now: datetime, renewed: Certificate | None
) -> Validity | None:
    version = (
        await work.session.scalars(select(ProgrammeVersion).where(ProgrammeVersion.id == enrolment.version_id))
    ).one()
    zone = (await work.session.scalars(select(Tenant.time_zone))).one()
    term = Term(version.validity_months, ExpiryAnchor(version.expiry_anchor), version.lead_days, version.grace_days)
    previous = None if renewed is None else renewed.valid_through
    return certificates_rules.validity(term, now, ZoneInfo(zone), due_at=enrolment.due_at, previous=previous)


def _kept(row: Certificate) -> Validity | None:
    through, ends, opens, closes = row.valid_through, row.expires_at, row.renewal_opens_at, row.renewal_ends_at
    if through is None or ends is None or opens is None or closes is None:
        return None
    return Validity(through, ends, opens, closes)


async def _issue(
    work: Work,
    enrolment: ProgrammeEnrolment,
    grounds: Sequence[str],
    valid: Validity | None,
    now: datetime,
    *,
    replaces: Certificate | None,
    renews_id: UUID | None,
    reason: str | None = None,
) -> Certificate:
    name = (await work.session.scalars(select(User.display_name).where(User.id == enrolment.user_id))).one()
    row = Certificate(
        id=uuid7(),
        org_unit_id=enrolment.org_unit_id,
        programme_id=enrolment.programme_id,
        version_id=enrolment.version_id,
        enrolment_id=enrolment.id,
        user_id=enrolment.user_id,
        token=secrets.token_urlsafe(TOKEN_BYTES),
        holder_name=name,
        grounds=list(grounds),
        issued_at=now,
        replaces_id=None if replaces is None else replaces.id,
        renews_id=renews_id,
    )
    if valid is not None:
        row.valid_through, row.expires_at = valid.through, valid.expires_at
        row.renewal_opens_at, row.renewal_ends_at = valid.renewal_opens_at, valid.renewal_ends_at
    work.session.add(row)
    bearers.enter(work, BearerKind.CERTIFICATE, bearers.hashed(row.token), row.id)
    enrolment.status = EnrolmentStatus.CERTIFIED
    enrolment.certified_at, enrolment.expires_at = now, row.expires_at
    await work.session.flush()
    await certificates_notices.issued(work)
    told = {
        "enrolment": str(enrolment.id),
        "user_id": str(enrolment.user_id),
        "valid_through": row.valid_through and row.valid_through.isoformat(),
        "grounds": row.grounds,
        "replaces": row.replaces_id and str(row.replaces_id),
        "renews": renews_id and str(renews_id),
    }
    work.record("certificate.issued", (SUBJECT, row.id), reason=reason, after=told)
    facts = {name: told[name] for name in ("valid_through", "replaces", "renews")} | {"certificate": str(row.id)}
    happened = Happened.to(enrolment, ProgrammeEventKind.CERTIFIED, reason=reason, facts=facts)
    await programmes_events.append(work, [happened], now)
    return row


async def _revoke(
    work: Work, enrolment: ProgrammeEnrolment, row: Certificate, cause: RevokeCause, reason: str, now: datetime
) -> None:
    row.revoked_at, row.revoked_by = now, work.viewer.user_id
    row.revoke_cause, row.revoke_reason = cause, reason
    enrolment.status, enrolment.certified_at, enrolment.expires_at = EnrolmentStatus.COMPLETED, None, None
    await work.session.flush()
    work.record("certificate.revoked", (SUBJECT, row.id), reason=reason, after={"cause": cause.value})
    facts = {"certificate": str(row.id), "cause": cause.value}
    happened = Happened.to(enrolment, ProgrammeEventKind.CERTIFICATE_REVOKED, reason=reason, facts=facts)
    await programmes_events.append(work, [happened], now)
