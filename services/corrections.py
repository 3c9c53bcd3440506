"""Corrections of an evaluation version: applied and undone, each a batch that has all scores follow (domain.md 8).

A batch is one transaction: nobody ever sees a half. It holds the evaluation version alone, so whatever is handed in or
marked meanwhile waits, and is scored by it. The submissions are walked past some at a time.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.authoring import EvaluationVersion
from models.base import uuid7
from models.corrections import Correction, CorrectionBatch
from models.submissions import ScoreCause
from services import corrections_draft, corrections_lines, corrections_walk, reviews_corrected, scores, words
from services.corrections_draft import Draft, Given, Read
from services.corrections_walk import Tally
from services.idempotency import Answer
from services.refusals import AlreadyUndone, NotFound, StateDrift
from services.scores import Why
from services.work import Work


async def apply(
    work: Work, version_id: UUID, given: list[Given], reason: str, fingerprint: str | None = None
) -> Answer:
    """Have corrections hold from now on: score what was handed in anew, and keep the batch.

    With the fingerprint of a preview, it is refused as drift when anything else would change than was shown then.
    """
    why = words.reason(reason)
    await work.lock(scores.version_lock(work.viewer.tenant_id, version_id))
    draft = await corrections_draft.read(work, version_id, given)
    batch_id = uuid7()
    cause = Why(ScoreCause.CORRECTED, why, work.viewer.user_id, batch_id)
    tally, begun = await _renew(work, draft, cause)
    if fingerprint is not None and fingerprint != tally.fingerprint:
        said = "What this would change has changed since the preview."
        hint = "Preview it again, and apply what you see then."
        raise StateDrift(said, current_state=tally.fingerprint, hint=hint)
    await _keep(work, draft, batch_id, why, tally)
    await reviews_corrected.go_on(work, begun, cause)
    told = {"lines": [_told(one) for one in draft.lines]}
    work.record("correction.applied", ("correction_batch", batch_id), reason=why, after=_after(draft, tally) | told)
    return {"batch": str(batch_id)}


async def undo(work: Work, batch_id: UUID, reason: str) -> Answer:
    """Take a batch back by another one: every score becomes what it would be without it, by a further row."""
    why = words.reason(reason)
    wanted = select(CorrectionBatch).where(CorrectionBatch.id == batch_id)
    undone = (await work.session.scalars(wanted)).first()
    if undone is None:
        raise NotFound("CorrectionBatch", batch_id)
    version_id = undone.evaluation_version_id
    await work.lock(scores.version_lock(work.viewer.tenant_id, version_id))
    by = select(CorrectionBatch).where(CorrectionBatch.undoes_id == batch_id)
    if (earlier := (await work.session.scalars(by)).first()) is not None:
        raise AlreadyUndone(f"This correction was undone at {earlier.created_at.isoformat()}.", path=["id"])
    draft = await _without(work, undone)
    new_id = uuid7()
    cause = Why(ScoreCause.CORRECTED, why, work.viewer.user_id, new_id)
    tally, begun = await _renew(work, draft, cause)
    await _keep(work, replace(draft, lines=()), new_id, why, tally, undoes=batch_id)
    await reviews_corrected.go_on(work, begun, cause)
    told = {"undoes": str(batch_id)}
    work.record("correction.undone", ("correction_batch", new_id), reason=why, after=_after(draft, tally) | told)
    return {"batch": str(new_id)}


async def _without(work: Work, batch: CorrectionBatch) -> Draft:
    """Return what holds when a batch is taken back; its lines are those that it brought or, by undoing, took away."""
    version = select(EvaluationVersion).where(EvaluationVersion.id == batch.evaluation_version_id)
    holds = await corrections_lines.in_force(work, batch.evaluation_version_id, undoing=batch.id)
    origin = batch
    while origin.undoes_id is not None:
        earlier = select(CorrectionBatch).where(CorrectionBatch.id == origin.undoes_id)
        origin = (await work.session.scalars(earlier)).one()
    rows = list(await work.session.scalars(select(Correction).where(Correction.batch_id == origin.id)))
    asked = await corrections_lines.questions(work, {row.question_version_id for row in rows})
    lines = [Read(row.question_version_id, corrections_lines.stored_line(asked, row), row.value) for row in rows]
    return Draft((await work.session.scalars(version)).one(), lines, holds)


async def _renew(work: Work, draft: Draft, why: Why) -> tuple[Tally, list[UUID]]:
    """Write the further scores of all that changes, and let the reviews follow; return those that were begun."""
    tally, at = Tally.of(draft), await work.now()
    begun: list[UUID] = []
    async for changes in corrections_walk.walk(work, draft.version.id, draft.questions, draft.holds):
        felt = tally.count(changes)
        await scores.write(work, felt, why)
        begun += await reviews_corrected.settle(work, felt, why, at)
    return tally, begun


async def _keep(
    work: Work, draft: Draft, batch_id: UUID, why: str, tally: Tally, *, undoes: UUID | None = None
) -> None:
    unit = draft.version.org_unit_id
    batch = CorrectionBatch(
        id=batch_id,
        org_unit_id=unit,
        evaluation_version_id=draft.version.id,
        reason=why,
        created_by=work.viewer.user_id,
        undoes_id=undoes,
        **tally.counts(),
    )
    work.session.add(batch)
    await work.session.flush()
    work.session.add_all(
        Correction(
            org_unit_id=unit,
            batch_id=batch_id,
            position=position,
            question_version_id=one.question_version_id,
            kind=one.line.kind,
            value=one.value,
        )
        for position, one in enumerate(draft.lines, 1)
    )
    await work.session.flush()


def _told(one: Read) -> dict[str, str]:
    """Say what a line does, without the answer: whoever reads the ledger need not be allowed to read keys."""
    return {"question_version": str(one.question_version_id), "kind": one.line.kind.value}


def _after(draft: Draft, tally: Tally) -> dict[str, Any]:
    return {"evaluation_version": str(draft.version.id), **tally.counts()}
