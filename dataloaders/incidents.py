"""Incidents by key, and the sessions that they were for."""

from uuid import UUID

from models.incidents import Incident, IncidentSession
from services import incidents
from services.paging import Page, PageRequest
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Incident | None]:
    """Return the incidents with these ids, in order; None where there is none to be seen."""
    found = await incidents.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def parts(work: Work, wanted: list[tuple[UUID, PageRequest]]) -> list[Page[IncidentSession]]:
    """Return a page of the sessions of each incident, in order."""
    found: dict[tuple[UUID, PageRequest], Page[IncidentSession]] = {}
    for page in dict.fromkeys(page for _, page in wanted):
        ids = [incident_id for incident_id, other in wanted if other == page]
        pages = await incidents.parts(work, ids, page)
        found |= {(incident_id, page): pages[incident_id] for incident_id in ids}
    return [found[one] for one in wanted]


async def part_counts(work: Work, ids: list[UUID]) -> list[int]:
    """Return how many sessions each incident has, in order."""
    found = await incidents.part_counts(work, ids)
    return [found.get(one, 0) for one in ids]
