"""Service tokens: made, listed and revoked by whoever may manage tokens."""

from dataclasses import asdict, dataclass
from uuid import UUID

from models.capabilities import Capability
from models.identity import User
from models.service_tokens import ServiceToken
from resolvers import identity
from resolvers.access import requires
from resolvers.context import Context
from services import service_tokens
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.service_tokens import Scope
from services.work import Work


@dataclass(frozen=True, slots=True)
class Created:
    """A token as just made: its row, and the signed token itself, which is shown here alone."""

    row: ServiceToken
    token: str


@requires(Capability.TOKENS_MANAGE)
async def service_tokens_page(context: Context, page: PageRequest) -> Page[ServiceToken]:
    """List service tokens."""
    return await context.read(service_tokens.listed, page)


@requires(Capability.TOKENS_MANAGE)
async def service_token_create(context: Context, scope: Scope, key: str | None) -> Created:
    """Make a service token."""

    async def act(work: Work) -> Answer:
        return await service_tokens.create(work, scope, context.house.operations)

    given = asdict(scope)
    answer = await context.write("serviceTokenCreate", key, given, act)
    row = await _row(context, UUID(answer["token"]))
    return Created(row, service_tokens.mint(context.house.tokens, row))


@requires(Capability.TOKENS_MANAGE)
async def service_token_revoke(context: Context, token_id: UUID, reason: str, key: str | None) -> ServiceToken:
    """Revoke a service token."""

    async def act(work: Work) -> Answer:
        return await service_tokens.revoke(work, token_id, reason)

    answer = await context.write("serviceTokenRevoke", key, {"id": str(token_id), "reason": reason}, act)
    return await _row(context, UUID(answer["token"]))


async def creator(context: Context, row: ServiceToken) -> User | None:
    """Return who made a token."""
    return await identity.person(context, row.created_by)


async def _row(context: Context, token_id: UUID) -> ServiceToken:
    row = (await context.read(service_tokens.by_id, [token_id])).get(token_id)
    if row is None:
        raise LookupError(f"service token {token_id} cannot be read back")
    return row
