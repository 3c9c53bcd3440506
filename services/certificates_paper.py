"""What stands on the paper of a certificate: as it was issued, with the badge of its version and where to check it."""

from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, select

from models.certificates import BadgeImage, Certificate
from models.identity import Tenant
from models.programmes import ProgrammeVersion
from paper.certificates import Sheet
from services import certificates_rules
from services.certificates_rules import CertificateState
from services.refusals import NotFound
from services.refusals_files import CertificateRevoked
from services.work import Work


async def sheet(work: Work, site: str, certificate_id: UUID) -> Sheet:
    """Return what is printed of a certificate of the tenant; refuses one that was revoked.

    A mark on paper can be covered up, so none is made of what does not count any more. Whoever asks has shown that they
    may see it. Days are those of the tenant's time zone.
    """
    wanted = (
        select(Certificate, ProgrammeVersion.name, Tenant, BadgeImage.content)
        .join(ProgrammeVersion, ProgrammeVersion.id == Certificate.version_id)
        .join(Tenant, Tenant.id == Certificate.tenant_id)
        .outerjoin(
            BadgeImage,
            and_(BadgeImage.tenant_id == Certificate.tenant_id, BadgeImage.id == ProgrammeVersion.badge_id),
        )
        .where(Certificate.id == certificate_id)
    )
    found = (await work.session.execute(wanted)).one_or_none()
    if found is None:
        raise NotFound("Certificate", certificate_id)
    row, programme, tenant, badge = found
    state = certificates_rules.state(row, await work.now())
    if state is CertificateState.REVOKED:
        raise CertificateRevoked(certificate_id)
    return Sheet(
        holder=row.holder_name,
        programme=programme,
        issuer=tenant.name,
        issued_on=row.issued_at.astimezone(ZoneInfo(tenant.time_zone)).date(),
        valid_through=row.valid_through,
        number=str(row.id),
        address=f"{site}/certificates/{row.token}",
        badge=badge,
        is_over=state is CertificateState.EXPIRED,
    )
