"""Groups: named sets of people, visible in the whole tenant (domain.md section 2)."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from models.base import uuid7
from models.capabilities import Capability
from models.identity import Group, GroupMember
from services import jobs, org_units, plain, roles_held, words
from services.idempotency import Answer
from services.memberships import OF_GROUPS
from services.paging import Order, Page, PageRequest, paged
from services.refusals import AlreadyExists, InvalidInput, NotFound, StillInUse
from services.work import Work

FOREIGN_KEY_VIOLATION = "23503"

JOINED: Final = "assignments.invite_joined"
"""The job that invites whoever joined a group to what is issued to it."""


async def listed(work: Work, page: PageRequest) -> Page[Group]:
    """List the groups of the tenant by name."""
    return await paged(work, select(Group), [Order(Group.name), Order(Group.id)], page)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Group]:
    """Return the groups with these ids, those that exist."""
    return {group.id: group for group in await plain.by(work, Group, "id", ids)}


async def create(work: Work, name: str) -> Answer:
    """Create a group."""
    await _lead(work)
    group = Group(id=uuid7(), name=await _free_name(work, words.name(name)))
    work.session.add(group)
    await work.session.flush()
    work.record("group.created", ("group", group.id), after={"name": group.name})
    return {"group": str(group.id)}


async def rename(work: Work, group_id: UUID, name: str) -> Answer:
    """Give a group another name."""
    await _lead(work)
    group = await _require(work, group_id)
    before, group.name = group.name, await _free_name(work, words.name(name), but=group.id)
    work.record("group.renamed", ("group", group.id), before={"name": before}, after={"name": group.name})
    return {"group": str(group.id)}


async def remove(work: Work, group_id: UUID, reason: str) -> Answer:
    """Delete a group with its memberships; refused while anything, such as an assignment, addresses it."""
    why = words.reason(reason)
    await _lead(work)
    group = await _require(work, group_id)
    gone = delete(GroupMember).where(GroupMember.group_id == group_id).returning(GroupMember.user_id)
    left = [str(row.user_id) for row in await work.rows(gone)]
    try:
        async with work.session.begin_nested():
            await work.session.execute(delete(Group).where(Group.id == group_id))
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != FOREIGN_KEY_VIOLATION:
            raise
        raise StillInUse(
            f"Assignments address the group '{group.name}'.", path=["id"], hint="Close them, or take the group out."
        ) from error
    work.record("group.deleted", ("group", group_id), reason=why, before={"name": group.name, "members": left})
    return {"group": str(group_id)}


async def join(work: Work, user_ids: Sequence[UUID], group_id: UUID) -> set[UUID]:
    """Add people to a group and return who was not in it; assignments that address the group invite them by a job."""
    new = await OF_GROUPS.join(work, user_ids, group_id)
    if new:
        await jobs.enqueue(work, JOINED, {"group": str(group_id)})
    return new


async def add_members(work: Work, group_id: UUID, user_ids: Sequence[UUID | None]) -> Answer:
    """Add people to a group, row by row; who is in it already stays."""
    return await _change(work, group_id, user_ids, joining=True)


async def remove_members(work: Work, group_id: UUID, user_ids: Sequence[UUID | None]) -> Answer:
    """Take people out of a group, row by row."""
    return await _change(work, group_id, user_ids, joining=False)


async def _change(work: Work, group_id: UUID, user_ids: Sequence[UUID | None], *, joining: bool) -> Answer:
    if not 1 <= len(user_ids) <= org_units.MOST_MEMBERS:
        raise InvalidInput(
            f"There are {len(user_ids)} people; a request takes 1 to {org_units.MOST_MEMBERS}.", path=["userIds"]
        )
    await _lead(work)
    await _require(work, group_id)
    rows = await org_units.known(work, user_ids)
    good = list(dict.fromkeys(row for row in rows if isinstance(row, UUID)))
    changed = await join(work, good, group_id) if joining else await _leave(work, good, group_id)
    if changed:
        act = "group.members_added" if joining else "group.members_removed"
        told = {"members": sorted(map(str, changed))}
        work.record(act, ("group", group_id), before=None if joining else told, after=told if joining else None)
    return {"group": str(group_id), "rows": [org_units.answered(row) for row in rows]}


async def _leave(work: Work, user_ids: Sequence[UUID], group_id: UUID) -> set[UUID]:
    gone = (
        delete(GroupMember)
        .where(GroupMember.group_id == group_id, GroupMember.user_id.in_(user_ids))
        .returning(GroupMember.user_id)
    )
    return {row.user_id for row in await work.rows(gone)}


async def _lead(work: Work) -> None:
    """Take the lock of rights and require that people are managed in the whole tenant: groups belong to all of it."""
    await roles_held.lock(work)
    roles_held.require_at(await roles_held.of_actor(work), {Capability.USERS_MANAGE}, None)


async def _require(work: Work, group_id: UUID) -> Group:
    group = (await work.session.scalars(select(Group).where(Group.id == group_id))).one_or_none()
    if group is None:
        raise NotFound("Group", group_id, path=["id"])
    return group


async def _free_name(work: Work, name: str, *, but: UUID | None = None) -> str:
    others = [] if but is None else [Group.id != but]
    if await work.session.scalar(select(Group.id).where(func.lower(Group.name) == func.lower(name), *others)):
        raise AlreadyExists(f"There is a group called '{name}' already.", path=["name"])
    return name
