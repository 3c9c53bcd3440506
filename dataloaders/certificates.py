"""Certificates by key, and the newest one of each enrolment."""

from uuid import UUID

from models.certificates import Certificate
from services import certificates_read
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Certificate | None]:
    """Return the certificates with these ids, in order; None where there is none to be seen."""
    found = await certificates_read.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def newest_of(work: Work, enrolment_ids: list[UUID]) -> list[Certificate | None]:
    """Return the certificate of each enrolment that was issued last; None where there is none."""
    found = await certificates_read.newest_of(work, enrolment_ids)
    return [found.get(one) for one in enrolment_ids]
