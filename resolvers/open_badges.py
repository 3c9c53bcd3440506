"""The Open Badges credential of a certificate: for staff who see programmes, and for whoever it was issued to."""

from uuid import UUID

from models.capabilities import Capability
from models.certificates import Certificate
from resolvers.access import signed_in
from resolvers.context import Context
from services import certificates_credential, certificates_read
from services.open_badges import Secrets
from services.refusals import NotFound


@signed_in
async def credential(context: Context, certificate_id: UUID) -> str:
    """Return the signed credential of a certificate: the own one from wherever it is, others of the own org unit."""
    if not await _is_own(context, certificate_id):
        await context.require(Capability.PROGRAMMES_READ)
        if certificate_id not in await context.read(certificates_read.by_ids, [certificate_id]):
            raise NotFound("Certificate", certificate_id)
    house = context.house
    secrets = Secrets(house.tokens.secret_for("credentials"))
    return await certificates_credential.sign(house.office, house.site, secrets, context.tenant_id, certificate_id)


def address(context: Context, row: Certificate) -> str:
    """Return where the credential of a certificate that the viewer may see is downloaded."""
    return f"{context.house.site}/api/v1/certificates/{row.id}/credential"


async def _is_own(context: Context, certificate_id: UUID) -> bool:
    """Tell whether the certificate is the viewer's own, whichever of their org units the token is for."""
    viewer = context.viewer
    if viewer.user_id is None:
        return False
    async with context.house.office.snapshot(viewer.everywhere()) as work:
        row = (await certificates_read.by_ids(work, [certificate_id])).get(certificate_id)
    return row is not None and row.user_id == viewer.user_id
