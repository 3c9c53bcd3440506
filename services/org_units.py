"""Org units: the silos of a tenant, and who works in which (domain.md section 2)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

from models.assignments import Assignment, AssignmentStatus
from models.base import uuid7
from models.capabilities import Capability
from models.identity import OrgUnit, User, UserOrgUnit, UserStatus
from services import plain, roles, roles_held, setwise, words
from services.idempotency import Answer
from services.memberships import OF_ORG_UNITS
from services.paging import Order, Page, PageRequest, paged
from services.refusals import AlreadyExists, InvalidInput, NotFound, Refusal, StateDrift, StillInUse
from services.setwise import Told
from services.work import Work

MOST_MEMBERS = 500
"""People of one request."""


async def listed(work: Work, page: PageRequest, *, archived: bool) -> Page[OrgUnit]:
    """List the org units of the tenant by name; archived ones only when asked for."""
    statement = select(OrgUnit)
    if not archived:
        statement = statement.where(OrgUnit.archived_at.is_(None))
    return await paged(work, statement, [Order(OrgUnit.name), Order(OrgUnit.id)], page)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, OrgUnit]:
    """Return the org units with these ids, those that exist."""
    return {unit.id: unit for unit in await plain.by(work, OrgUnit, "id", ids)}


async def create(work: Work, name: str) -> Answer:
    """Create an org unit."""
    await _lead(work)
    unit = OrgUnit(id=uuid7(), name=await _free_name(work, words.name(name)))
    work.session.add(unit)
    await work.session.flush()
    work.record("org_unit.created", ("org_unit", unit.id), after={"name": unit.name})
    return {"org_unit": str(unit.id)}


async def rename(work: Work, org_unit_id: UUID, name: str) -> Answer:
    """Give an org unit another name."""
    await _lead(work)
    unit = await _require(work, org_unit_id)
    before, unit.name = unit.name, await _free_name(work, words.name(name), but=unit.id)
    work.record("org_unit.renamed", ("org_unit", unit.id), before={"name": before}, after={"name": unit.name})
    return {"org_unit": str(unit.id)}


async def archive(work: Work, org_unit_id: UUID, reason: str) -> Answer:
    """Archive an org unit: no new members or grants. Refused while it has active assignments, whoever asks.

    The work spans all org units, or the assignments of another one would not be seen.
    """
    why = words.reason(reason)
    await _lead(work)
    unit = await _require(work, org_unit_id)
    if unit.archived_at is not None:
        raise StateDrift("The org unit is archived already.", current_state="ARCHIVED")
    active = select(func.count()).where(
        Assignment.org_unit_id == org_unit_id, Assignment.status == AssignmentStatus.ACTIVE
    )
    running = await work.session.scalar(active)
    if running:
        raise StillInUse(
            f"{running} assignments of '{unit.name}' are active.", path=["id"], hint="Close the assignments first."
        )
    unit.archived_at = at = await work.now()
    work.record("org_unit.archived", ("org_unit", unit.id), reason=why, after={"archived_at": at.isoformat()})
    return {"org_unit": str(unit.id)}


async def add_members(work: Work, org_unit_id: UUID, user_ids: Sequence[UUID | None]) -> Answer:
    """Add people to an org unit, row by row; who is in it already stays."""
    return await _change(work, org_unit_id, user_ids, joining=True)


async def remove_members(work: Work, org_unit_id: UUID, user_ids: Sequence[UUID | None]) -> Answer:
    """Take people out of an org unit, row by row."""
    return await _change(work, org_unit_id, user_ids, joining=False)


async def require_open(work: Work, ids: Iterable[UUID], *, path: Sequence[str | int] = ("orgUnitIds",)) -> None:
    """Refuse ids that are no org units of the tenant, or archived ones."""
    wanted = set(ids)
    found = {row.id for row in await work.rows(select(OrgUnit.id).where(OrgUnit.id.in_(wanted), _open()))}
    for missing in sorted(wanted - found):
        raise NotFound("OrgUnit", missing, path=path)


async def record_membership(work: Work, user_ids: Sequence[UUID]) -> None:
    """Write into the ledger in which org units each of these people is from now on."""
    now_in = await OF_ORG_UNITS.of_users(work, user_ids)
    units = {user_id: sorted(str(unit.id) for unit in now_in[user_id]) for user_id in user_ids}
    told = [Told(("user", user_id), {"org_units": mine}) for user_id, mine in units.items()]
    await setwise.record(work, "user.org_units_changed", told)


async def _change(work: Work, org_unit_id: UUID, user_ids: Sequence[UUID | None], *, joining: bool) -> Answer:
    if not 1 <= len(user_ids) <= MOST_MEMBERS:
        raise InvalidInput(f"There are {len(user_ids)} people; a request takes 1 to {MOST_MEMBERS}.", path=["userIds"])
    await roles_held.lock(work)
    roles_held.require_at(await roles_held.of_actor(work), {Capability.USERS_MANAGE}, org_unit_id)
    unit = await _require(work, org_unit_id)
    if joining and unit.archived_at is not None:
        raise StateDrift("The org unit is archived.", current_state="ARCHIVED")
    rows = await known(work, user_ids)
    good = list(dict.fromkeys(row for row in rows if isinstance(row, UUID)))
    changed = await OF_ORG_UNITS.join(work, good, org_unit_id) if joining else await _leave(work, good, org_unit_id)
    await record_membership(work, [user_id for user_id in good if user_id in changed])
    roles.touch(work)
    return {"org_unit": str(org_unit_id), "rows": [answered(row) for row in rows]}


async def known(work: Work, user_ids: Sequence[UUID | None]) -> list[UUID | Refusal]:
    """Return each person's id, or why the row names nobody who can be a member."""
    found = {user.id: user for user in await plain.by(work, User, "id", [one for one in user_ids if one])}
    rows: list[UUID | Refusal] = []
    for index, user_id in enumerate(user_ids):
        user = found.get(user_id) if user_id else None
        if user is None or user.status == UserStatus.MERGED:
            rows.append(NotFound("User", user_id or "?", path=["userIds", index]))
        else:
            rows.append(user.id)
    return rows


