"""Questions, evaluations and their parts by key, each list with one statement."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from models.authoring import (
    Evaluation,
    EvaluationItem,
    EvaluationSection,
    EvaluationVersion,
    Question,
    QuestionVersion,
)
from services import authoring, authoring_sections, plain
from services.authoring_sections import SectionMeasure
from services.work import Work


async def questions(work: Work, ids: list[UUID]) -> list[Question | None]:
    """Return questions by id."""
    found = await authoring.by_id(work, Question, ids)
    return [found.get(key) for key in ids]


async def question_versions(work: Work, ids: list[UUID]) -> list[QuestionVersion | None]:
    """Return question versions by id."""
    found = await authoring.by_id(work, QuestionVersion, ids)
    return [found.get(key) for key in ids]


async def latest_question_versions(work: Work, question_ids: list[UUID]) -> list[QuestionVersion | None]:
    """Return the latest version of each question, draft or published."""
    found = await authoring.newest(work, QuestionVersion, question_ids)
    return [found.get(key) for key in question_ids]


async def published_question_versions(work: Work, question_ids: list[UUID]) -> list[QuestionVersion | None]:
    """Return the latest published version of each question; None where nothing was published."""
    found = await authoring.newest(work, QuestionVersion, question_ids, published=True)
    return [found.get(key) for key in question_ids]


async def question_histories(work: Work, wanted: list[tuple[UUID, int]]) -> list[list[QuestionVersion]]:
    """Return the newest versions of each question, at most the number that stands beside its id."""
    most = max(first for _, first in wanted)
    found = await authoring.history(work, QuestionVersion, [question_id for question_id, _ in wanted], most)
    return [found[question_id][:first] for question_id, first in wanted]


async def question_keys(work: Work, version_ids: list[UUID]) -> list[dict[str, Any] | None]:
    """Return the secret part of each question version."""
    found = await authoring.keys(work, version_ids)
    return [found.get(key) for key in version_ids]


async def evaluations(work: Work, ids: list[UUID]) -> list[Evaluation | None]:
    """Return evaluations by id."""
    found = {row.id: row for row in await plain.by(work, Evaluation, "id", ids)}
    return [found.get(key) for key in ids]


async def evaluation_versions(work: Work, ids: list[UUID]) -> list[EvaluationVersion | None]:
    """Return evaluation versions by id."""
    found = {row.id: row for row in await plain.by(work, EvaluationVersion, "id", ids)}
    return [found.get(key) for key in ids]


async def latest_evaluation_versions(work: Work, evaluation_ids: list[UUID]) -> list[EvaluationVersion | None]:
    """Return the latest version of each evaluation, draft or published."""
    found = await authoring.newest(work, EvaluationVersion, evaluation_ids)
    return [found.get(key) for key in evaluation_ids]


async def published_evaluation_versions(work: Work, evaluation_ids: list[UUID]) -> list[EvaluationVersion | None]:
    """Return the latest published version of each evaluation; None where nothing was published."""
    found = await authoring.newest(work, EvaluationVersion, evaluation_ids, published=True)
    return [found.get(key) for key in evaluation_ids]


async def evaluation_histories(work: Work, wanted: list[tuple[UUID, int]]) -> list[list[EvaluationVersion]]:
    """Return the newest versions of each evaluation, at most the number that stands beside its id."""
    most = max(first for _, first in wanted)
    found = await authoring.history(work, EvaluationVersion, [evaluation_id for evaluation_id, _ in wanted], most)
    return [found[evaluation_id][:first] for evaluation_id, first in wanted]


async def sections(work: Work, version_ids: list[UUID]) -> list[list[EvaluationSection]]:
    """Return the sections of each evaluation version, in order."""
    found = await authoring.sections(work, version_ids)
    return [found[key] for key in version_ids]


async def section_items(work: Work, wanted: list[tuple[UUID, int, int]]) -> list[list[EvaluationItem]]:
    """Return items of each section: section id, how many at most, behind which position."""
    together: dict[tuple[int, int], list[UUID]] = defaultdict(list)
    for section_id, first, after in wanted:
        together[first, after].append(section_id)
    found: dict[tuple[UUID, int, int], list[EvaluationItem]] = {}
    for (first, after), section_ids in together.items():
        pages = await authoring.section_items(work, section_ids, first=first, after=after)
        found.update({(section_id, first, after): items for section_id, items in pages.items()})
    return [found[key] for key in wanted]


async def measures(work: Work, version_ids: list[UUID]) -> list[list[SectionMeasure]]:
    """Return what the sections of each evaluation version amount to, in order."""
    found = await authoring_sections.measured(work, version_ids)
    return [found[key] for key in version_ids]
