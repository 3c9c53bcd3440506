"""Questions and evaluations: who may read, write and publish them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dataloaders import authoring as loaders
from models.authoring import (
    Evaluation,
    EvaluationItem,
    EvaluationSection,
    EvaluationVersion,
    Question,
    QuestionVersion,
)
from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import authoring_evaluations, authoring_pool, authoring_questions
from services.authoring import Drift
from services.authoring_evaluations import EvaluationFilter, EvaluationSettings
from services.authoring_questions import QuestionChanges, QuestionFilter, QuestionText
from services.authoring_sections import SectionDraft, SectionMeasure
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.work import Work

Orders = Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """What became of one entry of a pool; `answer` is the row as `authoring_pool` told it."""

    question: Question | None
    answer: dict[str, Any]


@requires(Capability.QUESTIONS_READ)
async def question(context: Context, question_id: UUID | None) -> Question | None:
    """Return a question that the viewer may see."""
    return None if question_id is None else await context.loaders.of(loaders.questions).load(question_id)


@requires(Capability.QUESTIONS_READ)
async def questions(context: Context, wanted: QuestionFilter, orders: Orders, page: PageRequest) -> Page[Question]:
    """List questions of the viewer's org unit."""
    return await context.read(authoring_questions.listed, wanted, orders, page)


@requires(Capability.QUESTIONS_READ)
async def question_version(context: Context, version_id: UUID) -> QuestionVersion | None:
    """Return a question version that the viewer may see."""
    return await context.loaders.of(loaders.question_versions).load(version_id)


@requires(Capability.QUESTIONS_READ)
async def question_key(context: Context, version_id: UUID) -> dict[str, Any] | None:
    """Return the secret part of a question version."""
    return await context.loaders.of(loaders.question_keys).load(version_id)


@requires(Capability.EVALUATIONS_READ)
async def evaluation(context: Context, evaluation_id: UUID | None) -> Evaluation | None:
    """Return an evaluation that the viewer may see."""
    return None if evaluation_id is None else await context.loaders.of(loaders.evaluations).load(evaluation_id)


@requires(Capability.EVALUATIONS_READ)
async def evaluations(
    context: Context,
    wanted: EvaluationFilter,
    orders: Orders,
    page: PageRequest,
) -> Page[Evaluation]:
    """List evaluations of the viewer's org unit."""
    return await context.read(authoring_evaluations.listed, wanted, orders, page)


@requires(Capability.EVALUATIONS_READ)
async def evaluation_version(context: Context, version_id: UUID | None) -> EvaluationVersion | None:
    """Return an evaluation version that the viewer may see."""
    return None if version_id is None else await context.loaders.of(loaders.evaluation_versions).load(version_id)


@requires(Capability.QUESTIONS_WRITE)
async def question_create(
    context: Context,
    reference: str,
    text: QuestionText,
    key: str | None,
    given: Any,
) -> Question | None:
    """Create a question with its first draft."""

    async def act(work: Work) -> Answer:
        return await authoring_questions.create(work, reference=reference, text=text)

    return await _question(context, await context.write("questionCreate", key, given, act))


@requires(Capability.QUESTIONS_WRITE)
async def question_update(
    context: Context,
    question_id: UUID,
    changes: QuestionChanges,
    drift: Drift,
    key: str | None,
    given: Any,
) -> Question | None:
    """Change a question's draft, or open its next one."""

    async def act(work: Work) -> Answer:
        return await authoring_questions.update(work, question_id, changes, drift)

    return await _question(context, await context.write("questionUpdate", key, given, act))


@requires(Capability.QUESTIONS_PUBLISH)
async def question_publish(
    context: Context,
    question_id: UUID,
    drift: Drift,
    key: str | None,
    given: Any,
) -> Question | None:
    """Freeze a question's draft."""

    async def act(work: Work) -> Answer:
        return await authoring_questions.publish(work, question_id, drift)

    return await _question(context, await context.write("questionPublish", key, given, act))


@requires(Capability.QUESTIONS_WRITE)
async def question_pool_import(
    context: Context,
    entries: Sequence[Mapping[str, Any]],
    key: str | None,
    given: Any,
    *,
    publish: bool,
) -> list[ImportedRow]:
    """Import entries of a pool; publishing them at once needs the capability for that too."""
    if publish:
        await context.require(Capability.QUESTIONS_PUBLISH)

    async def act(work: Work) -> Answer:
        return await authoring_pool.import_pool(work, entries, publish=publish)

    answer = await context.write("questionPoolImport", key, given, act)
    ids = {UUID(row["question_id"]) for row in answer["results"] if row["question_id"] is not None}
    found = {row.id: row for row in await context.loaders.of(loaders.questions).load_many(list(ids)) if row is not None}
    return [
        ImportedRow(None if row["question_id"] is None else found.get(UUID(row["question_id"])), row)
        for row in answer["results"]
    ]


