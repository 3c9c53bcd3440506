"""Evidence by its own id or by what it belongs to, with events and what replaced it."""

from uuid import UUID

from models.evidence import EvidenceEvent, EvidenceItem
from services import evidence
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[EvidenceItem | None]:
    """Return the evidence with these ids, in order; None where there is none to be seen."""
    found = await evidence.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def of_submission(work: Work, submission_ids: list[UUID]) -> list[list[EvidenceItem]]:
    """Return all evidence of each submission, also of its items, in order."""
    found = await evidence.of_submissions(work, submission_ids)
    return [found[one] for one in submission_ids]


async def of_upload(work: Work, upload_ids: list[UUID]) -> list[EvidenceItem | None]:
    """Return the evidence that each upload became, in order; None where it became none."""
    found = await evidence.of_uploads(work, upload_ids)
    return [found.get(one) for one in upload_ids]


async def replacing(work: Work, ids: list[UUID]) -> list[EvidenceItem | None]:
    """Return what was recorded in the place of each piece of evidence, in order; None where nothing was."""
    found = await evidence.replacing(work, ids)
    return [found.get(one) for one in ids]


async def events(work: Work, ids: list[UUID]) -> list[list[EvidenceEvent]]:
    """Return the events of each piece of evidence, in order."""
    found = await evidence.events_of(work, ids)
    return [found[one] for one in ids]
