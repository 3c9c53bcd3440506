"""Correction batches by key, their lines, what is in force, the scores that they gave, and what a draft would do."""

from uuid import UUID

from models.corrections import Correction, CorrectionBatch
from services import corrections_read, corrections_walk
from services.corrections_draft import Draft
from services.corrections_read import Corrected
from services.corrections_walk import Tally
from services.paging import Page, PageRequest
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[CorrectionBatch | None]:
    """Return the batches with these ids, in order; None where there is none to be seen."""
    found = await corrections_read.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def lines(work: Work, batch_ids: list[UUID]) -> list[list[Correction]]:
    """Return the lines of each batch, in order."""
    found = await corrections_read.lines_of(work, batch_ids)
    return [found[one] for one in batch_ids]


async def undone_by(work: Work, batch_ids: list[UUID]) -> list[CorrectionBatch | None]:
    """Return the batch that undid each, in order; None where none did."""
    found = await corrections_read.undone_by(work, batch_ids)
    return [found.get(one) for one in batch_ids]


async def in_force(work: Work, version_ids: list[UUID]) -> list[set[UUID]]:
    """Return the batches of each evaluation version that are in force, in order."""
    found = await corrections_read.in_force(work, version_ids)
    return [found[one] for one in version_ids]


async def scores(work: Work, wanted: list[tuple[UUID, PageRequest]]) -> list[Page[Corrected]]:
    """Return a page of the scores that each batch gave, in order."""
    found: dict[tuple[UUID, PageRequest], Page[Corrected]] = {}
    for page in dict.fromkeys(page for _, page in wanted):
        ids = [batch_id for batch_id, other in wanted if other == page]
        pages = await corrections_read.scores_of(work, ids, page)
        found |= {(batch_id, page): pages[batch_id] for batch_id in ids}
    return [found[one] for one in wanted]


async def score_counts(work: Work, batch_ids: list[UUID]) -> list[int]:
    """Return how many scores each batch gave, in order."""
    found = await corrections_read.score_counts(work, batch_ids)
    return [found.get(one, 0) for one in batch_ids]


async def tallies(work: Work, drafts: list[Draft]) -> list[Tally]:
    """Return what becomes of the scores by each draft, in order."""
    return [await corrections_walk.tallied(work, draft) for draft in drafts]
