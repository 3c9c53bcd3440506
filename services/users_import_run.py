"""Carrying out an import of people: a few statements for all rows, and one ledger row for each change."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from models.base import uuid7
from models.identity import User, UserRole, UserStatus
from services import groups, org_units, plain, roles, roles_grants, roles_held, setwise, users, users_import, words
from services.idempotency import Answer
from services.memberships import OF_ORG_UNITS
from services.setwise import Told
from services.users_import import Action, Existing, Planned
from services.work import Work

_RENAME: Final = (
    "update users u set display_name = given.display_name, time_zone = given.time_zone "
    "from unnest($1::uuid[], $2::text[], $3::text[]) as given (id, display_name, time_zone) where u.id = given.id"
)


async def run(work: Work, text: str, existing: Existing, reason: str | None, site: str | None) -> Answer:
    """Import people; rows that cannot be are answered with why, and hold up no other. Roles need a reason.

    Who is new gets a welcome by mail, when `site` says where to sign in.
    """
    await roles_held.lock(work)
    planned = await users_import.plan(work, text, existing)
    doing = [row for row in planned if row.action in (Action.CREATE, Action.UPDATE)]
    why = words.reason(reason or "") if any(row.roles for row in doing) else None
    ids = await _create(work, [row for row in doing if row.action is Action.CREATE])
    ids |= {row.email: row.user_id for row in doing if row.user_id is not None}
    await _update(work, [row for row in doing if row.action is Action.UPDATE])
    await _place(work, doing, ids)
    await _grant(work, doing, ids, why or "")
    if site is not None:
        new = [row for row in doing if row.action is Action.CREATE]
        await users.welcome(work, [(ids[row.email], row.email, row.display_name) for row in new], site)
    roles.touch(work)
    return {"rows": [_answered(row, ids[row.email] if row.action is Action.CREATE else row.user_id) for row in planned]}


async def _create(work: Work, rows: Sequence[Planned]) -> dict[str, UUID]:
    """Create people; one whom another request has just created is taken as they are."""
    if not rows:
        return {}
    values = [
        {
            "id": uuid7(),
            "email": row.email,
            "display_name": row.display_name,
            "time_zone": row.time_zone,
            "status": UserStatus.INVITED,
        }
        for row in rows
    ]
    added = await setwise.insert(work, User, values, unless=["email"])
    ids: dict[str, UUID] = {row["email"]: row["id"] for row in added}
    missing = [row.email for row in rows if row.email not in ids]
    if missing:
        ids |= {user.email: user.id for user in await plain.by(work, User, "email", missing)}
    told: list[Told] = []
    for row in rows:
        units = sorted(map(str, row.org_units))
        after = {"email": row.email, "display_name": row.display_name, "org_units": units}
        told.append(Told(("user", ids[row.email]), {"status": UserStatus.INVITED} | after))
    await setwise.record(work, "user.invited", told)
    return ids


async def _update(work: Work, rows: Sequence[Planned]) -> None:
    """Write names and zones that the file has and that differ; an empty cell changes nothing."""
    wanted = [row.user_id for row in rows if row.user_id is not None]
    people = {user.id: user for user in await plain.by(work, User, "id", wanted)}
    told: list[Told] = []
    for row in rows:
        user = people.get(row.user_id) if row.user_id else None
        if user is None:
            continue
        before = {"display_name": user.display_name, "time_zone": user.time_zone}
        after = {"display_name": row.display_name, "time_zone": row.time_zone or user.time_zone}
        if before != after:
            told.append(Told(("user", user.id), after, before))
    if told:
        ids = [one.subject[1] for one in told]
        names, zones = ([one.after[name] for one in told] for name in ("display_name", "time_zone"))
        await work.fetch(_RENAME, ids, names, zones)
        await setwise.record(work, "user.updated", told)


async def _place(work: Work, rows: Sequence[Planned], ids: dict[str, UUID]) -> None:
    """Add people to org units and groups, one statement for each of these."""
    by_unit: dict[UUID, list[UUID]] = {}
    by_group: dict[UUID, list[UUID]] = {}
    for row in rows:
        for unit in row.org_units:
            by_unit.setdefault(unit, []).append(ids[row.email])
        for group in row.groups:
            by_group.setdefault(group, []).append(ids[row.email])
    created = {ids[row.email] for row in rows if row.action is Action.CREATE}
    moved: set[UUID] = set()
    for unit, people in by_unit.items():
        moved |= await OF_ORG_UNITS.join(work, people, unit) - created
    await org_units.record_membership(work, sorted(moved))
    for group, people in by_group.items():
        added = await groups.join(work, people, group)
        if added:
            work.record("group.members_added", ("group", group), after={"members": sorted(map(str, added))})


async def _grant(work: Work, rows: Sequence[Planned], ids: dict[str, UUID], why: str) -> None:
    """Grant roles in the whole tenant to whoever does not hold them there yet."""
    wanted = [(ids[row.email], role_id) for row in rows for role_id in row.roles]
    if not wanted:
        return
    known = {row.user_id for row in rows if row.user_id is not None}
    held = await roles_grants.of_users(work, sorted(known))
    statuses = {user.id: user.status for user in await plain.by(work, User, "id", sorted(known))}
    names = await roles.by_ids(work, list({role_id for _, role_id in wanted}))
    grants: list[dict[str, Any]] = []
    told: list[Told] = []
    for user_id, role_id in wanted:
        if any(grant.role_id == role_id and grant.org_unit_id is None for grant in held.get(user_id, ())):
            continue
        grant_id, by = uuid7(), work.viewer.user_id
        given = {"id": grant_id, "user_id": user_id, "role_id": role_id, "granted_by": by, "reason": why}
        grants.append(given)
        after = roles_grants.told_everywhere(grant_id, role_id, names[role_id].name)
        status = statuses.get(user_id, UserStatus.INVITED)
        told.append(Told(("user", user_id), after | {"user_status": str(status)}))
    await setwise.insert(work, UserRole, grants)
    await setwise.record(work, "role.granted", told, reason=why)


def _answered(row: Planned, user_id: UUID | None) -> dict[str, Any]:
    return {
        "index": row.index,
        "line": row.line,
        "email": row.email,
        "action": row.action,
        "user": user_id and str(user_id),
        "problems": [org_units.kept(problem) for problem in row.problems],
    }
