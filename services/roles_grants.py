"""Grants: who holds which role, where and until when, given and taken with a reason (domain.md section 3)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from models.base import uuid7
from models.capabilities import Capability
from models.identity import OrgUnit, Role, User, UserRole, UserStatus
from services import plain, roles, roles_held, words
from services.idempotency import Answer
from services.refusals import AlreadyExists, InvalidInput, NotFound, StateDrift
from services.roles_held import Holding
from services.work import Work


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role to be granted: in one org unit or everywhere, until an instant or for good."""

    role_id: UUID
    org_unit_id: UUID | None = None
    expires_at: datetime | None = None


async def assign(work: Work, user_id: UUID, wanted: Wanted, reason: str) -> Answer:
    """Grant a role to a person; refuses what the actor does not hold there."""
    why = words.reason(reason)
    await roles_held.lock(work)
    user = await _person(work, user_id)
    before = await roles_held.lasting_administrators(work)
    grant = await give(work, await roles_held.of_actor(work), user, wanted, why)
    await roles_held.require_administrator_left(work, before)
    return {"grant": str(grant.id), "user": str(user_id)}


async def remove(work: Work, grant_id: UUID, reason: str) -> Answer:
    """Take a grant back; refuses what the actor does not hold there, and the last lasting Tenant Admin."""
    why = words.reason(reason)
    await roles_held.lock(work)
    grant = (await work.session.scalars(select(UserRole).where(UserRole.id == grant_id))).one_or_none()
    if grant is None:
        raise NotFound("Grant", grant_id, path=["id"])
    await _require_reach(work, await roles_held.of_actor(work), grant.role_id, grant.org_unit_id)
    before = await roles_held.lasting_administrators(work)
    await end(work, [grant], why)
    await roles_held.require_administrator_left(work, before)
    return {"user": str(grant.user_id)}


async def give(
    work: Work, held: Holding, user: User, wanted: Wanted, why: str, *, path: Sequence[str | int] = ()
) -> UserRole:
    """Add a grant for a person, as somebody who holds `held`; the lock of rights is held, `why` was checked."""
    role = await roles.require(work, wanted.role_id, path=[*path, "roleId"])
    await _check_place(work, wanted.org_unit_id, [*path, "orgUnitId"])
    await _check_end(work, wanted.expires_at, [*path, "expiresAt"])
    await _require_reach(work, held, role.id, wanted.org_unit_id)
    await _refuse_repetition(work, user, role, wanted, [*path, "roleId"])
    grant = UserRole(
        id=uuid7(),
        user_id=user.id,
        role_id=role.id,
        org_unit_id=wanted.org_unit_id,
        expires_at=wanted.expires_at,
        granted_by=work.viewer.user_id,
        reason=why,
    )
    work.session.add(grant)
    await work.session.flush()
    work.record("role.granted", ("user", user.id), reason=why, after=told(grant, role.name, user.status))
    roles.touch(work)
    return grant


async def end(work: Work, grants: Sequence[UserRole], why: str) -> None:
    """Delete grants and record each; whether that may be is decided by whoever calls."""
    names = await roles.by_ids(work, [grant.role_id for grant in grants])
    for grant in grants:
        before = told(grant, names[grant.role_id].name)
        work.record("role.removed", ("user", grant.user_id), reason=why, before=before)
    await work.session.execute(delete(UserRole).where(UserRole.id.in_([grant.id for grant in grants])))
    roles.touch(work)


async def of_users(work: Work, user_ids: Sequence[UUID]) -> dict[UUID, list[UserRole]]:
    """Return the unexpired grants of each person, oldest first."""
    found: defaultdict[UUID, list[UserRole]] = defaultdict(list)
    wanted = select(*plain.columns(UserRole)).where(UserRole.user_id.in_(user_ids), roles_held.unexpired())
    for row in await work.rows(wanted.order_by(UserRole.granted_at, UserRole.id)):
        found[row.user_id].append(plain.row(UserRole, row))
    return found


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, UserRole]:
    """Return the grants with these ids, those that exist."""
    return {grant.id: grant for grant in await plain.by(work, UserRole, "id", ids)}


def told(grant: UserRole, role_name: str, user_status: str | None = None) -> dict[str, Any]:
    """Return what the ledger keeps of a grant: enough to know later what it gave, where and until when."""
    kept = told_everywhere(grant.id, grant.role_id, role_name) | {
        "org_unit_id": grant.org_unit_id and str(grant.org_unit_id),
        "expires_at": grant.expires_at and grant.expires_at.isoformat(),
    }
    return kept if user_status is None else kept | {"user_status": str(user_status)}


def told_everywhere(grant_id: UUID, role_id: UUID, role_name: str) -> dict[str, Any]:
    """Return the same of a grant in the whole tenant and without an end."""
    return {
        "grant_id": str(grant_id),
        "role_id": str(role_id),
        "role_name": role_name,
        "org_unit_id": None,
        "expires_at": None,
    }


async def _person(work: Work, user_id: UUID) -> User:
    user = (await work.session.scalars(select(User).where(User.id == user_id))).one_or_none()
    if user is None:
        raise NotFound("User", user_id, path=["userId"])
    if user.status == UserStatus.MERGED:
        raise StateDrift("This person was merged into another one.", current_state="MERGED")
    return user


async def _require_reach(work: Work, held: Holding, role_id: UUID, org_unit_id: UUID | None) -> None:
    roles_held.require_at(held, {Capability.ROLES_MANAGE}, org_unit_id)
    of_role = (await roles.capabilities_of(work, [role_id]))[role_id]
    roles_held.require_at(held, of_role, org_unit_id, path=["roleId"])


async def _check_place(work: Work, org_unit_id: UUID | None, path: Sequence[str | int]) -> None:
    if org_unit_id is None:
        return
    found = await work.session.scalar(
        select(OrgUnit.id).where(OrgUnit.id == org_unit_id, OrgUnit.archived_at.is_(None))
    )
    if found is None:
        raise NotFound("OrgUnit", org_unit_id, path=path)


async def _check_end(work: Work, expires_at: datetime | None, path: Sequence[str | int]) -> None:
    if expires_at is None:
        return
    if expires_at.tzinfo is None:
        raise InvalidInput(
            f"'{expires_at.isoformat()}' names no time zone.", path=path, hint="Write it in UTC, ending in 'Z'."
        )
    if expires_at <= await work.now():
        raise InvalidInput(f"The grant would have ended already, at {expires_at.isoformat()}.", path=path)


async def _refuse_repetition(work: Work, user: User, role: Role, wanted: Wanted, path: Sequence[str | int]) -> None:
    place = UserRole.org_unit_id
    same = place.is_(None) if wanted.org_unit_id is None else place == wanted.org_unit_id
    held = select(UserRole.id).where(
        UserRole.user_id == user.id, UserRole.role_id == role.id, same, roles_held.unexpired()
    )
    if await work.session.scalar(held) is not None:
        raise AlreadyExists(
            f"{user.email} holds the role '{role.name}' there already.",
            path=path,
            hint="To change its end, remove the grant and assign the role again.",
        )
