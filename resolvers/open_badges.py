"""The Open Badges credential of a certificate: for staff who see programmes, and for whoever it was issued to."""

from uuid import UUID

from models.certificates import Certificate
from resolvers import certificates
from resolvers.access import signed_in
from resolvers.context import Context
from services import certificates_credential
from services.open_badges import Secrets


@signed_in
async def credential(context: Context, certificate_id: UUID) -> str:
    """Return the signed credential of a certificate: the own one from wherever it is, others of the own org unit."""
    await certificates.require_shown(context, certificate_id)
    house = context.house
    secrets = Secrets(house.tokens.secret_for("credentials"))
    return await certificates_credential.sign(house.office, house.site, secrets, context.tenant_id, certificate_id)


def address(context: Context, row: Certificate) -> str:
    """Return where the credential of a certificate that the viewer may see is downloaded."""
    return f"{context.house.site}/api/v1/certificates/{row.id}/credential"
