"""Roles: named sets of capabilities; system roles are fixed, others are the tenant's own (domain.md section 3)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

from models.base import uuid7
from models.capabilities import Capability
from models.identity import Role, RoleCapability, UserRole
from realtime import topics
from services import plain, roles_held, words
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals import AlreadyExists, CapabilitiesClash, InvalidInput, NotFound, StillInUse, SystemRoleFixed
from services.work import Work

BESIDE_BILLING = frozenset({Capability.BILLING_MANAGE, Capability.USERS_READ})
"""What a custom role with the right to billing may hold at most: who pays sees no assessment."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a role shall be; None leaves it as it is."""

    name: str | None = None
    description: str | None = None
    capabilities: Sequence[str] | None = None


async def listed(work: Work, page: PageRequest) -> Page[Role]:
    """List the roles of the tenant by name."""
    return await paged(work, select(Role), [Order(Role.name), Order(Role.id)], page)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Role]:
    """Return the roles with these ids, those that exist."""
    return {role.id: role for role in await plain.by(work, Role, "id", ids)}


async def capabilities_of(work: Work, role_ids: Sequence[UUID]) -> dict[UUID, list[Capability]]:
    """Return what each role holds, sorted by name."""
    found: defaultdict[UUID, list[Capability]] = defaultdict(list)
    wanted = select(RoleCapability.role_id, RoleCapability.capability).where(RoleCapability.role_id.in_(role_ids))
    for row in await work.rows(wanted.order_by(RoleCapability.capability)):
        found[row.role_id].append(Capability(row.capability))
    return found


