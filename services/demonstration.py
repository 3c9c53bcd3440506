"""The demonstration tenants: a place to try everything, with one person for each kind of work."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.base import uuid7
from models.identity import OrgUnit, Role, Tenant, User, UserRole
from services import identity
from services.refusals import NotFound
from services.viewer import Viewer
from services.work import Office, Work

TENANTS = {"demo": "Demonstration", "second": "Second demonstration"}
"""Slug and name of the tenants that the first start creates."""

ROLES = {
    "admin": "tenant_admin",
    "author": "author",
    "proctor": "proctor",
    "assessor": "assessor",
    "viewer": "viewer",
    "manager": "programme_manager",
    "auditor": "auditor",
    "integrator": "integrator",
    "billing": "billing_admin",
}
"""Demonstration roles by their short names, and the system role each one holds."""


@dataclass(frozen=True, slots=True)
class Persona:
    """One person of a demonstration tenant, as far as a token needs to know."""

    tenant_id: UUID
    org_unit_id: UUID
    user_id: UUID
    name: str
    role_ids: tuple[UUID, ...]


async def found(office: Office) -> None:
    """Create the demonstration tenants that are missing; one that exists is left as it is."""
    if not await _missing(office):
        return
    async with office.work(Viewer.anonymous()) as gate:
        await gate.lock("demonstration tenants")  # two processes may start on one database at once
        for slug in await _missing(office):
            await _found_one(office, slug, TENANTS[slug])


async def persona(office: Office, slug: str, role: str) -> Persona:
    """Return the person of a demonstration tenant who holds a role, given by its short name."""
    tenant_id = await find(office, slug)
    if tenant_id is None:
        raise NotFound("demonstration tenant", slug)
    if role not in ROLES:
        raise NotFound("demonstration role", role)
    async with office.snapshot(Viewer.system(tenant_id)) as work:
        held = await work.rows(
            select(User.id, User.display_name, Role.id.label("role_id"))
            .join(UserRole, UserRole.user_id == User.id)
            .join(Role, Role.id == UserRole.role_id)
            .where(User.email == _address(role), Role.key == ROLES[role]),
        )
        unit = await work.session.scalar(select(OrgUnit.id).order_by(OrgUnit.id).limit(1))
        if not held or unit is None:
            raise NotFound("demonstration person", role)
        return Persona(tenant_id, unit, held[0].id, held[0].display_name, tuple(row.role_id for row in held))


async def find(office: Office, slug: str) -> UUID | None:
    """Return the id of the tenant with a slug, asking each tenant in its own scope."""
    async with office.snapshot(Viewer.anonymous()) as work:
        ids = await identity.tenant_ids(work)
    for tenant_id in ids:
        async with office.snapshot(Viewer.system(tenant_id)) as work:
            if await work.session.scalar(select(Tenant.slug)) == slug:
                return tenant_id
    return None


async def _missing(office: Office) -> list[str]:
    return [slug for slug in TENANTS if await find(office, slug) is None]


async def _found_one(office: Office, slug: str, name: str) -> None:
    async def act(work: Work) -> None:
        tenant = await identity.found_tenant(work, name=name, slug=slug, time_zone="Europe/London", org_unit="Main")
        for role, key in ROLES.items():
            await identity.add_staff(
                work,
                email=_address(role),
                display_name=f"Demo {role.capitalize()}",
                org_unit_id=tenant.org_unit_id,
                role_id=tenant.roles[key],
                reason="demonstration tenant",
            )

    await office.perform(Viewer.system(uuid7(), name="evalium"), act)


def _address(role: str) -> str:
    return f"{role}@demo.example"
