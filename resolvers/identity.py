"""Who am I, and who is who."""

from collections.abc import Sequence
from uuid import UUID

from dataloaders import identity as loaders
from models.capabilities import Capability
from models.identity import OrgUnit, Tenant, User
from resolvers.access import requires, signed_in
from resolvers.context import Context
from services import identity


@signed_in
async def viewer(context: Context) -> User | None:
    """Return the person behind the token; None for a service token."""
    user_id = context.viewer.user_id
    return None if user_id is None else await context.loaders.of(loaders.users).load(user_id)


async def tenant(context: Context) -> Tenant | None:
    """Return the viewer's tenant."""
    return await context.read(identity.tenant)


async def org_unit(context: Context) -> OrgUnit | None:
    """Return the org unit that the token is for."""
    return await context.read(identity.org_unit)


async def capabilities(context: Context) -> list[Capability]:
    """Return what the viewer may do here, sorted by name."""
    return sorted(await context.capabilities())


async def people(context: Context, ids: Sequence[UUID]) -> list[User | None]:
    """Return people by their ids, in order, for fields of objects that the viewer may already see."""
    return await context.loaders.of(loaders.users).load_many(ids)


async def person(context: Context, user_id: UUID) -> User | None:
    """Return a person by id, for fields of objects that the viewer may already see."""
    return await context.loaders.of(loaders.users).load(user_id)


@requires(Capability.USERS_READ)
async def known_person(context: Context, user_id: UUID) -> User | None:
    """Return any person of the tenant."""
    return await context.loaders.of(loaders.users).load(user_id)
