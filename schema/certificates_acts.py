"""What changes certificates: revoke, reissue, and what the public is shown."""

from typing import Annotated

import strawberry

from models.certificates import HolderShown
from resolvers import certificates
from schema.access import Info, act, says, told
from schema.certificates import Certificate, CertificateSettings
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY, WHY

KIND = "Certificate"


@strawberry.input(description="A certificate to revoke.")
class CertificateRevokeInput:
    """Which certificate, and why."""

    id: strawberry.ID = told("Global id of the certificate.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A certificate to issue again.")
class CertificateReissueInput:
    """Which certificate, and why."""

    id: strawberry.ID = told("Global id of the newest certificate of an enrolment that is completed.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="What the tenant is to show of its certificates.")
class CertificateSettingsUpdateInput:
    """The settings, and why."""

    holder_shown: HolderShown = told("How much of a holder's name the public is shown.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A certificate as revoked.")
class CertificateRevokePayload:
    """Answer of `certificateRevoke`."""

    certificate: Certificate | None = told("The certificate; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A certificate as issued again.")
class CertificateReissuePayload:
    """Answer of `certificateReissue`."""

    certificate: Certificate | None = told("The new certificate; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="The settings as they are now.")
class CertificateSettingsUpdatePayload:
    """Answer of `certificateSettingsUpdate`."""

    settings: CertificateSettings | None = told("The settings; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type
class CertificatesMutation:
    """Changes of certificates."""

    @act(
        certificates.revoke,
        "Revoke a certificate: from now on it does not count, and whoever checks it is told so. The enrolment stays "
        "completed.",
    )
    async def certificate_revoke(
        self, info: Info, input: Annotated[CertificateRevokeInput, says("Which, and why.")]
    ) -> CertificateRevokePayload:
        """Revoke."""
        done = certificates.revoke(info.context, local_id(KIND, input.id), input.reason, input.idempotency_key)
        row, problems = await attempt(done)
        return CertificateRevokePayload(certificate=row and Certificate.of(row), problems=problems)

    @act(
        certificates.reissue,
        "Issue a certificate again, with the holder's name as it is now and the days that it had. One that counts is "
        "revoked by it; one that was revoked is taken back up.",
    )
    async def certificate_reissue(
        self, info: Info, input: Annotated[CertificateReissueInput, says("Which, and why.")]
    ) -> CertificateReissuePayload:
        """Reissue."""
        done = certificates.reissue(info.context, local_id(KIND, input.id), input.reason, input.idempotency_key)
        row, problems = await attempt(done)
        return CertificateReissuePayload(certificate=row and Certificate.of(row), problems=problems)

    @act(certificates.settings_update, "Decide what the public is shown, of certificates that exist too.")
    async def certificate_settings_update(
        self, info: Info, input: Annotated[CertificateSettingsUpdateInput, says("What, and why.")]
    ) -> CertificateSettingsUpdatePayload:
        """Decide."""
        done = certificates.settings_update(info.context, input.holder_shown, input.reason, input.idempotency_key)
        shown, problems = await attempt(done)
        settings = None if shown is None else CertificateSettings(holder_shown=shown)
        return CertificateSettingsUpdatePayload(settings=settings, problems=problems)
