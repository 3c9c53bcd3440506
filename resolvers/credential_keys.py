"""The keys that sign a tenant's credentials: listed and rotated by those who run the tenant."""

from uuid import UUID

from models.capabilities import Capability
from models.credential_keys import CredentialKey
from models.identity import User
from resolvers import identity
from resolvers.access import requires
from resolvers.context import Context
from services import credential_keys
from services.idempotency import Answer
from services.open_badges import Issuer
from services.paging import Page, PageRequest
from services.work import Work


@requires(Capability.CREDENTIALS_MANAGE)
async def credential_keys_page(context: Context, page: PageRequest) -> Page[CredentialKey]:
    """List the keys."""
    return await context.read(credential_keys.listed, page)


@requires(Capability.CREDENTIALS_MANAGE)
async def credential_key_rotate(context: Context, reason: str, key: str | None) -> CredentialKey:
    """Sign with another key from now on."""
    candidate = await credential_keys.made()

    async def act(work: Work) -> Answer:
        return await credential_keys.rotate(work, candidate, reason)

    answer = await context.write("credentialKeyRotate", key, {"reason": reason}, act)
    row_id = UUID(answer["key"])
    row = (await context.read(credential_keys.by_id, [row_id])).get(row_id)
    if row is None:
        raise LookupError(f"credential key {row_id} cannot be read back")
    return row


def address(context: Context, row: CredentialKey) -> str:
    """Return where everybody can fetch the public half: what credentials name as `kid`."""
    return Issuer(context.house.site, row.tenant_id).key(row.thumbprint)


async def person(context: Context, user_id: UUID | None) -> User | None:
    """Return who made or retired a key."""
    return None if user_id is None else await identity.person(context, user_id)