@requires(Capability.EVALUATIONS_WRITE)
async def evaluation_create(
    context: Context,
    name: str | None,
    settings: EvaluationSettings,
    sections: Sequence[SectionDraft],
    key: str | None,
    given: Any,
) -> Evaluation | None:
    """Create an evaluation with its first draft."""

    async def act(work: Work) -> Answer:
        return await authoring_evaluations.create(work, name=name, settings=settings, sections=sections)

    return await _evaluation(context, await context.write("evaluationCreate", key, given, act))


@requires(Capability.EVALUATIONS_WRITE)
async def evaluation_update(
    context: Context,
    evaluation_id: UUID,
    changes: Mapping[str, Any],
    sections: Sequence[SectionDraft] | None,
    drift: Drift,
    key: str | None,
    given: Any,
) -> Evaluation | None:
    """Change an evaluation's draft, or open its next one."""

    async def act(work: Work) -> Answer:
        return await authoring_evaluations.update(work, evaluation_id, changes, sections, drift)

    return await _evaluation(context, await context.write("evaluationUpdate", key, given, act))


@requires(Capability.EVALUATIONS_PUBLISH)
async def evaluation_publish(
    context: Context,
    evaluation_id: UUID,
    drift: Drift,
    key: str | None,
    given: Any,
) -> Evaluation | None:
    """Freeze an evaluation's draft."""

    async def act(work: Work) -> Answer:
        return await authoring_evaluations.publish(work, evaluation_id, drift)

    return await _evaluation(context, await context.write("evaluationPublish", key, given, act))


async def question_of(context: Context, version: QuestionVersion) -> Question | None:
    """Return the question of a version that the viewer may already see."""
    return await context.loaders.of(loaders.questions).load(version.question_id)


async def latest_question_version(context: Context, question_id: UUID) -> QuestionVersion | None:
    """Return the latest version of a question that the viewer may already see."""
    return await context.loaders.of(loaders.latest_question_versions).load(question_id)


async def published_question_version(context: Context, question_id: UUID) -> QuestionVersion | None:
    """Return the latest published version of a question that the viewer may already see."""
    return await context.loaders.of(loaders.published_question_versions).load(question_id)


async def question_history(context: Context, question_id: UUID, first: int) -> list[QuestionVersion]:
    """Return the newest versions of a question that the viewer may already see."""
    return await context.loaders.of(loaders.question_histories).load((question_id, _bounded(first)))


async def evaluation_of(context: Context, version: EvaluationVersion) -> Evaluation | None:
    """Return the evaluation of a version that the viewer may already see."""
    return await context.loaders.of(loaders.evaluations).load(version.evaluation_id)


async def latest_evaluation_version(context: Context, evaluation_id: UUID) -> EvaluationVersion | None:
    """Return the latest version of an evaluation that the viewer may already see."""
    return await context.loaders.of(loaders.latest_evaluation_versions).load(evaluation_id)


async def published_evaluation_version(context: Context, evaluation_id: UUID) -> EvaluationVersion | None:
    """Return the latest published version of an evaluation that the viewer may already see."""
    return await context.loaders.of(loaders.published_evaluation_versions).load(evaluation_id)


async def evaluation_history(context: Context, evaluation_id: UUID, first: int) -> list[EvaluationVersion]:
    """Return the newest versions of an evaluation that the viewer may already see."""
    return await context.loaders.of(loaders.evaluation_histories).load((evaluation_id, _bounded(first)))


async def sections(
    context: Context,
    version_id: UUID,
    first: int,
) -> list[tuple[EvaluationSection, SectionMeasure]]:
    """Return the first sections of an evaluation version that the viewer may already see, with what they amount to."""
    rows = await context.loaders.of(loaders.sections).load(version_id)
    return list(zip(rows, await measures(context, version_id), strict=True))[: _bounded(first)]


async def measures(context: Context, version_id: UUID) -> list[SectionMeasure]:
    """Return what the sections of an evaluation version that the viewer may already see amount to, in order."""
    return await context.loaders.of(loaders.measures).load(version_id)


async def section_items(context: Context, section_id: UUID, first: int, after: int) -> list[EvaluationItem]:
    """Return items of a section that the viewer may already see, from behind a position on."""
    return await context.loaders.of(loaders.section_items).load((section_id, _bounded(first), after))


def _bounded(first: int) -> int:
    """Return how many rows are wanted; the bounds are those of every list."""
    return PageRequest(first=first).size()


async def _question(context: Context, answer: Answer) -> Question | None:
    return await context.loaders.of(loaders.questions).load(UUID(answer["question_id"]))


async def _evaluation(context: Context, answer: Answer) -> Evaluation | None:
    return await context.loaders.of(loaders.evaluations).load(UUID(answer["evaluation_id"]))
