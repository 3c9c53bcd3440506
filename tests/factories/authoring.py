"""Questions, pools and evaluations as authors write them, and GraphQL asked as a viewer."""

import json
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import event

from models.base import uuid7
from resolvers.context import Context, House
from schema.authoring import AuthoringMutation, AuthoringQuery
from schema.problems import CASES
from schema.question_keys import KEYS
from services import authoring, authoring_evaluations, authoring_pool, authoring_questions
from services.authoring import Drift
from services.authoring_evaluations import EvaluationSettings
from services.authoring_questions import QuestionText
from services.authoring_sections import ItemDraft, SectionDraft
from services.content_kinds import QuestionKind
from services.work import Office
from tests.factories.tenants import World

ROOT = Path(__file__).parents[2]
OPTIONS = {"options": [{"id": "a", "text": "One"}, {"id": "b", "text": "Two"}]}
CHOICE = QuestionText(kind=QuestionKind.SINGLE_CHOICE, stem="Which?", content=OPTIONS, key={"correct": "b"})

SCHEMA = strawberry.Schema(query=AuthoringQuery, mutation=AuthoringMutation, types=[*KEYS, *CASES])


def entry(name: str, *, correct: int = 0, question: str = "Which?", **more: Any) -> dict[str, Any]:
    """One entry of a pool."""
    return {"id": name, "question": question, "answers": ["One", "Two", "Three"], "correct": correct, **more}


def text(**changes: Any) -> QuestionText:
    """A single-choice question, with changes."""
    return replace(CHOICE, **changes)


async def question(world: World, *, publish: bool = True, reference: str | None = None, **changes: Any) -> UUID:
    """A question; answers the id of its version."""

    async def create(work):
        return await authoring_questions.create(work, reference=reference or f"Q-{uuid7()}", text=text(**changes))

    answer = await world.office.perform(world.system, create)
    if publish:
        question_id = UUID(answer["question_id"])
        act = authoring_questions.publish
        await world.office.perform(world.system, lambda work: act(work, question_id, Drift()))
    return UUID(answer["version_id"])


async def pool(world: World, entries: list[dict[str, Any]], *, publish: bool = True) -> list[dict[str, Any]]:
    """Import a pool; answers the rows of the report."""
    act = authoring_pool.import_pool
    return (await world.office.perform(world.system, lambda work: act(work, entries, publish=publish)))["results"]


async def evaluation(
    world: World,
    sections: list[SectionDraft] | None = None,
    *,
    publish: bool = True,
    **settings: Any,
) -> tuple[UUID, UUID]:
    """An evaluation of one question unless sections are given; answers its id and that of its version."""
    if sections is None:
        sections = [SectionDraft(title="All", items=[ItemDraft(await question(world))])]
    given = EvaluationSettings(**{"title": f"Evaluation {uuid7()}", "pass_percent": Decimal(70), **settings})

    async def create(work):
        return await authoring_evaluations.create(work, name=None, settings=given, sections=sections)

    answer = await world.office.perform(world.system, create)
    evaluation_id = UUID(answer["evaluation_id"])
    if publish:
        act = authoring_evaluations.publish
        await world.office.perform(world.system, lambda work: act(work, evaluation_id, Drift()))
    return evaluation_id, UUID(answer["version_id"])


async def version(world: World, model, container_id: UUID):
    """The latest version of a question or evaluation."""
    async with world.office.snapshot(world.system) as work:
        return (await authoring.newest(work, model, [container_id]))[container_id]


async def ask(world: World, viewer, document: str, **variables: Any) -> dict[str, Any]:
    """Execute a document as a viewer; answers data and the codes of errors."""
    nothing: Any = None
    context = Context(House(world.office, nothing, nothing, b""), viewer)
    try:
        result = await SCHEMA.execute(document, variable_values=variables, context_value=context)
    finally:
        await context.aclose()
    errors = [getattr(error.original_error, "code", str(error)) for error in result.errors or []]
    return {"data": json.loads(json.dumps(result.data, default=str)), "errors": errors}


async def run(world: World, viewer, name: str, **variables: Any) -> dict[str, Any]:
    """Execute a stored operation document; answers its one root field, and fails on errors."""
    answer = await ask(world, viewer, (ROOT / f"graphql/operations/Authoring/{name}.graphql").read_text(), **variables)
    assert answer["errors"] == []
    return next(iter(answer["data"].values()))


@contextmanager
def counted(office: Office):
    """Count the SQL statements that an office sends."""
    statements: list[str] = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        statements.append(statement)

    engine = office._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
