"""Org units by id, and how many people they have."""

from uuid import UUID

from models.identity import OrgUnit, User
from services import org_units
from services.memberships import OF_ORG_UNITS
from services.paging import Page, PageRequest
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[OrgUnit | None]:
    """Return org units by id."""
    found = await org_units.by_ids(work, ids)
    return [found.get(key) for key in ids]


async def member_counts(work: Work, ids: list[UUID]) -> list[int]:
    """Return how many people work in each org unit."""
    found = await OF_ORG_UNITS.counts(work, ids)
    return [found.get(key, 0) for key in ids]


async def members(work: Work, wanted: list[tuple[UUID, PageRequest]]) -> list[Page[User]]:
    """Return a page of the people of each; those of one kind of page are read together."""
    together: dict[PageRequest, list[UUID]] = {}
    for key, page in wanted:
        together.setdefault(page, []).append(key)
    found = {page: await OF_ORG_UNITS.members(work, keys, page) for page, keys in together.items()}
    return [found[page][key] for key, page in wanted]
