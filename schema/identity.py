"""Who am I: person, tenant, org unit, capabilities; and people with what they belong to."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import strawberry

from models import identity as models
from models.identity import UserStatus
from resolvers import groups, identity, org_units, users
from resolvers.users import Possible
from schema.access import Info, ask, told
from schema.connections import After, Connection, First, connect
from schema.enums import closed_set
from schema.nodes import Node, global_id
from schema.shown import enum_from, id_from, read_from, show
from services.paging import PageRequest

if TYPE_CHECKING:
    from schema.roles import Grant

closed_set(
    UserStatus,
    "UserStatus",
    "Whether a person may sign in.",
    {
        UserStatus.INVITED: "May sign in, and has not done so yet; rights count from the first time.",
        UserStatus.ACTIVE: "May sign in, with the rights of the roles.",
        UserStatus.SUSPENDED: "May not sign in; nothing works for them.",
        UserStatus.MERGED: "Was a duplicate, and was merged into another person.",
    },
)


class UserAction(StrEnum):
    """What can be done with a person."""

    UPDATE = "update"
    SUSPEND = "suspend"
    REACTIVATE = "reactivate"
    MERGE = "merge"
    ASSIGN_ROLE = "assign_role"


closed_set(
    UserAction,
    "UserAction",
    "What can be done with a person.",
    {
        UserAction.UPDATE: "`userUpdate`.",
        UserAction.SUSPEND: "`userSuspend`.",
        UserAction.REACTIVATE: "`userReactivate`.",
        UserAction.MERGE: "`userMerge`, with this person as the duplicate.",
        UserAction.ASSIGN_ROLE: "`roleAssign`.",
    },
)


@strawberry.type(description="Something that can be done with a person, and whether you can do it now.")
class UserAvailableAction:
    """An act on a person."""

    action: UserAction = told("What can be done.")
    enabled: bool = told("Whether it is open to you now; the act itself also looks at what you hold elsewhere.")
    reason: str | None = told("Why it is not; null when it is.")

    @classmethod
    def of(cls, possible: Possible) -> "UserAvailableAction":
        """Show an act."""
        return cls(action=UserAction(possible.action), enabled=possible.reason is None, reason=possible.reason)


@read_from(id=id_from("User"), uuid="row.id", status=enum_from(UserStatus, "row.status"))
@strawberry.type(description="A person of the tenant, staff or candidate.")
class User(Node):
    """A person."""

    row: strawberry.Private[models.User]
    display_name: str = told("The name to show.")
    email: str = told("E-mail address, case-folded; unique in the tenant.")
    status: UserStatus = told("Whether they may sign in.")
    time_zone: str | None = told("IANA time zone in which times are shown to them; null for the tenant's.")
    created_at: datetime = told("When they were added.")

    @strawberry.field(description="Whom they were merged into; null unless they were.")
    async def merged_into(self, info: Info) -> "User | None":
        """Show the person who was kept."""
        kept = None if self.row.merged_into is None else await identity.person(info.context, self.row.merged_into)
        return kept and User.of(kept)

    @ask(users.grants, "The roles that they hold now, with place and end of each; oldest first.")
    async def roles(self, info: Info) -> list[Annotated["Grant", strawberry.lazy("schema.roles")]]:
        """Show the grants."""
        from schema.roles import Grant  # noqa: PLC0415 - the types refer to each other

        return [Grant.of(grant) for grant in await users.grants(info.context, self.row.id)]

    @ask(users.org_units, "The org units in which they work, by name.")
    async def org_units(self, info: Info) -> list["OrgUnit"]:
        """Show the org units."""
        return [OrgUnit.of(unit) for unit in await users.org_units(info.context, self.row.id)]

    @ask(users.groups, "The groups that they are in, by name.")
    async def groups(self, info: Info) -> list["Group"]:
        """Show the groups."""
        return [Group.of(group) for group in await users.groups(info.context, self.row.id)]

    @ask(users.actions, "What can be done with them, and why not.")
    async def available_actions(self, info: Info) -> list[UserAvailableAction]:
        """Show the acts."""
        return [UserAvailableAction.of(one) for one in await users.actions(info.context, self.row)]

    @classmethod
    def of(cls, row: models.User) -> "User":
        """Show a person."""
        return show(cls, row=row)


@strawberry.type(description="A customer organisation: the border that nothing crosses.")
class Tenant(Node):
    """A tenant."""

    name: str = told("Name of the organisation.")
    time_zone: str = told("IANA time zone for calendar arithmetic and display.")


@strawberry.type(description="A part of the tenant; assignments, sessions and the like belong to exactly one.")
class OrgUnit(Node):
    """An org unit."""

    name: str = told("Name of the org unit.")
    archived_at: datetime | None = told("Since when it takes no new members and grants; null while it does.")

    @ask(org_units.member_count, "How many people work in it.")
    async def member_count(self, info: Info) -> int:
        """Count the people."""
        return await org_units.member_count(info.context, self.uuid)

    @ask(org_units.members_page, "Who works in it, by name.")
    async def members(self, info: Info, first: First = None, after: After = None) -> Connection[User]:
        """List the people."""
        page = await org_units.members_page(info.context, self.uuid, PageRequest(first, after))
        return connect(page, User.of, lambda context: org_units.member_count(context, self.uuid))

    @classmethod
    def of(cls, row: models.OrgUnit) -> "OrgUnit":
        """Show an org unit."""
        return cls(id=global_id("OrgUnit", row.id), uuid=row.id, name=row.name, archived_at=row.archived_at)


@strawberry.type(description="A named set of people, visible in the whole tenant.")
class Group(Node):
    """A group."""

    name: str = told("Name of the group.")
    created_at: datetime = told("When it was created.")

    @ask(groups.member_count, "How many people are in it.")
    async def member_count(self, info: Info) -> int:
        """Count the people."""
        return await groups.member_count(info.context, self.uuid)

    @ask(groups.members_page, "Who is in it, by name.")
    async def members(self, info: Info, first: First = None, after: After = None) -> Connection[User]:
        """List the people."""
        page = await groups.members_page(info.context, self.uuid, PageRequest(first, after))
        return connect(page, User.of, lambda context: groups.member_count(context, self.uuid))

    @classmethod
    def of(cls, row: models.Group) -> "Group":
        """Show a group."""
        return cls(id=global_id("Group", row.id), uuid=row.id, name=row.name, created_at=row.created_at)


@strawberry.type(description="Whoever sent the token.")
class Viewer:
    """The viewer."""

    user: User | None = told("The person; null for a service token.")

    @strawberry.field(description="The tenant that the token is for.")
    async def tenant(self, info: Info) -> Tenant | None:
        """Show the tenant."""
        row = await identity.tenant(info.context)
        return row and Tenant(id=global_id("Tenant", row.id), uuid=row.id, name=row.name, time_zone=row.time_zone)

    @strawberry.field(description="The org unit that the token is for; null when it spans all of them.")
    async def org_unit(self, info: Info) -> OrgUnit | None:
        """Show the org unit."""
        row = await identity.org_unit(info.context)
        return row and OrgUnit.of(row)

    @strawberry.field(description="Names of the capabilities held here and now, sorted.")
    async def capabilities(self, info: Info) -> list[str]:
        """Name what the viewer may do."""
        return [str(capability) for capability in await identity.capabilities(info.context)]


@strawberry.type
class IdentityQuery:
    """Queries about the viewer."""

    @ask(identity.viewer, "Whoever sent the token, with tenant, org unit and capabilities.")
    async def viewer(self, info: Info) -> Viewer:
        """Show the viewer."""
        row = await identity.viewer(info.context)
        return Viewer(user=row and User.of(row))