def answered(row: UUID | Refusal) -> dict[str, Any]:
    """Return what one row is answered, as idempotency keeps it."""
    if isinstance(row, UUID):
        return {"user": str(row), "problem": None}
    return {"user": None, "problem": kept(row)}


def kept(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal of one row as it is kept with the answer."""
    return {
        "code": refusal.code,
        "message": refusal.message,
        "path": [str(step) for step in refusal.path],
        "hint": refusal.advice,
    }


async def _leave(work: Work, user_ids: Sequence[UUID], org_unit_id: UUID) -> set[UUID]:
    gone = (
        delete(UserOrgUnit)
        .where(UserOrgUnit.org_unit_id == org_unit_id, UserOrgUnit.user_id.in_(user_ids))
        .returning(UserOrgUnit.user_id)
    )
    return {row.user_id for row in await work.rows(gone)}


async def _lead(work: Work) -> None:
    """Take the lock of rights and require that people are managed in the whole tenant, not in one org unit."""
    await roles_held.lock(work)
    roles_held.require_at(await roles_held.of_actor(work), {Capability.USERS_MANAGE}, None)


def _open() -> Any:
    return OrgUnit.archived_at.is_(None)


async def _require(work: Work, org_unit_id: UUID) -> OrgUnit:
    unit = (await work.session.scalars(select(OrgUnit).where(OrgUnit.id == org_unit_id))).one_or_none()
    if unit is None:
        raise NotFound("OrgUnit", org_unit_id, path=["id"])
    return unit


async def _free_name(work: Work, name: str, *, but: UUID | None = None) -> str:
    others = [] if but is None else [OrgUnit.id != but]
    if await work.session.scalar(select(OrgUnit.id).where(func.lower(OrgUnit.name) == func.lower(name), *others)):
        raise AlreadyExists(f"There is an org unit called '{name}' already.", path=["name"])
    return name
