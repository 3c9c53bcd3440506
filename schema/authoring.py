"""Questions and evaluations: the root fields."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import strawberry

from models.authoring import Evaluation as EvaluationRow
from models.authoring import Question as QuestionRow
from resolvers import authoring
from resolvers.access import access_of
from resolvers.context import Context
from schema.access import Info, act, ask, says
from schema.authoring_evaluations import (
    Evaluation,
    EvaluationFilterInput,
    EvaluationOrderInput,
    EvaluationPayload,
    EvaluationVersion,
)
from schema.authoring_questions import (
    PoolRowResult,
    Question,
    QuestionCreateInput,
    QuestionFilterInput,
    QuestionOrderInput,
    QuestionPayload,
    QuestionPoolImportInput,
    QuestionPoolImportPayload,
    QuestionPublishInput,
    QuestionUpdateInput,
    QuestionVersion,
)
from schema.connections import Connection, OrderDirection, connect
from schema.evaluation_inputs import (
    EvaluationCreateInput,
    EvaluationPublishInput,
    EvaluationUpdateInput,
    drafts,
)
from schema.nodes import local_id, looked_for
from schema.problems import attempt
from services.paging import PageRequest

__all__ = ["AuthoringMutation", "AuthoringQuery", "Evaluation", "EvaluationVersion", "Question", "QuestionVersion"]

Payload = TypeVar("Payload")

First = Annotated[int | None, says("How many rows from the start or behind `after`, 0 to 100; 50 when left out.")]
After = Annotated[str | None, says("Read on behind the row with this cursor.")]
Last = Annotated[int | None, says("How many rows from the end or before `before`, 0 to 100; instead of `first`.")]
Before = Annotated[str | None, says("Read the rows before the one with this cursor.")]
Id = Annotated[strawberry.ID, says("Global id.")]


@strawberry.type
class AuthoringQuery:
    """Queries about questions and evaluations."""

    @ask(authoring.question, "One question; null when there is none that you can see.")
    async def question(self, info: Info, id: Id) -> Question | None:
        """Show a question."""
        row = await authoring.question(info.context, looked_for("Question", id))
        return None if row is None else Question.of(row)

    @ask(authoring.questions, "Questions of your org unit, by reference unless you say otherwise.")
    async def questions(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[QuestionFilterInput | None, says("Which questions.")] = None,
        order_by: Annotated[list[QuestionOrderInput] | None, says("In which order.")] = None,
    ) -> Connection[Question]:
        """List questions."""
        wanted = (filter or QuestionFilterInput()).wanted()
        orders = [(order.field.value, order.direction is OrderDirection.DESC) for order in order_by or []]
        page = await authoring.questions(info.context, wanted, orders, PageRequest(first, after, last, before))
        return connect(page, Question.of)

    @ask(authoring.evaluation, "One evaluation; null when there is none that you can see.")
    async def evaluation(self, info: Info, id: Id) -> Evaluation | None:
        """Show an evaluation."""
        row = await authoring.evaluation(info.context, looked_for("Evaluation", id))
        return None if row is None else Evaluation.of(row)

    @ask(authoring.evaluations, "Evaluations of your org unit, by name unless you say otherwise.")
    async def evaluations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[EvaluationFilterInput | None, says("Which evaluations.")] = None,
        order_by: Annotated[list[EvaluationOrderInput] | None, says("In which order.")] = None,
    ) -> Connection[Evaluation]:
        """List evaluations."""
        wanted = (filter or EvaluationFilterInput()).wanted()
        orders = [(order.field.value, order.direction is OrderDirection.DESC) for order in order_by or []]
        page = await authoring.evaluations(info.context, wanted, orders, PageRequest(first, after, last, before))
        return connect(page, Evaluation.of)

    @ask(authoring.evaluation_version, "One version of an evaluation; null when there is none that you can see.")
    async def evaluation_version(self, info: Info, id: Id) -> EvaluationVersion | None:
        """Show an evaluation version."""
        row = await authoring.evaluation_version(info.context, looked_for("EvaluationVersion", id))
        return None if row is None else EvaluationVersion.of(row)


@strawberry.type
class AuthoringMutation:
    """Mutations that write questions and evaluations."""

    @act(authoring.question_create, "Create a question with its first draft.")
    async def question_create(
        self,
        info: Info,
        input: Annotated[QuestionCreateInput, says("The question.")],
    ) -> QuestionPayload:
        """Create a question."""

        async def create() -> QuestionPayload:
            key, given = input.idempotency_key, _given(input)
            with input.body.placed():
                row = await authoring.question_create(info.context, input.reference, input.text(), key, given)
            return await _question(info.context, row)

        return await _written(authoring.question_create, info.context, create, QuestionPayload)

    @act(authoring.question_update, "Change a question's draft, or open the next one behind its published version.")
    async def question_update(
        self,
        info: Info,
        input: Annotated[QuestionUpdateInput, says("The changes.")],
    ) -> QuestionPayload:
        """Update a question."""

        async def update() -> QuestionPayload:
            question_id, key = local_id("Question", input.id), input.idempotency_key
            with input.body.placed() if input.body else nullcontext():
                changes, drift = input.changes(), input.drift()
                row = await authoring.question_update(info.context, question_id, changes, drift, key, _given(input))
            return await _question(info.context, row)

        return await _written(authoring.question_update, info.context, update, QuestionPayload)

    @act(authoring.question_publish, "Freeze a question's draft for ever.")
    async def question_publish(
        self,
        info: Info,
        input: Annotated[QuestionPublishInput, says("Which question.")],
    ) -> QuestionPayload:
        """Publish a question."""

        async def publish() -> QuestionPayload:
            question_id, key = local_id("Question", input.id), input.idempotency_key
            row = await authoring.question_publish(info.context, question_id, input.drift(), key, _given(input))
            return await _question(info.context, row)

        return await _written(authoring.question_publish, info.context, publish, QuestionPayload)

    @act(
        authoring.question_pool_import,
        "Import entries of a question pool, each for itself: a bad entry is refused and leaves its neighbours alone. "
        "Importing the same entries again changes nothing.",
    )
    async def question_pool_import(
        self,
        info: Info,
        input: Annotated[QuestionPoolImportInput, says("The entries.")],
    ) -> QuestionPoolImportPayload:
        """Import a pool."""
        rows, problems = await attempt(
            authoring.question_pool_import(
                info.context,
                [entry.entry() for entry in input.entries],
                input.idempotency_key,
                _given(input),
                publish=input.publish,
            ),
        )
        return QuestionPoolImportPayload(results=[PoolRowResult.of(row) for row in rows or []], problems=problems)

    @act(authoring.evaluation_create, "Create an evaluation with its first draft.")
    async def evaluation_create(
        self,
        info: Info,
        input: Annotated[EvaluationCreateInput, says("The evaluation.")],
    ) -> EvaluationPayload:
        """Create an evaluation."""

        async def create() -> EvaluationPayload:
            row = await authoring.evaluation_create(
                info.context,
                input.name,
                input.settings(),
                drafts(input.sections),
                input.idempotency_key,
                _given(input),
            )
            return await _evaluation(info.context, row)

        return await _written(authoring.evaluation_create, info.context, create, EvaluationPayload)

    @act(
        authoring.evaluation_update,
        "Change an evaluation's draft, or open the next one behind its published version.",
    )
    async def evaluation_update(
        self,
        info: Info,
        input: Annotated[EvaluationUpdateInput, says("The changes.")],
    ) -> EvaluationPayload:
        """Update an evaluation."""

        async def update() -> EvaluationPayload:
            row = await authoring.evaluation_update(
                info.context,
                local_id("Evaluation", input.id),
                input.changes(),
                None if input.sections is None else drafts(input.sections),
                input.drift(),
                input.idempotency_key,
                _given(input),
            )
            return await _evaluation(info.context, row)

        return await _written(authoring.evaluation_update, info.context, update, EvaluationPayload)

    @act(authoring.evaluation_publish, "Examine an evaluation's draft and freeze it for ever.")
    async def evaluation_publish(
        self,
        info: Info,
        input: Annotated[EvaluationPublishInput, says("Which evaluation.")],
    ) -> EvaluationPayload:
        """Publish an evaluation."""

        async def publish() -> EvaluationPayload:
            evaluation_id, key = local_id("Evaluation", input.id), input.idempotency_key
            row = await authoring.evaluation_publish(info.context, evaluation_id, input.drift(), key, _given(input))
            return await _evaluation(info.context, row)

        return await _written(authoring.evaluation_publish, info.context, publish, EvaluationPayload)


async def _written(
    resolver: Callable[..., Any],
    context: Context,
    write: Callable[[], Awaitable[Payload]],
    payload: Callable[..., Payload],
) -> Payload:
    """Answer a mutation. Who may ask is decided before the input is read, so that a refusal of it tells nobody else."""
    await access_of(resolver).check(context)
    written, problems = await attempt(write())
    return payload(problems=problems) if written is None else written


async def _question(context: Context, row: QuestionRow | None) -> QuestionPayload:
    if row is None:
        raise LookupError("a question that was just written cannot be read back")
    latest = await authoring.latest_question_version(context, row.id)
    version = None if latest is None else QuestionVersion.of(latest)
    return QuestionPayload(question=Question.of(row), version=version, problems=[])


async def _evaluation(context: Context, row: EvaluationRow | None) -> EvaluationPayload:
    if row is None:
        raise LookupError("an evaluation that was just written cannot be read back")
    latest = await authoring.latest_evaluation_version(context, row.id)
    version = None if latest is None else EvaluationVersion.of(latest)
    return EvaluationPayload(evaluation=Evaluation.of(row), version=version, problems=[])


def _given(given: Any) -> dict[str, Any]:
    """Return an input as idempotency compares it: everything but the key itself."""
    return {name: value for name, value in asdict(given).items() if name != "idempotency_key"}
