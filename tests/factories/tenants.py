"""A founded tenant with one org unit and the system roles, and an office to work in."""

from dataclasses import dataclass, field
from uuid import UUID

from models.base import uuid7
from services import identity
from services.viewer import Via, Viewer
from services.work import Office


@dataclass
class World:
    """A tenant as tests see it."""

    office: Office
    tenant_id: UUID
    org_unit_id: UUID
    roles: dict[str, UUID]
    rung: list = field(default_factory=list)

    @property
    def system(self) -> Viewer:
        return Viewer.system(self.tenant_id, self.org_unit_id)

    async def staff(self, role: str, email: str | None = None) -> Viewer:
        """A new member of staff with one system role, as a viewer."""

        async def act(work):
            return await identity.add_staff(
                work,
                email=email or f"{role}.{uuid7()}@example.org",
                display_name=role.title(),
                org_unit_id=self.org_unit_id,
                role_id=self.roles[role],
                reason="test",
            )

        user_id = await self.office.perform(Viewer.system(self.tenant_id), act)
        return Viewer(
            via=Via.ACCESS,
            tenant_id=self.tenant_id,
            org_unit_id=self.org_unit_id,
            user_id=user_id,
            name=role,
        )


async def found(office: Office, *, name: str = "Test Tenant", time_zone: str = "UTC") -> World:
    """Found a tenant."""

    async def act(work):
        return await identity.found_tenant(work, name=name, slug=str(uuid7()), time_zone=time_zone, org_unit="Main")

    tenant = await office.perform(Viewer.system(uuid7()), act)
    return World(office, tenant.tenant_id, tenant.org_unit_id, tenant.roles)
