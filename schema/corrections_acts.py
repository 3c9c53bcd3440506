"""Applying and undoing corrections."""

from collections.abc import Awaitable
from typing import Annotated

import strawberry

from models.corrections import CorrectionBatch as BatchRow
from resolvers import corrections
from schema.access import Info, act, says, told
from schema.corrections import CorrectionBatch
from schema.corrections_inputs import LINES, CorrectionLineInput, given_lines
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.users_acts import KEY, WHY


@strawberry.input(description="Corrections to apply, and why.")
class CorrectionApplyInput:
    """Input of `correctionApply`."""

    evaluation_version_id: strawberry.ID = told("Global id of the published evaluation version that was sat.")
    lines: list[CorrectionLineInput] = told(LINES)
    reason: str = told(WHY)
    fingerprint: str | None = told(
        "The fingerprint of a preview: refused as STATE_DRIFT when anything else would change than was shown there.",
        default=None,
    )
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A batch of corrections to take back, and why.")
class CorrectionUndoInput:
    """Input of `correctionUndo`."""

    id: strawberry.ID = told("Global id of the batch.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A batch as it was kept.")
class CorrectionPayload:
    """Answer of the acts."""

    batch: CorrectionBatch | None = told("The new batch; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


async def _answered(done: Awaitable[BatchRow]) -> CorrectionPayload:
    row, problems = await attempt(done)
    return CorrectionPayload(batch=row and CorrectionBatch.of(row), problems=problems)


@strawberry.type
class CorrectionsMutation:
    """Acts on scores."""

    @act(
        corrections.correction_apply,
        "Have corrections hold from now on, in one transaction: every submission whose score they change gets a "
        "further score version, and whoever hands in or is marked later is scored by them.",
    )
    async def correction_apply(
        self, info: Info, input: Annotated[CorrectionApplyInput, says("What, and why.")]
    ) -> CorrectionPayload:
        """Apply."""

        async def done() -> BatchRow:
            path = ["evaluationVersionId"]
            version_id = local_id("EvaluationVersion", input.evaluation_version_id, path=path)
            lines = given_lines(input.lines)
            key = input.idempotency_key
            return await corrections.correction_apply(
                info.context, version_id, lines, input.reason, input.fingerprint, key
            )

        return await _answered(done())

    @act(
        corrections.correction_undo,
        "Take a batch back by another one: every score becomes what it would be without it, by a further score "
        "version. Undoing an undoing lets the first batch hold again.",
    )
    async def correction_undo(
        self, info: Info, input: Annotated[CorrectionUndoInput, says("Which, and why.")]
    ) -> CorrectionPayload:
        """Undo."""

        async def done() -> BatchRow:
            batch_id = local_id("CorrectionBatch", input.id)
            return await corrections.correction_undo(info.context, batch_id, input.reason, input.idempotency_key)

        return await _answered(done())
