"""Roles by id, with what they hold and by how many they are held."""

from uuid import UUID

from models.capabilities import Capability
from models.identity import Role, UserRole
from services import roles, roles_grants
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Role | None]:
    """Return roles by id."""
    found = await roles.by_ids(work, ids)
    return [found.get(key) for key in ids]


async def capabilities(work: Work, ids: list[UUID]) -> list[list[Capability]]:
    """Return what each role holds."""
    found = await roles.capabilities_of(work, ids)
    return [found.get(key, []) for key in ids]


async def holders(work: Work, ids: list[UUID]) -> list[int]:
    """Return by how many people each role is held."""
    found = await roles.holders_of(work, ids)
    return [found.get(key, 0) for key in ids]


async def grants(work: Work, ids: list[UUID]) -> list[UserRole | None]:
    """Return grants by id."""
    found = await roles_grants.by_ids(work, ids)
    return [found.get(key) for key in ids]
