"""Groups by id, and how many people they have."""

from uuid import UUID

from models.identity import Group, User
from services import groups
from services.memberships import OF_GROUPS
from services.paging import Page, PageRequest
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Group | None]:
    """Return groups by id."""
    found = await groups.by_ids(work, ids)
    return [found.get(key) for key in ids]


async def member_counts(work: Work, ids: list[UUID]) -> list[int]:
    """Return how many people are in each group."""
    found = await OF_GROUPS.counts(work, ids)
    return [found.get(key, 0) for key in ids]


async def members(work: Work, wanted: list[tuple[UUID, PageRequest]]) -> list[Page[User]]:
    """Return a page of the people of each; those of one kind of page are read together."""
    together: dict[PageRequest, list[UUID]] = {}
    for key, page in wanted:
        together.setdefault(page, []).append(key)
    found = {page: await OF_GROUPS.members(work, keys, page) for page, keys in together.items()}
    return [found[page][key] for key, page in wanted]
