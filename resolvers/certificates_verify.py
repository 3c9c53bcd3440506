"""What anybody is shown of a certificate whose address they have."""

from resolvers.access import public
from resolvers.context import Context
from services import certificates_verify
from services.certificates_verify import Verified
from services.refusals import UnknownCertificate


@public
async def verified(context: Context, token: str) -> Verified:
    """Return what a token shows; refuses one that is unknown or malformed, and guessing, but never a right one."""
    found = await certificates_verify.verify(context.house.office, token)
    if found is None:
        await context.house.attempts.failed("certificate from", context.address)
        raise UnknownCertificate
    return found
