"""What changes org units and groups, and who belongs to them."""

from collections.abc import Awaitable, Sequence
from typing import Annotated
from uuid import UUID

import strawberry

from models import identity as models
from resolvers import groups, org_units
from resolvers.org_units import MemberRow
from schema.access import Info, act, says, told
from schema.identity import Group, OrgUnit, User
from schema.nodes import global_id, local_id, looked_for
from schema.problems import Problem, Refused, attempt
from schema.users_acts import KEY, WHY
from services.org_units import MOST_MEMBERS

NAME = "Its name, 1 to 200 characters; unique in the tenant, whatever its capitals."


@strawberry.input(description="An org unit or a group to create.")
class NamedCreateInput:
    """What to create."""

    name: str = told(NAME)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="An org unit or a group to rename.")
class NamedRenameInput:
    """What to rename."""

    id: strawberry.ID = told("Its global id.")
    name: str = told(NAME)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="What to archive or delete, and why.")
class NamedEndInput:
    """What to end."""

    id: strawberry.ID = told("Its global id.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="People to add to an org unit or a group, or to take out of it.")
class MembersInput:
    """Whose membership to change."""

    id: strawberry.ID = told("Global id of the org unit or the group.")
    user_ids: list[strawberry.ID] = told(f"Global ids of the people, 1 to {MOST_MEMBERS}.")
    idempotency_key: str | None = told(KEY, default=None)

    def people(self) -> list[UUID | None]:
        """Return the people's ids; None where there stands no id of a person."""
        return [looked_for("User", one) for one in self.user_ids]


@strawberry.type(description="What became of one person of the request.")
class MemberResult:
    """A row of the result."""

    index: int = told("Place of the person in the input, from 0.")
    user: User | None = told("The person; null when there is none.")
    problems: list[Problem] = told("Why nothing was changed; empty otherwise.")

    @classmethod
    def of(cls, index: int, row: MemberRow) -> "MemberResult":
        """Show a row."""
        return cls(
            index=index,
            user=row.user and User.of(row.user),
            problems=[] if row.problem is None else [Refused(**row.problem)],
        )


@strawberry.type(description="An org unit as changed.")
class OrgUnitPayload:
    """Answer of the acts on an org unit."""

    org_unit: OrgUnit | None = told("The org unit; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type(description="An org unit with what became of each person.")
class OrgUnitMembersPayload:
    """Answer of the acts on members of an org unit."""

    org_unit: OrgUnit | None = told("The org unit; null when nothing was changed.")
    results: list[MemberResult] = told("One for each person, in order; empty when no row was looked at.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type(description="A group as changed.")
class GroupPayload:
    """Answer of the acts on a group."""

    group: Group | None = told("The group; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type(description="A group that was deleted.")
class GroupDeletePayload:
    """Answer of `groupDelete`."""

    deleted_id: strawberry.ID | None = told("Global id that it had; null when it was not deleted.")
    problems: list[Problem] = told("Why it was not deleted.")


@strawberry.type(description="A group with what became of each person.")
class GroupMembersPayload:
    """Answer of the acts on members of a group."""

    group: Group | None = told("The group; null when nothing was changed.")
    results: list[MemberResult] = told("One for each person, in order; empty when no row was looked at.")
    problems: list[Problem] = told("Why nothing was changed.")


async def _unit(act_: Awaitable[models.OrgUnit | None]) -> OrgUnitPayload:
    row, problems = await attempt(act_)
    return OrgUnitPayload(org_unit=row and OrgUnit.of(row), problems=problems)


async def _group(act_: Awaitable[models.Group | None]) -> GroupPayload:
    row, problems = await attempt(act_)
    return GroupPayload(group=row and Group.of(row), problems=problems)


def _results(rows: Sequence[MemberRow]) -> list[MemberResult]:
    return [MemberResult.of(index, row) for index, row in enumerate(rows)]


@strawberry.type
class OrgUnitsMutation:
    """Acts on org units."""

    @act(org_units.org_unit_create, "Create an org unit.")
    async def org_unit_create(
        self, info: Info, input: Annotated[NamedCreateInput, says("What to create.")]
    ) -> OrgUnitPayload:
        """Create."""
        return await _unit(org_units.org_unit_create(info.context, input.name, input.idempotency_key))

    @act(org_units.org_unit_rename, "Give an org unit another name.")
    async def org_unit_rename(
        self, info: Info, input: Annotated[NamedRenameInput, says("Which, and how.")]
    ) -> OrgUnitPayload:
        """Rename."""

        async def rename() -> models.OrgUnit | None:
            unit_id = local_id("OrgUnit", input.id)
            return await org_units.org_unit_rename(info.context, unit_id, input.name, input.idempotency_key)

        return await _unit(rename())

    @act(
        org_units.org_unit_archive,
        "Archive an org unit: it takes no new members and grants. Refused while it has active assignments.",
    )
    async def org_unit_archive(
        self, info: Info, input: Annotated[NamedEndInput, says("Which, and why.")]
    ) -> OrgUnitPayload:
        """Archive."""

        async def archive() -> models.OrgUnit | None:
            unit_id = local_id("OrgUnit", input.id)
            return await org_units.org_unit_archive(info.context, unit_id, input.reason, input.idempotency_key)

        return await _unit(archive())

    @act(org_units.org_unit_members_add, "Add people to an org unit; who is in it stays.")
    async def org_unit_members_add(
        self, info: Info, input: Annotated[MembersInput, says("Whom, and where.")]
    ) -> OrgUnitMembersPayload:
        """Add members."""

        async def add() -> tuple[models.OrgUnit | None, list[MemberRow]]:
            unit_id = local_id("OrgUnit", input.id)
            return await org_units.org_unit_members_add(info.context, unit_id, input.people(), input.idempotency_key)

        done, problems = await attempt(add())
        unit, rows = done or (None, [])
        return OrgUnitMembersPayload(org_unit=unit and OrgUnit.of(unit), results=_results(rows), problems=problems)

    @act(org_units.org_unit_members_remove, "Take people out of an org unit; what they did there stays.")
    async def org_unit_members_remove(
        self, info: Info, input: Annotated[MembersInput, says("Whom, and where.")]
    ) -> OrgUnitMembersPayload:
        """Remove members."""

        async def remove() -> tuple[models.OrgUnit | None, list[MemberRow]]:
            unit_id = local_id("OrgUnit", input.id)
            return await org_units.org_unit_members_remove(info.context, unit_id, input.people(), input.idempotency_key)

        done, problems = await attempt(remove())
        unit, rows = done or (None, [])
        return OrgUnitMembersPayload(org_unit=unit and OrgUnit.of(unit), results=_results(rows), problems=problems)


@strawberry.type
class GroupsMutation:
    """Acts on groups."""

    @act(groups.group_create, "Create a group.")
    async def group_create(
        self, info: Info, input: Annotated[NamedCreateInput, says("What to create.")]
    ) -> GroupPayload:
        """Create."""
        return await _group(groups.group_create(info.context, input.name, input.idempotency_key))

    @act(groups.group_rename, "Give a group another name.")
    async def group_rename(
        self, info: Info, input: Annotated[NamedRenameInput, says("Which, and how.")]
    ) -> GroupPayload:
        """Rename."""

        async def rename() -> models.Group | None:
            group_id = local_id("Group", input.id)
            return await groups.group_rename(info.context, group_id, input.name, input.idempotency_key)

        return await _group(rename())

    @act(groups.group_delete, "Delete a group with its memberships. Refused while assignments address it.")
    async def group_delete(
        self, info: Info, input: Annotated[NamedEndInput, says("Which, and why.")]
    ) -> GroupDeletePayload:
        """Delete."""

        async def delete() -> UUID:
            group_id = local_id("Group", input.id)
            return await groups.group_delete(info.context, group_id, input.reason, input.idempotency_key)

        gone, problems = await attempt(delete())
        return GroupDeletePayload(deleted_id=gone and global_id("Group", gone), problems=problems)

    @act(groups.group_members_add, "Add people to a group; who is in it stays.")
    async def group_members_add(
        self, info: Info, input: Annotated[MembersInput, says("Whom, and where.")]
    ) -> GroupMembersPayload:
        """Add members."""

        async def add() -> tuple[models.Group | None, list[MemberRow]]:
            group_id = local_id("Group", input.id)
            return await groups.group_members_add(info.context, group_id, input.people(), input.idempotency_key)

        done, problems = await attempt(add())
        group, rows = done or (None, [])
        return GroupMembersPayload(group=group and Group.of(group), results=_results(rows), problems=problems)

    @act(groups.group_members_remove, "Take people out of a group.")
    async def group_members_remove(
        self, info: Info, input: Annotated[MembersInput, says("Whom, and where.")]
    ) -> GroupMembersPayload:
        """Remove members."""

        async def remove() -> tuple[models.Group | None, list[MemberRow]]:
            group_id = local_id("Group", input.id)
            return await groups.group_members_remove(info.context, group_id, input.people(), input.idempotency_key)

        done, problems = await attempt(remove())
        group, rows = done or (None, [])
        return GroupMembersPayload(group=group and Group.of(group), results=_results(rows), problems=problems)