async def holders_of(work: Work, role_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return by how many people each role is held now, somewhere."""
    counted = (
        select(UserRole.role_id, func.count(UserRole.user_id.distinct()).label("people"))
        .where(UserRole.role_id.in_(role_ids), roles_held.unexpired())
        .group_by(UserRole.role_id)
    )
    return {row.role_id: row.people for row in await work.rows(counted)}


async def create(work: Work, change: Change) -> Answer:
    """Create a custom role out of capabilities that the actor holds in the whole tenant."""
    await roles_held.lock(work)
    wanted = parse(change.capabilities or ())
    return await _create(work, words.name(change.name or ""), change.description or "", wanted)


async def clone(work: Work, role_id: UUID, name: str, description: str | None) -> Answer:
    """Create a custom role that holds what another one does; the right to billing stays behind if it would clash."""
    await roles_held.lock(work)
    origin = await require(work, role_id)
    held = frozenset((await capabilities_of(work, [role_id]))[role_id])
    wanted = held if held <= BESIDE_BILLING else held - {Capability.BILLING_MANAGE}
    told = origin.description if description is None else description
    return await _create(work, words.name(name), told, wanted, cloned_from=str(role_id))


async def update(work: Work, role_id: UUID, change: Change) -> Answer:
    """Change a custom role; what is added or taken away must be held by the actor in the whole tenant."""
    await roles_held.lock(work)
    role = await require(work, role_id)
    _require_custom(role)
    old = frozenset((await capabilities_of(work, [role_id]))[role_id])
    before = _told(role, old)
    new = old if change.capabilities is None else parse(change.capabilities)
    await _require_reach(work, old ^ new)
    _require_apart(new)
    if change.name is not None:
        role.name = await _free_name(work, words.name(change.name), but=role.id)
    if change.description is not None:
        role.description = words.description(change.description)
    await _hold(work, role.id, old, new)
    await work.session.flush()
    work.record("role.updated", ("role", role.id), before=before, after=_told(role, new))
    touch(work)
    return {"role": str(role.id)}


async def remove(work: Work, role_id: UUID, reason: str) -> Answer:
    """Delete a custom role that nobody holds any more; grants that have expired go with it."""
    why = words.reason(reason)
    await roles_held.lock(work)
    role = await require(work, role_id)
    _require_custom(role)
    held = frozenset((await capabilities_of(work, [role_id]))[role_id])
    await _require_reach(work, held)
    holders = (await holders_of(work, [role_id])).get(role_id, 0)
    if holders:
        people = "1 person holds" if holders == 1 else f"{holders} people hold"
        raise StillInUse(f"{people} the role '{role.name}'.", path=["id"], hint="Remove it from them first.")
    work.record("role.deleted", ("role", role.id), reason=why, before=_told(role, held))
    for table in (UserRole, RoleCapability):
        await work.session.execute(delete(table).where(table.role_id == role_id))
    await work.session.delete(role)
    await work.session.flush()
    touch(work)
    return {"role": str(role_id)}


async def require(work: Work, role_id: UUID, *, path: Sequence[str | int] = ("id",)) -> Role:
    """Return a role of the tenant, to be changed; refuse an id that is none."""
    role = (await work.session.scalars(select(Role).where(Role.id == role_id))).one_or_none()
    if role is None:
        raise NotFound("Role", role_id, path=path)
    return role


def parse(names: Collection[str], *, path: Sequence[str | int] = ("capabilities",)) -> frozenset[Capability]:
    """Return capabilities by their names; refuse one that does not exist."""
    unknown = [name for name in names if name not in set(Capability)]
    if unknown:
        raise InvalidInput(
            f"'{unknown[0][:80]}' is not a capability.", path=path, hint="The query 'capabilities' lists all of them."
        )
    return frozenset(map(Capability, names))


def touch(work: Work) -> None:
    """Wake whoever keeps rights of the tenant in memory, in every process."""
    if work.viewer.tenant_id is not None:
        work.touch(topics.rights(work.viewer.tenant_id))


async def _create(
    work: Work, name: str, description: str, wanted: frozenset[Capability], *, cloned_from: str | None = None
) -> Answer:
    await _require_reach(work, wanted)
    _require_apart(wanted)
    role = Role(id=uuid7(), name=await _free_name(work, name), description=words.description(description))
    work.session.add(role)
    await work.session.flush()
    await _hold(work, role.id, frozenset(), wanted)
    origin = {} if cloned_from is None else {"cloned_from": cloned_from}
    work.record("role.created", ("role", role.id), after=_told(role, wanted) | origin)
    touch(work)
    return {"role": str(role.id)}


async def _require_reach(work: Work, wanted: frozenset[Capability]) -> None:
    """Refuse capabilities that the actor does not hold in the whole tenant, where every role counts."""
    held = await roles_held.of_actor(work)
    roles_held.require_at(held, {Capability.ROLES_MANAGE}, None)
    roles_held.require_at(held, wanted, None, path=["capabilities"])


def _require_custom(role: Role) -> None:
    if role.key is not None:
        raise SystemRoleFixed(f"'{role.name}' is a system role.", path=["id"])


def _require_apart(wanted: frozenset[Capability]) -> None:
    clashing = wanted - BESIDE_BILLING
    if Capability.BILLING_MANAGE in wanted and clashing:
        raise CapabilitiesClash(
            f"A role with '{Capability.BILLING_MANAGE}' may hold '{Capability.USERS_READ}' besides, and not "
            f"'{min(clashing)}'.",
            path=["capabilities"],
        )


async def _free_name(work: Work, name: str, *, but: UUID | None = None) -> str:
    others = [] if but is None else [Role.id != but]
    if await work.session.scalar(select(Role.id).where(func.lower(Role.name) == func.lower(name), *others)):
        raise AlreadyExists(f"There is a role called '{name}' already.", path=["name"])
    return name


async def _hold(work: Work, role_id: UUID, old: frozenset[Capability], new: frozenset[Capability]) -> None:
    gone = RoleCapability.capability.in_([str(capability) for capability in old - new])
    if old - new:
        await work.session.execute(delete(RoleCapability).where(RoleCapability.role_id == role_id, gone))
    work.session.add_all(RoleCapability(id=uuid7(), role_id=role_id, capability=one) for one in sorted(new - old))


def _told(role: Role, capabilities: Collection[Capability]) -> dict[str, Any]:
    """Return what the ledger keeps of a role: enough to know later what it held."""
    return {"name": role.name, "description": role.description, "capabilities": sorted(map(str, capabilities))}
