"""One execution and one encoding of a frame for all subscribers whose answer must be the same.

Subscribers at the head of a stream are given the same frame. What they get differs only by their document, by their
variables and by what they may see; the cursor that they began at has played its part by then. These three are the
key, and the answer is made in a context that knows the key's rights and nothing else of whoever asked first, so that
it cannot hold what another one may not see.
"""

import asyncio
import inspect
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Final, cast

import orjson
from graphql import ArgumentNode, ExecutionResult, FieldNode, GraphQLError, Node, VariableNode, Visitor, visit
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.context import Context, Standing
from resolvers.sources import Lent
from services.work import is_passing

CURSOR: Final = "after"
RETRIES: Final = (0.25, 0.5, 1.0, 2.0, 2.0, 2.0)
"""Seconds between attempts while the database is away: a frame that was lost would be missing on the screen."""


class SharedData(dict[str, Any]):
    """The data of an answer that is encoded at most once, and kept in bytes alone from then on."""

    encoded: bytes | None = None


def encodable(data: Any) -> Any:
    """Return data as orjson takes it, in bytes when it was shared."""
    if not isinstance(data, SharedData):
        return data
    if data.encoded is None:
        data.encoded = bytes(memoryview(orjson.dumps(data)))  # of its own length; the encoder's buffer is far longer
        data.clear()
    return orjson.Fragment(data.encoded)


class SharingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes an event of a stream once for each key; everything else as usual."""

    _question: tuple[str, str, str] | None = None

    def build_per_event_executor(self, payload: Any) -> Any:
        """Prepare the execution of one event."""
        if self._question is None and hasattr(payload, "once"):
            self._question = self._asked()
            if (live := getattr(self.context_value, "live", None)) is not None:
                live.question = self._question
                live.execute = partial(self._execute_for_all, cast("Any", type(payload)).of)
        executor: Any = cast("Any", super()).build_per_event_executor(payload)
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:  # noqa: FBT001 - graphql-core's signature
        """Execute, or wait for whoever executes the same."""
        once: dict[Hashable, Any] | None = getattr(self.root_value, "once", None)
        standing: Standing | None = getattr(self.context_value, "standing", None)
        if once is None or standing is None:
            return super().execute_operation(serially)
        return self._shared(once, (self._question, standing), standing)

    async def _shared(self, once: dict[Hashable, Any], key: Hashable, standing: Standing) -> ExecutionResult:
        task: asyncio.Task[ExecutionResult] | None = once.get(key)
        if task is None:
            task = once[key] = asyncio.create_task(self._persistent(cast("Context", self.context_value), standing))
        return await asyncio.shield(task)

    async def _persistent(self, asker: Context, standing: Standing) -> ExecutionResult:
        """Execute; again when it failed only because the database was away.

        When it stays away the stream ends: a client that went on would have a gap where the frame was.
        """
        for pause in RETRIES:
            result = await self._execute(self.root_value, asker.shared(standing))
            if not any(_is_passing(error) for error in result.errors or ()):
                return result
            await asyncio.sleep(pause)
        result = await self._execute(self.root_value, asker.shared(standing))
        for error in filter(_is_passing, result.errors or ()):
            raise error
        return result

    async def _execute_for_all(
        self, show: Callable[[Any], Any], frame: Any, standing: Standing, lent: Lent | None
    ) -> ExecutionResult | None:
        """Execute a frame for everybody of one standing, while they wait; None when the answer has errors.

        Raises when the database was away: whoever comes for the frame then tries again.
        """
        context = cast("Context", self.context_value).shared(standing, lent)
        result = await self._execute(show(frame), context)
        for error in filter(_is_passing, result.errors or ()):
            raise error
        return None if result.errors or result.data is None else result

    async def _execute(self, payload: Any, context: Context) -> ExecutionResult:
        executor = self.build_per_event_executor(payload)
        executor.context_value = context
        try:
            result = executor.execute_operation(False)  # the context has no standing: it is executed as usual
            answer = cast("ExecutionResult", await result if inspect.isawaitable(result) else result)
        finally:
            await context.aclose()
        return answer if answer.data is None else ExecutionResult(SharedData(answer.data), answer.errors)

    def _asked(self) -> tuple[str, str, str]:
        """Return the text, the operation's name, and the variables without the cursor, if it is nothing but that."""
        counter = _VariableCounter()
        for node in (self.operation, *(one.definition for one in self.fragments.values())):
            visit(node, counter)
        cursors = {name for name in map(_cursor_of, self.operation.selection_set.selections) if name is not None}
        spent = {name for name in cursors if counter.uses.get(name) == 1}
        kept = {name: value for name, value in self.variable_values.coerced.items() if name not in spent}
        source = self.operation.loc.source.body if self.operation.loc else repr(id(self.operation))
        return source, self.operation.name.value if self.operation.name else "", repr(sorted(kept.items()))


class _VariableCounter(Visitor):
    """Counts where each variable is used, its definition not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: dict[str, int] = {}

    def enter_variable(self, node: VariableNode, _key: Any, parent: Node | None, *_args: object) -> None:
        if getattr(parent, "kind", None) != "variable_definition":
            self.uses[node.name.value] = self.uses.get(node.name.value, 0) + 1


def _cursor_of(selection: Node) -> str | None:
    """Return the variable that a root field takes its cursor from."""
    if not isinstance(selection, FieldNode):
        return None
    values = [
        one.value for one in cast("tuple[ArgumentNode, ...]", selection.arguments or ()) if one.name.value == CURSOR
    ]
    return values[0].name.value if values and isinstance(values[0], VariableNode) else None


def _is_passing(error: GraphQLError) -> bool:
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause is not None and is_passing(cause)
