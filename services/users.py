"""People: invited, changed, suspended, reactivated, listed (domain.md section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from models.base import uuid7
from models.capabilities import Capability
from models.identity import GroupMember, Tenant, User, UserOrgUnit, UserRole, UserStatus
from services import messages, org_units, roles, roles_grants, roles_held, sign_ins, words
from services.idempotency import Answer
from services.identity import normal_email
from services.memberships import OF_ORG_UNITS
from services.paging import Order, Page, PageRequest, paged
from services.refusals import AlreadyExists, NotFound, OneselfRefused, StateDrift
from services.roles_grants import Wanted
from services.roles_held import Holding
from services.work import Work

LAST = chr(0x10FFFF)
"""No text sorts behind it, byte by byte."""

SUSPENDABLE = (UserStatus.INVITED, UserStatus.ACTIVE)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which people are wanted; what is None does not narrow. Those who were merged are shown only when asked for."""

    status: Sequence[UserStatus] | None = None
    org_unit_id: UUID | None = None
    group_id: UUID | None = None
    role_id: UUID | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody to invite, and what they shall be from the start."""

    email: str
    display_name: str
    time_zone: str | None
    org_unit_ids: Sequence[UUID]
    roles: Sequence[Wanted]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What shall be changed of a person; None leaves it as it is."""

    email: str | None = None
    display_name: str | None = None
    time_zone: str | None = None


async def listed(work: Work, wanted: Filter, page: PageRequest) -> Page[User]:
    """List people by name; `search` is the beginning of a name or an address, whatever its capitals."""
    statement = select(User)
    if wanted.status is None:
        statement = statement.where(User.status.in_([*SUSPENDABLE, UserStatus.SUSPENDED]))
    else:
        statement = statement.where(User.status.in_(wanted.status))
    statement = _members(statement, wanted)
    if wanted.search and wanted.search.strip():
        begun = wanted.search.strip()
        statement = statement.where(
            or_(_begins(User.email, literal(begun.casefold())), _begins(User.search_name, func.lower(begun)))
        )
    return await paged(work, statement, [Order(User.search_name), Order(User.id)], page)


def _begins(column: InstrumentedAttribute[str], begun: ColumnElement[str]) -> ColumnElement[bool]:
    """Condition: the column begins so. The range lets an index serve it, whatever the plan knows of the value."""
    exact: ColumnElement[bool] = column.op("^@", is_comparison=True)(begun)
    return and_(column >= begun, column < begun.concat(LAST), exact)


def _members(statement: Select[Any], wanted: Filter) -> Select[Any]:
    """Narrow to the members of an org unit and a group, and to the holders of a role."""
    if wanted.org_unit_id is not None:
        of_unit = select(UserOrgUnit.user_id).where(UserOrgUnit.org_unit_id == wanted.org_unit_id)
        statement = statement.where(User.id.in_(of_unit))
    if wanted.group_id is not None:
        of_group = select(GroupMember.user_id).where(GroupMember.group_id == wanted.group_id)
        statement = statement.where(User.id.in_(of_group))
    if wanted.role_id is not None:
        holders = select(UserRole.user_id).where(UserRole.role_id == wanted.role_id, roles_held.unexpired())
        statement = statement.where(User.id.in_(holders))
    return statement


async def invite(work: Work, given: Invited, site: str) -> Answer:
    """Add somebody who may sign in from now on, in org units and with roles, and have a welcome mailed.

    Roles need a reason; `site` is where to sign in. Refuses an address that somebody has, and what the actor cannot
    give.
    """
    email = normal_email(given.email)
    name = words.name(given.display_name, path=["displayName"])
    zone = words.time_zone(given.time_zone)
    why = words.reason(given.reason or "") if given.roles else None
    await roles_held.lock(work)
    held = await roles_held.of_actor(work)
    await org_units.require_open(work, given.org_unit_ids)
    for org_unit_id in given.org_unit_ids or [None]:
        roles_held.require_at(held, {Capability.USERS_MANAGE}, org_unit_id, path=["orgUnitIds"])
    user = await _add(work, email, name, zone)
    for org_unit_id in dict.fromkeys(given.org_unit_ids):
        await OF_ORG_UNITS.join(work, [user.id], org_unit_id)
    units = sorted(str(org_unit_id) for org_unit_id in given.org_unit_ids)
    after = {"status": UserStatus.INVITED, "email": email, "display_name": name, "org_units": units}
    work.record("user.invited", ("user", user.id), after=after)
    for index, wanted in enumerate(given.roles):
        await roles_grants.give(work, held, user, wanted, why or "", path=["roles", index])
    await welcome(work, [(user.id, user.email, user.display_name)], site)
    return {"user": str(user.id)}


