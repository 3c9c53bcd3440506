"""Org units by id, as sign-ins and service tokens name them."""

from uuid import UUID

from models.identity import OrgUnit
from services import service_tokens
from services.work import Work


async def org_units(work: Work, ids: list[UUID]) -> list[OrgUnit | None]:
    """Return the org units with these ids, in order; None where there is none to be seen."""
    found = await service_tokens.units(work, ids)
    return [found.get(unit) for unit in ids]
