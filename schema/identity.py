"""Who am I: person, tenant, org unit, capabilities."""

import strawberry

from models import identity as models
from resolvers import identity
from schema.access import Info, ask, told
from schema.nodes import Node, global_id


@strawberry.type(description="A person of the tenant, staff or candidate.")
class User(Node):
    """A person."""

    display_name: str = told("The name to show.")
    email: str = told("E-mail address, case-folded; unique in the tenant.")

    @classmethod
    def of(cls, row: models.User) -> "User":
        """Show a person."""
        return cls(id=global_id("User", row.id), uuid=row.id, display_name=row.display_name, email=row.email)


@strawberry.type(description="A customer organisation: the border that nothing crosses.")
class Tenant(Node):
    """A tenant."""

    name: str = told("Name of the organisation.")
    time_zone: str = told("IANA time zone for calendar arithmetic and display.")


@strawberry.type(description="A part of the tenant; assignments, sessions and the like belong to exactly one.")
class OrgUnit(Node):
    """An org unit."""

    name: str = told("Name of the org unit.")


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
        return row and OrgUnit(id=global_id("OrgUnit", row.id), uuid=row.id, name=row.name)

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
