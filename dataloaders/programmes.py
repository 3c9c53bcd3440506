"""Programmes, their versions and requirements, by key."""

from uuid import UUID

from models.programmes import Programme, ProgrammeDraftRequirement, ProgrammeRequirement, ProgrammeVersion
from services import programmes
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Programme | None]:
    """Return the programmes with these ids, in order; None where there is none to be seen."""
    found = await programmes.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def version(work: Work, ids: list[UUID]) -> list[ProgrammeVersion | None]:
    """Return the versions with these ids, in order; None where there is none to be seen."""
    found = await programmes.versions_by_ids(work, ids)
    return [found.get(one) for one in ids]


async def versions_of(work: Work, programme_ids: list[UUID]) -> list[list[ProgrammeVersion]]:
    """Return the versions of each programme, the newest first."""
    found = await programmes.versions_of(work, programme_ids)
    return [found[one] for one in programme_ids]


async def drafts_of(work: Work, programme_ids: list[UUID]) -> list[list[ProgrammeDraftRequirement]]:
    """Return the requirements of the draft of each programme, in order."""
    found = await programmes.drafts_of(work, programme_ids)
    return [found[one] for one in programme_ids]


async def requirement(work: Work, ids: list[UUID]) -> list[ProgrammeRequirement | None]:
    """Return the requirements of versions with these ids, in order; None where there is none to be seen."""
    found = await programmes.requirements_by_ids(work, ids)
    return [found.get(one) for one in ids]


async def requirements_of(work: Work, version_ids: list[UUID]) -> list[list[ProgrammeRequirement]]:
    """Return the requirements of each version, in order."""
    found = await programmes.requirements_of(work, version_ids)
    return [found[one] for one in version_ids]
