"""Roles, what they hold, and who is granted which."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from dataloaders import org_units as org_unit_loaders
from dataloaders import roles as loaders
from models.capabilities import Capability
from models.identity import OrgUnit, Role, User, UserRole
from resolvers import users
from resolvers.access import requires
from resolvers.context import Context
from resolvers.users import Possible
from services import roles, roles_grants
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.roles import Change
from services.roles_grants import Wanted
from services.work import Work


@requires(Capability.ROLES_READ)
async def every_capability(_context: Context) -> list[Capability]:
    """Return the closed set of capabilities, sorted by name."""
    return sorted(Capability)


@requires(Capability.ROLES_READ)
async def role(context: Context, role_id: UUID | None) -> Role | None:
    """Return a role of the tenant."""
    return None if role_id is None else await context.loaders.of(loaders.by_id).load(role_id)


@requires(Capability.ROLES_READ)
async def roles_page(context: Context, page: PageRequest) -> Page[Role]:
    """List the roles of the tenant."""
    return await context.read(roles.listed, page)


async def capabilities(context: Context, role_id: UUID) -> list[Capability]:
    """Return what a role holds that the viewer may see."""
    return await context.loaders.of(loaders.capabilities).load(role_id)


async def holders(context: Context, role_id: UUID) -> int:
    """Return by how many people a role is held that the viewer may see."""
    return await context.loaders.of(loaders.holders).load(role_id)


async def actions(context: Context, row: Role) -> list[Possible]:
    """Say what the viewer may do with a role now; what only the whole of the viewer's rights decides is tried."""
    missing = None
    if Capability.ROLES_MANAGE not in await context.capabilities():
        missing = f"You do not hold '{Capability.ROLES_MANAGE}' here."
    fixed = "It is a system role." if row.key is not None else None
    held = await holders(context, row.id)
    in_use = f"It is held by {held}." if held else None
    return [
        Possible("update", missing or fixed),
        Possible("clone", missing),
        Possible("delete", missing or fixed or in_use),
        Possible("assign", missing),
    ]


@requires(Capability.ROLES_READ)
async def role_of_grant(context: Context, grant: UserRole) -> Role | None:
    """Return the role that a grant gives."""
    return await context.loaders.of(loaders.by_id).load(grant.role_id)


async def place(context: Context, grant: UserRole) -> OrgUnit | None:
    """Return the org unit that a grant is bound to."""
    unit = grant.org_unit_id
    return None if unit is None else await context.loaders.of(org_unit_loaders.by_id).load(unit)


async def giver(context: Context, grant: UserRole) -> User | None:
    """Return who gave a grant; None for one that came with the tenant."""
    return None if grant.granted_by is None else await users.person(context, grant.granted_by)


@requires(Capability.ROLES_MANAGE)
async def role_create(context: Context, change: Change, key: str | None) -> Role | None:
    """Create a role."""

    async def act(work: Work) -> Answer:
        return await roles.create(work, change)

    return await _changed(context, "roleCreate", key, asdict(change), act)


@requires(Capability.ROLES_MANAGE)
async def role_clone(
    context: Context, role_id: UUID, name: str, description: str | None, key: str | None
) -> Role | None:
    """Create a role that holds what another one does."""

    async def act(work: Work) -> Answer:
        return await roles.clone(work, role_id, name, description)

    given = {"id": str(role_id), "name": name, "description": description}
    return await _changed(context, "roleClone", key, given, act)


@requires(Capability.ROLES_MANAGE)
async def role_update(context: Context, role_id: UUID, change: Change, key: str | None) -> Role | None:
    """Change a role."""

    async def act(work: Work) -> Answer:
        return await roles.update(work, role_id, change)

    return await _changed(context, "roleUpdate", key, {"id": str(role_id), **asdict(change)}, act)


@requires(Capability.ROLES_MANAGE)
async def role_delete(context: Context, role_id: UUID, reason: str, key: str | None) -> UUID:
    """Delete a role and return the id it had."""

    async def act(work: Work) -> Answer:
        return await roles.remove(work, role_id, reason)

    answer = await context.write("roleDelete", key, {"id": str(role_id), "reason": reason}, act)
    return UUID(answer["role"])


@requires(Capability.ROLES_MANAGE)
async def role_assign(
    context: Context, user_id: UUID, wanted: Wanted, reason: str, key: str | None
) -> tuple[User | None, UserRole | None]:
    """Grant a role to a person."""

    async def act(work: Work) -> Answer:
        return await roles_grants.assign(work, user_id, wanted, reason)

    given = {"user": str(user_id), "reason": reason, **asdict(wanted)}
    answer = await context.write("roleAssign", key, given, act)
    grant = await context.loaders.of(loaders.grants).load(UUID(answer["grant"]))
    return await users.person(context, user_id), grant


@requires(Capability.ROLES_MANAGE)
async def role_remove(context: Context, grant_id: UUID, reason: str, key: str | None) -> User | None:
    """Take a grant back from a person."""

    async def act(work: Work) -> Answer:
        return await roles_grants.remove(work, grant_id, reason)

    return await users.changed(context, "roleRemove", key, {"id": str(grant_id), "reason": reason}, act)


async def _changed(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> Role | None:
    answer = await context.write(operation, key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["role"]))
