"""Groups and who is in them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from dataloaders import groups as loaders
from models.capabilities import Capability
from models.identity import Group, User
from resolvers import org_units
from resolvers.access import requires
from resolvers.context import Context
from resolvers.org_units import MemberRow
from services import groups
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.work import Work


@requires(Capability.USERS_READ)
async def groups_page(context: Context, page: PageRequest) -> Page[Group]:
    """List the groups of the tenant."""
    return await context.read(groups.listed, page)


@requires(Capability.USERS_READ)
async def group(context: Context, group_id: UUID) -> Group | None:
    """Return a group by id."""
    return await context.loaders.of(loaders.by_id).load(group_id)


@requires(Capability.USERS_READ)
async def members_page(context: Context, group_id: UUID, page: PageRequest) -> Page[User]:
    """List who is in a group."""
    return await context.loaders.of(loaders.members).load((group_id, page))


@requires(Capability.USERS_READ)
async def member_count(context: Context, group_id: UUID) -> int:
    """Return how many people are in a group."""
    return await context.loaders.of(loaders.member_counts).load(group_id)


@requires(Capability.USERS_MANAGE)
async def group_create(context: Context, name: str, key: str | None) -> Group | None:
    """Create a group."""

    async def act(work: Work) -> Answer:
        return await groups.create(work, name)

    return await _changed(context, "groupCreate", key, {"name": name}, act)


@requires(Capability.USERS_MANAGE)
async def group_rename(context: Context, group_id: UUID, name: str, key: str | None) -> Group | None:
    """Rename a group."""

    async def act(work: Work) -> Answer:
        return await groups.rename(work, group_id, name)

    return await _changed(context, "groupRename", key, {"id": str(group_id), "name": name}, act)


@requires(Capability.USERS_MANAGE)
async def group_delete(context: Context, group_id: UUID, reason: str, key: str | None) -> UUID:
    """Delete a group and return the id it had."""

    async def act(work: Work) -> Answer:
        return await groups.remove(work, group_id, reason)

    answer = await context.write("groupDelete", key, {"id": str(group_id), "reason": reason}, act)
    return UUID(answer["group"])


@requires(Capability.USERS_MANAGE)
async def group_members_add(
    context: Context, group_id: UUID, user_ids: Sequence[UUID | None], key: str | None
) -> tuple[Group | None, list[MemberRow]]:
    """Add people to a group."""

    async def act(work: Work) -> Answer:
        return await groups.add_members(work, group_id, user_ids)

    return await _members(context, "groupMembersAdd", key, group_id, user_ids, act)


@requires(Capability.USERS_MANAGE)
async def group_members_remove(
    context: Context, group_id: UUID, user_ids: Sequence[UUID | None], key: str | None
) -> tuple[Group | None, list[MemberRow]]:
    """Take people out of a group."""

    async def act(work: Work) -> Answer:
        return await groups.remove_members(work, group_id, user_ids)

    return await _members(context, "groupMembersRemove", key, group_id, user_ids, act)


async def _members(
    context: Context,
    operation: str,
    key: str | None,
    group_id: UUID,
    user_ids: Sequence[UUID | None],
    act: Callable[[Work], Awaitable[Answer]],
) -> tuple[Group | None, list[MemberRow]]:
    answer = await context.write(operation, key, {"id": str(group_id), "users": list(map(str, user_ids))}, act)
    found = await context.loaders.of(loaders.by_id).load(group_id)
    return found, await org_units.member_rows(context, answer)


async def _changed(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> Group | None:
    answer = await context.write(operation, key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["group"]))
