"""The wall-clock limit of one query or mutation."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

from graphql import DocumentNode, FieldNode, get_operation_ast
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from services.refusals import LimitExceeded

OPERATION_SECONDS = 5.0
BULK_SECONDS = 20.0

BULK = frozenset(
    {
        "usersImport",
        "assignmentIssue",
        "invitationResend",
        "invitationRevoke",
        "invitationReinvite",
        "correctionPreview",
        "correctionApply",
        "correctionUndo",
        "evaluationStatistics",
        "programmeEnrol",
        "programmeEnrolPreview",
    }
)
"""Operations on thousands of rows, which staff send alone: a busy hour must not keep them from ever coming through."""

running_kind: ContextVar[str] = ContextVar("running_kind", default="refused")
"""'query', 'mutation' or 'subscription' once an operation runs; for whoever counts operations."""


class DeadlineExceeded(LimitExceeded):
    """The operation ran for its whole allowance of wall-clock time and was stopped."""

    hint = (
        "Ask for less in one operation. A mutation may or may not have been stored: "
        "repeat it with the same idempotencyKey to learn which."
    )

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The operation was stopped after {seconds:g} seconds, the most that one operation may take.")


def seconds_for(document: DocumentNode | None, name: str | None) -> float:
    """Return how long an operation may take: longer only for one of `BULK` that is all it asks for."""
    operation = None if document is None else get_operation_ast(document, name)
    asked = () if operation is None else operation.selection_set.selections
    is_bulk = len(asked) == 1 and isinstance(asked[0], FieldNode) and asked[0].name.value in BULK
    return BULK_SECONDS if is_bulk else OPERATION_SECONDS


class OperationDeadline(SchemaExtension):
    """Cancels a query or mutation when its time is over; a subscription has no end but its own."""

    async def on_execute(self) -> AsyncIterator[None]:
        """Run the execution against the clock."""
        running_kind.set(self.execution_context.operation_type.value)
        if self.execution_context.operation_type is OperationType.SUBSCRIPTION:
            yield
            return
        seconds = seconds_for(self.execution_context.graphql_document, self.execution_context.operation_name)
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(seconds) from error
