"""The wall-clock limit of one query or mutation."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from services.refusals import LimitExceeded

OPERATION_SECONDS = 5.0

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


class OperationDeadline(SchemaExtension):
    """Cancels a query or mutation after `seconds`; a subscription has no end but its own."""

    seconds = OPERATION_SECONDS

    async def on_execute(self) -> AsyncIterator[None]:
        """Run the execution against the clock."""
        running_kind.set(self.execution_context.operation_type.value)
        if self.execution_context.operation_type is OperationType.SUBSCRIPTION:
            yield
            return
        try:
            async with asyncio.timeout(self.seconds):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(self.seconds) from error
