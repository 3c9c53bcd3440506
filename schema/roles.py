"""Roles: what there is to hold, who holds what, where and until when."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import strawberry

from models import identity as models
from models.capabilities import DESCRIPTIONS, Capability
from resolvers import roles
from resolvers.users import Possible
from schema import access_table
from schema.access import Info, ask, says, told
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import OrgUnit, User
from schema.nodes import Node, global_id, looked_for
from services.paging import PageRequest


class RoleAction(StrEnum):
    """What can be done with a role."""

    UPDATE = "update"
    CLONE = "clone"
    DELETE = "delete"
    ASSIGN = "assign"


closed_set(
    RoleAction,
    "RoleAction",
    "What can be done with a role.",
    {
        RoleAction.UPDATE: "`roleUpdate`.",
        RoleAction.CLONE: "`roleClone`.",
        RoleAction.DELETE: "`roleDelete`.",
        RoleAction.ASSIGN: "`roleAssign`.",
    },
)


@strawberry.type(description="Something that can be done with a role, and whether you can do it now.")
class RoleAvailableAction:
    """An act on a role."""

    action: RoleAction = told("What can be done.")
    enabled: bool = told("Whether it is open to you now; the act itself also looks at what you hold elsewhere.")
    reason: str | None = told("Why it is not; null when it is.")

    @classmethod
    def of(cls, possible: Possible) -> "RoleAvailableAction":
        """Show an act."""
        return cls(action=RoleAction(possible.action), enabled=possible.reason is None, reason=possible.reason)


@strawberry.type(name="Capability", description="One right; roles hold capabilities, and people hold roles.")
class CapabilityInfo:
    """A capability."""

    name: str = told("Its name, noun and verb: `assignments.monitor`.")
    description: str = told("What it lets somebody do.")

    @strawberry.field(description="The fields of this schema that need it, as `Type.field`, sorted.")
    def fields(self, info: Info) -> list[str]:
        """Name the fields that declare it."""
        return list(access_table.fields_by_capability(info.schema).get(self.name, ()))

    @classmethod
    def of(cls, capability: Capability) -> "CapabilityInfo":
        """Show a capability."""
        return cls(name=str(capability), description=DESCRIPTIONS[capability])


@strawberry.type(description="A named set of capabilities that people are granted.")
class Role(Node):
    """A role."""

    row: strawberry.Private[models.Role]
    name: str = told("Its name.")
    description: str = told("What it is for.")
    is_system: bool = told("Whether it came with the tenant: it is never changed or deleted, and can be cloned.")
    created_at: datetime = told("When it was created.")

    @strawberry.field(description="What it holds, sorted by name.")
    async def capabilities(self, info: Info) -> list[CapabilityInfo]:
        """Show the capabilities."""
        return [CapabilityInfo.of(one) for one in await roles.capabilities(info.context, self.row.id)]

    @strawberry.field(description="How many people hold it now, anywhere.")
    async def holders_count(self, info: Info) -> int:
        """Count the holders."""
        return await roles.holders(info.context, self.row.id)

    @strawberry.field(description="What can be done with it, and why not.")
    async def available_actions(self, info: Info) -> list[RoleAvailableAction]:
        """Show the acts."""
        return [RoleAvailableAction.of(one) for one in await roles.actions(info.context, self.row)]

    @classmethod
    def of(cls, row: models.Role) -> "Role":
        """Show a role."""
        return cls(
            row=row,
            id=global_id("Role", row.id),
            uuid=row.id,
            name=row.name,
            description=row.description,
            is_system=row.key is not None,
            created_at=row.created_at,
        )


@strawberry.type(description="A role in somebody's hands: where it counts, until when, from whom and why.")
class Grant:
    """A grant."""

    row: strawberry.Private[models.UserRole]
    id: strawberry.ID = told("Opaque global id, for `roleRemove`.")
    granted_at: datetime = told("When it was given.")
    expires_at: datetime | None = told("When it ends by itself; null when it does not.")
    reason: str = told("Why it was given.")

    @ask(roles.role_of_grant, "The role.")
    async def role(self, info: Info) -> Role | None:
        """Show the role."""
        row = await roles.role_of_grant(info.context, self.row)
        return row and Role.of(row)

    @strawberry.field(description="The org unit in which alone it counts; null when it counts everywhere.")
    async def org_unit(self, info: Info) -> OrgUnit | None:
        """Show the org unit."""
        row = await roles.place(info.context, self.row)
        return row and OrgUnit.of(row)

    @strawberry.field(description="Who gave it; null when it came with the tenant.")
    async def granted_by(self, info: Info) -> User | None:
        """Show who gave it."""
        row = await roles.giver(info.context, self.row)
        return row and User.of(row)

    @classmethod
    def of(cls, row: models.UserRole) -> "Grant":
        """Show a grant."""
        return cls(
            row=row,
            id=global_id("Grant", row.id),
            granted_at=row.granted_at,
            expires_at=row.expires_at,
            reason=row.reason,
        )


@strawberry.type
class RolesQuery:
    """Queries about roles."""

    @ask(roles.every_capability, "Every capability there is, by name, with the fields that need it.")
    async def capabilities(self, info: Info) -> list[CapabilityInfo]:
        """List the capabilities."""
        return [CapabilityInfo.of(one) for one in await roles.every_capability(info.context)]

    @ask(roles.role, "One role; null when there is none to be seen.")
    async def role(self, info: Info, id: Annotated[strawberry.ID, says("Global id of the role.")]) -> Role | None:
        """Show a role."""
        row = await roles.role(info.context, looked_for("Role", id))
        return row and Role.of(row)

    @ask(roles.roles_page, "The roles of the tenant, by name.")
    async def roles(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Role]:
        """List roles."""
        return connect(await roles.roles_page(info.context, PageRequest(first, after, last, before)), Role.of)
