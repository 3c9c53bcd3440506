"""Overrides by key."""

from uuid import UUID

from models.overrides import AssignmentOverride
from services import overrides
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[AssignmentOverride | None]:
    """Return the overrides with these ids, in order; None where there is none to be seen."""
    found = await overrides.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def reversals(work: Work, ids: list[UUID]) -> list[AssignmentOverride | None]:
    """Return what takes each of these overrides back, in order; None where nothing does."""
    found = await overrides.reversals(work, ids)
    return [found.get(one) for one in ids]
