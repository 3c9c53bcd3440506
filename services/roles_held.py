"""What somebody holds, where, and whether that reaches over what somebody else holds (domain.md section 3).

Nobody gives, takes or touches what they do not hold themselves: a right held in one org unit reaches that org unit
only, and one held in the whole tenant reaches everywhere.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from models.capabilities import Capability
from models.identity import Role, RoleCapability, User, UserOrgUnit, UserRole, UserStatus
from services.refusals import LastAdministrator, NotHeld
from services.viewer import Via
from services.work import Work

ADMINISTRATOR = "tenant_admin"
NONE: frozenset[Capability] = frozenset()
NOTHING: Mapping[UUID, frozenset[Capability]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Holding:
    """Capabilities held in the whole tenant, and besides in single org units."""

    everywhere: frozenset[Capability] = frozenset()
    within: Mapping[UUID, frozenset[Capability]] = field(default_factory=lambda: NOTHING)

    def at(self, org_unit_id: UUID | None) -> frozenset[Capability]:
        """Return what is held in an org unit, or in the whole tenant when none is named."""
        return self.everywhere if org_unit_id is None else self.everywhere | self.within.get(org_unit_id, NONE)

    def lacks(self, other: "Holding") -> frozenset[Capability]:
        """Return what the other one holds somewhere that this one does not hold there."""
        missing = set(other.everywhere - self.everywhere)
        for org_unit_id, capabilities in other.within.items():
            missing |= capabilities - self.at(org_unit_id)
        return frozenset(missing)


ALL = Holding(frozenset(Capability))


async def holding(work: Work, user_id: UUID, *, whatever_status: bool = False) -> Holding:
    """Return what a person holds by unexpired grants; nothing for one who is not active, unless told otherwise."""
    statement = (
        select(UserRole.org_unit_id, RoleCapability.capability)
        .join(RoleCapability, RoleCapability.role_id == UserRole.role_id)
        .join(User, User.id == UserRole.user_id)
        .where(UserRole.user_id == user_id, unexpired())
    )
    if not whatever_status:
        statement = statement.where(User.status == UserStatus.ACTIVE)
    found: defaultdict[UUID | None, set[Capability]] = defaultdict(set)
    for row in await work.rows(statement):
        found[row.org_unit_id].add(Capability(row.capability))
    return Holding(
        frozenset(found.pop(None, set())), {unit: frozenset(held) for unit, held in found.items() if unit is not None}
    )


async def of_actor(work: Work) -> Holding:
    """Return what whoever acts holds: a person by their grants, Evalium itself everything, a service token nothing."""
    viewer = work.viewer
    if viewer.via is Via.SYSTEM:
        return ALL
    if viewer.via is not Via.ACCESS or viewer.user_id is None:
        return Holding()
    return await holding(work, viewer.user_id)


async def lock(work: Work, *more: str) -> None:
    """Let one change of rights in the tenant happen at a time; it comes before the first write."""
    await work.lock(f"rights/{work.viewer.tenant_id}", *more)


def require_at(
    held: Holding, wanted: Collection[Capability], org_unit_id: UUID | None, *, path: Collection[str | int] = ()
) -> None:
    """Refuse unless all of these are held in the org unit, or in the whole tenant when none is named."""
    missing = frozenset(wanted) - held.at(org_unit_id)
    if missing:
        raise NotHeld(missing, "in that org unit" if org_unit_id else "in the whole tenant", path=tuple(path))


async def require_over(work: Work, held: Holding, user_id: UUID) -> None:
    """Refuse to manage a person whom the actor's right to manage people does not reach: those of other org units."""
    if Capability.USERS_MANAGE in held.everywhere:
        return
    units = [
        row.org_unit_id
        for row in await work.rows(select(UserOrgUnit.org_unit_id).where(UserOrgUnit.user_id == user_id))
    ]
    if not units:
        require_at(held, {Capability.USERS_MANAGE}, None, path=["id"])
    for org_unit_id in units:
        require_at(held, {Capability.USERS_MANAGE}, org_unit_id, path=["id"])


async def require_no_less(work: Work, held: Holding, user_id: UUID) -> None:
    """Refuse to touch the account of a person who holds what the actor does not: it would be a way to their rights."""
    missing = held.lacks(await holding(work, user_id, whatever_status=True))
    if missing:
        raise NotHeld(missing, "wherever that person does", path=["id"])


async def lasting_administrators(work: Work) -> frozenset[UUID]:
    """Return who is active and Tenant Admin in the whole tenant with no end set."""
    await work.session.flush()
    rows = await work.rows(
        select(UserRole.user_id)
        .join(Role, Role.id == UserRole.role_id)
        .join(User, User.id == UserRole.user_id)
        .where(
            Role.key == ADMINISTRATOR,
            UserRole.org_unit_id.is_(None),
            UserRole.expires_at.is_(None),
            User.status == UserStatus.ACTIVE,
        )
        .distinct()
    )
    return frozenset(row.user_id for row in rows)


async def require_administrator_left(work: Work, before: frozenset[UUID]) -> None:
    """Refuse what has just been done if it took the last lasting Tenant Admin; the lock of rights is held."""
    if before and not await lasting_administrators(work):
        raise LastAdministrator


def unexpired() -> ColumnElement[bool]:
    """Condition: the grant is in force now, by the database's clock."""
    return or_(UserRole.expires_at.is_(None), UserRole.expires_at > func.evalium_now())
