"""What anybody is shown of a certificate who has its token: the least that tells whether it counts."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.certificates import Certificate
from models.identity import Tenant
from models.programmes import ProgrammeVersion
from models.sign_ins import BearerKind
from services import bearers, certificates_rules, certificates_settings
from services.certificates_rules import CertificateState
from services.viewer import Viewer
from services.work import Office

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Verified:
    """A certificate as the public sees it; days are those of the tenant's time zone, and no id is told."""

    programme: str
    issuer: str
    holder: str | None
    issued_on: date
    valid_through: date | None
    revoked_on: date | None
    state: CertificateState


async def verify(office: Office, token: str) -> Verified | None:
    """Return what a token shows; None for one that is unknown or malformed, which are told apart by nothing.

    A malformed token is looked up too: it is known by nobody.
    """
    found = await bearers.find(office, BearerKind.CERTIFICATE, bearers.hashed(token))
    if not found or _TOKEN.fullmatch(token) is None:
        return None
    return await _verified(office, found[0].tenant_id, found[0].subject_id)


async def _verified(office: Office, tenant_id: UUID, certificate_id: UUID) -> Verified | None:
    async with office.snapshot(Viewer.system(tenant_id, name="certificates.verify")) as work:
        wanted = (
            select(Certificate, ProgrammeVersion.name, Tenant)
            .join(ProgrammeVersion, ProgrammeVersion.id == Certificate.version_id)
            .join(Tenant, Tenant.id == Certificate.tenant_id)
            .where(Certificate.id == certificate_id)
        )
        row, programme, tenant = (await work.session.execute(wanted)).one()
        holder = certificates_settings.name_of(row.holder_name, await certificates_settings.shown(work))
        now, zone = await work.now(), ZoneInfo(tenant.time_zone)
        return Verified(
            programme,
            tenant.name,
            holder,
            row.issued_at.astimezone(zone).date(),
            row.valid_through,
            row.revoked_at and row.revoked_at.astimezone(zone).date(),
            certificates_rules.state(row, now),
        )
