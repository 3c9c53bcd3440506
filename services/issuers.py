"""What the public is told of a tenant that issues credentials, and nothing of one that has signed none yet."""

from services import credential_keys, identity
from services.open_badges import Issuer
from services.work import Work


async def issuer(work: Work, site: str) -> Issuer | None:
    """Return the work's tenant as an issuer; None when there is none, or when it has signed nothing yet."""
    tenant = await identity.tenant(work)
    if tenant is None or not await credential_keys.has_any(work):
        return None
    return Issuer(site, tenant.id, tenant.name)
