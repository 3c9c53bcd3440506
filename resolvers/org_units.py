"""Org units and who works in them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dataloaders import org_units as loaders
from models.capabilities import Capability
from models.identity import OrgUnit, User
from resolvers import users
from resolvers.access import requires
from resolvers.context import Context
from services import org_units
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.work import Work


@dataclass(frozen=True, slots=True)
class MemberRow:
    """What became of one person of a request about members."""

    user: User | None
    problem: dict[str, Any] | None


@requires(Capability.USERS_READ)
async def org_units_page(context: Context, page: PageRequest, *, archived: bool) -> Page[OrgUnit]:
    """List the org units of the tenant."""
    return await context.read(lambda work: org_units.listed(work, page, archived=archived))


@requires(Capability.USERS_READ)
async def org_unit(context: Context, org_unit_id: UUID) -> OrgUnit | None:
    """Return an org unit by id."""
    return await context.loaders.of(loaders.by_id).load(org_unit_id)


@requires(Capability.USERS_READ)
async def members_page(context: Context, org_unit_id: UUID, page: PageRequest) -> Page[User]:
    """List who works in an org unit."""
    return await context.loaders.of(loaders.members).load((org_unit_id, page))


@requires(Capability.USERS_READ)
async def member_count(context: Context, org_unit_id: UUID) -> int:
    """Return how many people work in an org unit."""
    return await context.loaders.of(loaders.member_counts).load(org_unit_id)


@requires(Capability.USERS_MANAGE)
async def org_unit_create(context: Context, name: str, key: str | None) -> OrgUnit | None:
    """Create an org unit."""

    async def act(work: Work) -> Answer:
        return await org_units.create(work, name)

    return await _changed(context, "orgUnitCreate", key, {"name": name}, act)


@requires(Capability.USERS_MANAGE)
async def org_unit_rename(context: Context, org_unit_id: UUID, name: str, key: str | None) -> OrgUnit | None:
    """Rename an org unit."""

    async def act(work: Work) -> Answer:
        return await org_units.rename(work, org_unit_id, name)

    return await _changed(context, "orgUnitRename", key, {"id": str(org_unit_id), "name": name}, act)


@requires(Capability.USERS_MANAGE)
async def org_unit_archive(context: Context, org_unit_id: UUID, reason: str, key: str | None) -> OrgUnit | None:
    """Archive an org unit; its assignments are looked for in all org units, wherever the caller works."""

    async def act(work: Work) -> Answer:
        return await org_units.archive(work, org_unit_id, reason)

    given = {"id": str(org_unit_id), "reason": reason}
    return await _changed(context, "orgUnitArchive", key, given, act, everywhere=True)


@requires(Capability.USERS_MANAGE)
async def org_unit_members_add(
    context: Context, org_unit_id: UUID, user_ids: Sequence[UUID | None], key: str | None
) -> tuple[OrgUnit | None, list[MemberRow]]:
    """Add people to an org unit."""

    async def act(work: Work) -> Answer:
        return await org_units.add_members(work, org_unit_id, user_ids)

    return await _members(context, "orgUnitMembersAdd", key, org_unit_id, user_ids, act)


@requires(Capability.USERS_MANAGE)
async def org_unit_members_remove(
    context: Context, org_unit_id: UUID, user_ids: Sequence[UUID | None], key: str | None
) -> tuple[OrgUnit | None, list[MemberRow]]:
    """Take people out of an org unit."""

    async def act(work: Work) -> Answer:
        return await org_units.remove_members(work, org_unit_id, user_ids)

    return await _members(context, "orgUnitMembersRemove", key, org_unit_id, user_ids, act)


async def member_rows(context: Context, answer: Answer) -> list[MemberRow]:
    """Return the rows of an answer about members with the people themselves, in order."""
    ids = [UUID(row["user"]) for row in answer["rows"] if row["user"]]
    found = dict(zip(ids, await users.people(context, ids), strict=True))
    return [
        MemberRow(found[UUID(row["user"])], None) if row["user"] else MemberRow(None, row["problem"])
        for row in answer["rows"]
    ]


async def _members(
    context: Context,
    operation: str,
    key: str | None,
    org_unit_id: UUID,
    user_ids: Sequence[UUID | None],
    act: Callable[[Work], Awaitable[Answer]],
) -> tuple[OrgUnit | None, list[MemberRow]]:
    answer = await context.write(operation, key, {"id": str(org_unit_id), "users": list(map(str, user_ids))}, act)
    unit = await context.loaders.of(loaders.by_id).load(org_unit_id)
    return unit, await member_rows(context, answer)


async def _changed(
    context: Context,
    operation: str,
    key: str | None,
    given: Any,
    act: Callable[[Work], Awaitable[Answer]],
    *,
    everywhere: bool = False,
) -> OrgUnit | None:
    viewer = context.viewer.everywhere() if everywhere else None
    answer = await context.write(operation, key, given, act, viewer=viewer)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["org_unit"]))
