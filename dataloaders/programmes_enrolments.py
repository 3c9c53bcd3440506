"""Enrolments and how far they are, by key."""

from uuid import UUID

from models.programmes_enrolments import ProgrammeEnrolment
from services import programmes_read
from services.programmes_read import Progress
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[ProgrammeEnrolment | None]:
    """Return the enrolments with these ids, in order; None where there is none to be seen."""
    found = await programmes_read.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def progress_of(work: Work, ids: list[UUID]) -> list[list[Progress]]:
    """Return how far each enrolment is, in the order of the requirements."""
    found = await programmes_read.progress_of(work, ids)
    return [found[one] for one in ids]
