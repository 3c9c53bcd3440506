"""Tenants, people and what they may do (domain.md section 3)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from models.base import uuid7
from models.capabilities import Capability
from models.identity import (
    OrgUnit,
    Role,
    RoleCapability,
    Tenant,
    TenantEntry,
    User,
    UserOrgUnit,
    UserRole,
    UserStatus,
)
from realtime import topics
from services import plain
from services.refusals import InvalidInput
from services.system_roles import SYSTEM_ROLES
from services.work import Work

LONGEST_EMAIL = 254

_HELD = (
    select(UserRole.user_id, UserRole.org_unit_id, RoleCapability.capability)
    .join(UserRole, UserRole.role_id == RoleCapability.role_id)
    .join(User, User.id == UserRole.user_id)
    .where(
        UserRole.user_id == any_(bindparam("user_ids", type_=ARRAY(Uuid))),
        User.status == UserStatus.ACTIVE,
        or_(UserRole.expires_at.is_(None), UserRole.expires_at > func.evalium_now()),
    )
    .distinct()
)


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant as just created, with its first org unit and the ids of its system roles by key."""

    tenant_id: UUID
    org_unit_id: UUID
    roles: dict[str, UUID]


async def found_tenant(work: Work, *, name: str, slug: str, time_zone: str, org_unit: str) -> NewTenant:
    """Create the tenant that the work is scoped to, with one org unit and the system roles."""
    tenant_id = work.viewer.tenant_id
    if tenant_id is None:
        raise RuntimeError("A tenant is founded in a work of its own scope.")
    session = work.session
    session.add_all([Tenant(id=tenant_id, name=name, slug=slug, time_zone=time_zone), TenantEntry(id=tenant_id)])
    await session.flush()
    unit = OrgUnit(id=uuid7(), name=org_unit)
    session.add(unit)
    roles: dict[str, UUID] = {}
    for system in SYSTEM_ROLES:
        roles[system.key] = uuid7()
        session.add(Role(id=roles[system.key], name=system.name, key=system.key, description=system.description))
    await session.flush()
    session.add_all(
        RoleCapability(role_id=roles[system.key], capability=capability)
        for system in SYSTEM_ROLES
        for capability in sorted(system.capabilities)
    )
    seeds = [
        {"id": str(roles[one.key]), "key": one.key, "name": one.name, "capabilities": sorted(one.capabilities)}
        for one in SYSTEM_ROLES
    ]
    work.record("tenant.founded", ("tenant", tenant_id), after={"name": name, "slug": slug, "roles": seeds})
    return NewTenant(tenant_id, unit.id, roles)


async def tenant_ids(work: Work) -> list[UUID]:
    """Return the ids of all tenants, the one thing that may be read without a scope; jobs then enter each in turn."""
    return [row.id for row in await work.rows(select(TenantEntry.id).order_by(TenantEntry.id))]


async def add_staff(
    work: Work,
    *,
    email: str,
    display_name: str,
    org_unit_id: UUID,
    role_id: UUID,
    reason: str,
) -> UUID:
    """Add a member of staff to an org unit with one role granted in the whole tenant; returns the person's id."""
    user = User(id=uuid7(), email=normal_email(email), display_name=display_name)
    work.session.add(user)
    await work.session.flush()
    grant = UserRole(id=uuid7(), user_id=user.id, role_id=role_id, granted_by=work.viewer.user_id, reason=reason)
    work.session.add_all([UserOrgUnit(user_id=user.id, org_unit_id=org_unit_id), grant])
    if work.viewer.tenant_id is not None:
        work.touch(topics.rights(work.viewer.tenant_id))
    after = {"status": UserStatus.ACTIVE, "email": user.email, "org_units": [str(org_unit_id)]}
    work.record("user.added", ("user", user.id), reason=reason, after=after)
    given = {"grant_id": str(grant.id), "role_id": str(role_id), "org_unit_id": None, "expires_at": None}
    work.record("role.granted", ("user", user.id), reason=reason, after=given)
    return user.id


async def capabilities_of(
    work: Work, people: Collection[tuple[UUID, UUID | None]]
) -> dict[tuple[UUID, UUID | None], frozenset[Capability]]:
    """Return what each of these people may do now in the org unit that stands beside their id."""
    granted: defaultdict[tuple[UUID, UUID | None], set[Capability]] = defaultdict(set)
    for row in await work.rows(_HELD, {"user_ids": list({user_id for user_id, _ in people})}):
        granted[row.user_id, row.org_unit_id].add(Capability(row.capability))
    return {
        (user_id, unit): frozenset(granted[user_id, None] | (granted[user_id, unit] if unit else set()))
        for user_id, unit in people
    }


async def people(work: Work, ids: Sequence[UUID]) -> dict[UUID, User]:
    """Return the people with these ids, those that exist."""
    return {user.id: user for user in await plain.by(work, User, "id", ids)}


async def tenant(work: Work) -> Tenant | None:
    """Return the viewer's tenant."""
    return (await work.session.scalars(select(Tenant))).one_or_none()


async def org_unit(work: Work) -> OrgUnit | None:
    """Return the viewer's current org unit."""
    return (await work.session.scalars(select(OrgUnit).where(OrgUnit.id == work.viewer.org_unit_id))).one_or_none()


def normal_email(address: str, *, path: Sequence[str | int] = ("email",)) -> str:
    """Return an address as it is stored and compared: trimmed and case-folded; refuse what cannot be one."""
    normal = address.strip().casefold()
    local, _, domain = normal.rpartition("@")
    plausible = (
        local
        and "." in domain.strip(".")
        and not domain.startswith((".", "-"))
        and not domain.endswith((".", "-"))
        and ".." not in normal
        and len(normal) <= LONGEST_EMAIL
        and normal.isprintable()
        and not any(character.isspace() or character in '<>(),;:"[]\\' for character in normal)
        and "@" not in local
    )
    if not plausible:
        raise InvalidInput(
            f"'{address[:80]}' is not an e-mail address.", path=path, hint="Write it as name@example.org."
        )
    return normal
