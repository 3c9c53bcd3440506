"""Groups by id, and how many people they have."""

from uuid import UUID

from models.identity import Group
from services import groups
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Group | None]:
    """Return groups by id."""
    found = await groups.by_ids(work, ids)
    return [found.get(key) for key in ids]


async def member_counts(work: Work, ids: list[UUID]) -> list[int]:
    """Return how many people are in each group."""
    found = await groups.member_counts(work, ids)
    return [found.get(key, 0) for key in ids]
