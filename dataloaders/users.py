"""What people belong to and hold, by person."""

from uuid import UUID

from models.identity import Group, OrgUnit, UserRole
from services import roles_grants, roles_held
from services.memberships import OF_GROUPS, OF_ORG_UNITS
from services.work import Work


async def org_units_of(work: Work, user_ids: list[UUID]) -> list[list[OrgUnit]]:
    """Return the org units of each person."""
    found = await OF_ORG_UNITS.of_users(work, user_ids)
    return [found.get(user_id, []) for user_id in user_ids]


async def groups_of(work: Work, user_ids: list[UUID]) -> list[list[Group]]:
    """Return the groups of each person."""
    found = await OF_GROUPS.of_users(work, user_ids)
    return [found.get(user_id, []) for user_id in user_ids]


async def grants_of(work: Work, user_ids: list[UUID]) -> list[list[UserRole]]:
    """Return the unexpired grants of each person."""
    found = await roles_grants.of_users(work, user_ids)
    return [found.get(user_id, []) for user_id in user_ids]


async def lasting_administrators(work: Work, keys: list[None]) -> list[frozenset[UUID]]:
    """Return who is Tenant Admin for good, once for whoever asks in one operation."""
    return [await roles_held.lasting_administrators(work)] * len(keys)
