"""Correction batches as they are read: their lines, whether they are in force, and the scores that they gave."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import aliased

from models.corrections import Correction, CorrectionBatch
from models.submissions import ScoreCause, ScoreVersion
from services import corrections_lines, plain
from services.paging import Order, Page, PageRequest, paged, paged_each
from services.work import Work


@dataclass(frozen=True, slots=True)
class Corrected:
    """A score that a batch gave, and the one that counted until then."""

    before: ScoreVersion
    after: ScoreVersion


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, CorrectionBatch]:
    """Return the batches with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(CorrectionBatch).where(CorrectionBatch.id.in_(ids)))
    return {row.id: row for row in found}


async def listed(work: Work, version_id: UUID, page: PageRequest) -> Page[CorrectionBatch]:
    """List the batches of an evaluation version, the newest first."""
    row = CorrectionBatch
    statement = select(row).where(row.evaluation_version_id == version_id)
    return await paged(work, statement, [Order(row.id, descending=True)], page)


async def lines_of(work: Work, batch_ids: Sequence[UUID]) -> dict[UUID, list[Correction]]:
    """Return the lines of each of these batches, in order."""
    row = Correction
    rows = await work.session.scalars(select(row).where(row.batch_id.in_(batch_ids)).order_by(row.position))
    found: dict[UUID, list[Correction]] = {one: [] for one in batch_ids}
    for one in rows:
        found[one.batch_id].append(one)
    return found


async def undone_by(work: Work, batch_ids: Sequence[UUID]) -> dict[UUID, CorrectionBatch]:
    """Return the batch that undid each of these, where there is one."""
    row = CorrectionBatch
    found = await work.session.scalars(select(row).where(row.undoes_id.in_(batch_ids)))
    return {one.undoes_id: one for one in found if one.undoes_id is not None}


async def in_force(work: Work, version_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """Return the batches of each of these evaluation versions that are in force."""
    known = await corrections_lines.batches(work, version_ids)
    return {version_id: corrections_lines.alive(batches) for version_id, batches in known.items()}


async def scores_of(work: Work, batch_ids: Sequence[UUID], page: PageRequest) -> dict[UUID, Page[Corrected]]:
    """List the scores that each of these batches gave, by submission: one page for each, all with one statement."""
    before = aliased(ScoreVersion)
    earlier = and_(before.submission_id == ScoreVersion.submission_id, before.number == ScoreVersion.number - 1)
    keys = select(ScoreVersion.id.label("after_id"), before.id.label("before_id")).join(before, earlier)
    statement = cast("Select[Any]", keys.where(ScoreVersion.cause == ScoreCause.CORRECTED))
    order = [Order(ScoreVersion.submission_id)]
    pages = await paged_each(work, statement, ScoreVersion.source_id, batch_ids, order, page)
    ids = [key for one in pages.values() for row in one.rows for key in row]
    found = {row.id: row for row in await plain.by(work, ScoreVersion, "id", ids)}
    return {
        batch_id: replace(one, rows=[Corrected(found[before_id], found[after_id]) for after_id, before_id in one.rows])
        for batch_id, one in pages.items()
    }


async def score_counts(work: Work, batch_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many scores each of these batches gave."""
    row = ScoreVersion
    counted = select(row.source_id, func.count().label("scores")).where(
        row.source_id.in_(batch_ids), row.cause == ScoreCause.CORRECTED
    )
    return {one.source_id: one.scores for one in await work.rows(counted.group_by(row.source_id))}