async def welcome(work: Work, people: Sequence[tuple[UUID, str, str]], site: str) -> None:
    """Queue the mail that says where to sign in, for each of these people: id, address and name."""
    tenant = (await work.session.scalars(select(Tenant.name))).one()
    given = {"tenant_name": tenant, "link": site, "invited_by": work.viewer.name}
    drafts = [
        messages.Draft(messages.Recipient(email, name), given | {"person_name": name}, ("user", user_id))
        for user_id, email, name in people
    ]
    await messages.send_all(work, "welcome", drafts)


async def update(work: Work, user_id: UUID, change: Change) -> Answer:
    """Change a person's address, name or time zone; another address needs all the rights that the person holds."""
    await roles_held.lock(work)
    user, held = await _managed(work, user_id)
    _require_not_merged(user)
    before = {"email": user.email, "display_name": user.display_name, "time_zone": user.time_zone}
    if change.email is not None and (email := normal_email(change.email)) != user.email:
        await roles_held.require_no_less(work, held, user_id)
        await _refuse_taken(work, email)
        user.email = email
    if change.display_name is not None:
        user.display_name = words.name(change.display_name, path=["displayName"])
    if change.time_zone is not None:
        user.time_zone = words.time_zone(change.time_zone)
    after = {"email": user.email, "display_name": user.display_name, "time_zone": user.time_zone}
    await work.session.flush()
    work.record("user.updated", ("user", user.id), before=before, after=after)
    return {"user": str(user.id)}


async def suspend(work: Work, user_id: UUID, reason: str) -> Answer:
    """Suspend a person: nothing works for them within a second, open streams included.

    Refuses oneself, the last lasting Tenant Admin, and whoever holds what the actor does not.
    """
    why = words.reason(reason)
    await roles_held.lock(work)
    user, held = await _managed(work, user_id)
    if user_id == work.viewer.user_id:
        raise OneselfRefused("You cannot suspend yourself.", path=["id"])
    await roles_held.require_no_less(work, held, user_id)
    if user.status not in SUSPENDABLE:
        raise StateDrift(f"{user.email} is {user.status}.", current_state=user.status.upper())
    before = await roles_held.lasting_administrators(work)
    await _become(work, user, UserStatus.SUSPENDED, "user.suspended", why)
    await sign_ins.end_all_of(work, user_id)
    await roles_held.require_administrator_left(work, before)
    return {"user": str(user.id)}


async def reactivate(work: Work, user_id: UUID, reason: str) -> Answer:
    """Let a suspended person in again, with the grants that are still in force."""
    why = words.reason(reason)
    await roles_held.lock(work)
    user, held = await _managed(work, user_id)
    await roles_held.require_no_less(work, held, user_id)
    if user.status != UserStatus.SUSPENDED:
        raise StateDrift(f"{user.email} is {user.status}.", current_state=user.status.upper())
    await _become(work, user, UserStatus.ACTIVE, "user.reactivated", why)
    return {"user": str(user.id)}


async def require(work: Work, user_id: UUID, *, path: Sequence[str | int] = ("id",)) -> User:
    """Return a person, locked against other changes; refuse an id that is none."""
    user = (await work.session.scalars(select(User).where(User.id == user_id).with_for_update())).one_or_none()
    if user is None:
        raise NotFound("User", user_id, path=path)
    return user


async def _managed(work: Work, user_id: UUID) -> tuple[User, Holding]:
    """Return a person whom the actor may manage, and what the actor holds."""
    user = await require(work, user_id)
    held = await roles_held.of_actor(work)
    await roles_held.require_over(work, held, user_id)
    return user, held


async def _add(work: Work, email: str, name: str, zone: str | None) -> User:
    values = {"id": uuid7(), "email": email, "display_name": name, "time_zone": zone, "status": UserStatus.INVITED}
    new = insert(User).values(values).on_conflict_do_nothing(index_elements=["tenant_id", "email"])
    added = (await work.session.scalars(new.returning(User))).one_or_none()
    if added is None:
        raise AlreadyExists(
            f"There is somebody with the address {email} already.",
            path=["email"],
            hint="Find the person with 'users', then add org units or assign roles.",
        )
    return added


async def _become(work: Work, user: User, status: UserStatus, act: str, why: str) -> None:
    before, user.status = user.status, status
    await work.session.flush()
    work.record(act, ("user", user.id), reason=why, before={"status": before}, after={"status": status})
    roles.touch(work)


async def _refuse_taken(work: Work, email: str) -> None:
    if await work.session.scalar(select(User.id).where(User.email == email)) is not None:
        raise AlreadyExists(f"There is somebody with the address {email} already.", path=["email"])


def _require_not_merged(user: User) -> None:
    if user.status == UserStatus.MERGED:
        raise StateDrift("This person was merged into another one.", current_state="MERGED")
