"""Corrections of an evaluation version: what they would do, applying and undoing them, and what they did."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from dataloaders import corrections as loaders
from models.capabilities import Capability
from models.corrections import Correction, CorrectionBatch
from resolvers.access import requires
from resolvers.context import Context
from services import corrections, corrections_draft, corrections_read, corrections_walk
from services.corrections_draft import Draft, Given
from services.corrections_read import Corrected
from services.corrections_walk import Tally
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.scores import Change
from services.work import Work


@requires(Capability.SCORES_CORRECT)
async def correction_preview(context: Context, version_id: UUID, given: Sequence[Given]) -> Draft:
    """Read what somebody wants to correct; what it would do is told by the following two."""
    return await context.read(corrections_draft.read, version_id, given)


async def tally(context: Context, draft: Draft) -> Tally:
    """Return what would become of the scores by a draft."""
    return await context.loaders.of(loaders.tallies).load(draft)


async def changes_page(context: Context, draft: Draft, page: PageRequest) -> Page[Change]:
    """List the scores that a draft would change."""

    async def total(work: Work) -> int:
        return (await corrections_walk.tallied(work, draft)).changed_count

    return await context.read(corrections_walk.page, draft, page, total)


@requires(Capability.SUBMISSIONS_READ)
async def correction_batch(context: Context, batch_id: UUID | None) -> CorrectionBatch | None:
    """Return one batch; None when it cannot be seen."""
    return None if batch_id is None else await context.loaders.of(loaders.by_id).load(batch_id)


@requires(Capability.SUBMISSIONS_READ)
async def correction_batches_page(context: Context, version_id: UUID | None, page: PageRequest) -> Page[Any]:
    """List the batches of an evaluation version."""
    return await context.read(corrections_read.listed, version_id or UUID(int=0), page)


async def lines(context: Context, batch_id: UUID) -> list[Correction]:
    """Return the lines of a batch that the viewer may see."""
    return await context.loaders.of(loaders.lines).load(batch_id)


@requires(Capability.QUESTIONS_READ)
async def line_answer(_context: Context, line: Correction) -> dict[str, Any]:
    """Return the value of a line, which tells what is right."""
    return line.value


async def is_in_force(context: Context, batches: Sequence[CorrectionBatch]) -> list[bool]:
    """Tell of each of these batches whether it is in force."""
    versions = [one.evaluation_version_id for one in batches]
    living = await context.loaders.of(loaders.in_force).load_many(versions)
    return [one.id in alive for one, alive in zip(batches, living, strict=True)]


async def undone_by(context: Context, batch_id: UUID) -> CorrectionBatch | None:
    """Return the batch that undid one that the viewer may see."""
    return await context.loaders.of(loaders.undone_by).load(batch_id)


async def scores_page(context: Context, batch_id: UUID, page: PageRequest) -> Page[Corrected]:
    """List the scores that a batch gave."""
    return await context.loaders.of(loaders.scores).load((batch_id, page))


async def score_count(context: Context, batch_id: UUID) -> int:
    """Return how many scores a batch gave."""
    return await context.loaders.of(loaders.score_counts).load(batch_id)


@requires(Capability.SCORES_CORRECT)
async def correction_apply(
    context: Context, version_id: UUID, given: list[Given], reason: str, fingerprint: str | None, key: str | None
) -> CorrectionBatch:
    """Have corrections hold."""

    async def act(work: Work) -> Answer:
        return await corrections.apply(work, version_id, given, reason, fingerprint)

    told = {"version": str(version_id), "lines": [asdict(one) for one in given], "reason": reason, "seen": fingerprint}
    return await _done(context, "correctionApply", key, told, act)


@requires(Capability.SCORES_CORRECT)
async def correction_undo(context: Context, batch_id: UUID, reason: str, key: str | None) -> CorrectionBatch:
    """Take a batch back."""

    async def act(work: Work) -> Answer:
        return await corrections.undo(work, batch_id, reason)

    return await _done(context, "correctionUndo", key, {"batch": str(batch_id), "reason": reason}, act)


async def _done(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> CorrectionBatch:
    answer = await context.write(operation, key, given, act)
    row = await context.loaders.of(loaders.by_id).load(UUID(answer["batch"]))
    if row is None:
        raise LookupError(f"correction {answer['batch']} cannot be read back")
    return row
