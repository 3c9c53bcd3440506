"""The credential of a certificate: what it says is read, and signed with the key of the tenant.

Signed is what the certificate says, whatever has become of it since: that it is over stands in the credential, that it
was revoked in the tenant's list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import exists, select

from models.certificates import Certificate, HolderShown
from models.identity import User
from models.programmes import ProgrammeRequirement, ProgrammeVersion
from services import certificates_settings, credential_keys, identity, open_badges
from services.open_badges import Achievement, Award, Criterion, Issuer, Secrets
from services.refusals import NotFound
from services.viewer import Viewer
from services.work import Office, Work

_REVOKED: Final = "select id from certificates where revoked_at is not null order by revoked_at, id"


@dataclass(frozen=True, slots=True)
class Signer:
    """The private half of the key that signs, and the name of its public half."""

    key: RSAPrivateKey
    thumbprint: str


async def sign(office: Office, site: str, secrets: Secrets, tenant_id: UUID, certificate_id: UUID) -> str:
    """Return the signed credential of a certificate; the tenant's first one makes its first key.

    Whoever asks has shown that they may see it.
    """
    viewer = Viewer.system(tenant_id, name="credentials")
    async with office.snapshot(viewer) as work:
        issuer, award = await _said(work, site, certificate_id)
        signer = await _signer(work)
    if signer is None:
        signer = await _first(office, viewer)
    return open_badges.signed(issuer, award, secrets, signer.key, signer.thumbprint)


async def achievement(work: Work, version_id: UUID) -> Achievement | None:
    """Return what a version of a programme asks for; None for one that nobody was certified by."""
    certified = exists().where(Certificate.version_id == ProgrammeVersion.id)
    wanted = select(ProgrammeVersion).where(ProgrammeVersion.id == version_id, certified)
    version = (await work.session.scalars(wanted)).one_or_none()
    return None if version is None else await _achieved(work, version)


async def revoked(work: Work) -> Sequence[UUID]:
    """Return the ids of the tenant's revoked certificates, in the order in which they were revoked."""
    return [row["id"] for row in await work.fetch(_REVOKED)]


async def _said(work: Work, site: str, certificate_id: UUID) -> tuple[Issuer, Award]:
    wanted = (
        select(Certificate, ProgrammeVersion, User.email)
        .join(ProgrammeVersion, ProgrammeVersion.id == Certificate.version_id)
        .join(User, User.id == Certificate.user_id)
        .where(Certificate.id == certificate_id)
    )
    found = (await work.session.execute(wanted)).one_or_none()
    tenant = await identity.tenant(work)
    if found is None or tenant is None:
        raise NotFound("Certificate", certificate_id)
    row, version, email = found
    is_shown = await certificates_settings.shown(work) is HolderShown.FULL
    award = Award(
        certificate_id=row.id,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        email=email,
        shown_name=row.holder_name if is_shown else None,
        achievement=await _achieved(work, version),
    )
    return Issuer(site, tenant.id, tenant.name), award


async def _achieved(work: Work, version: ProgrammeVersion) -> Achievement:
    wanted = select(ProgrammeRequirement).where(ProgrammeRequirement.version_id == version.id)
    asked = await work.session.scalars(wanted.order_by(ProgrammeRequirement.position))
    criteria = [Criterion(one.name, one.min_percent, one.is_mandatory) for one in asked]
    return Achievement(version.id, version.name, version.description, criteria, version.badge_id)


async def _signer(work: Work) -> Signer | None:
    row = await credential_keys.current(work)
    return None if row is None else Signer(credential_keys.opened(work, row), row.thumbprint)


async def _first(office: Office, viewer: Viewer) -> Signer:
    candidate = await credential_keys.made()

    async def act(work: Work) -> Signer:
        row = await credential_keys.first(work, candidate)
        return Signer(credential_keys.opened(work, row), row.thumbprint)

    return await office.perform(viewer, act, repeatable=True)
