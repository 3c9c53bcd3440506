"""What a GraphQL error says to a client: refusals speak for themselves, everything unexpected is masked.

Each error carries `extensions.code` (docs/refusals.md) and `extensions.classification`. The text of an unexpected
exception never leaves the process; the answer holds a random `reference` that the log also has.
"""

import asyncio
import secrets
import traceback
from collections.abc import Collection, Iterable
from datetime import datetime
from enum import Enum
from typing import Any, cast

import structlog
from graphql import FieldNode, GraphQLError, ValueNode, VariableDefinitionNode
from graphql import execute as _execute  # pyright: ignore[reportUnknownVariableType] - generic in the context
from strawberry import Schema
from strawberry.exceptions import MissingQueryError
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from resolvers.context import Context
from schema.executor import PlanningExecutor
from schema.guard import Known, QueryGuard, known_operation, refused_early, told_cost
from schema.guard_deadline import DeadlineExceeded, OperationDeadline, running_kind, seconds_for
from schema.straight import straight
from schema.straight_queries import straight_query
from services.driver import is_away
from services.refusals import BadUserInput, Forbidden, Refusal

CLIENT_FAULT = "BAD_USER_INPUT"
SERVER_FAULT = "INTERNAL"
UNAVAILABLE = "UNAVAILABLE"
RETRY_AFTER_MS = 2_000
"""How long a client may wait before it tries again while the database is away."""
_MALFORMED = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError)
_OWN_FIELDS = frozenset({"message", "path", "advice"})

_log = structlog.get_logger("evalium.graphql")


def extensions_of(refusal: Refusal) -> dict[str, Any]:
    """Return the `extensions` of a refusal: code, classification, hint, and its typed values in camel case."""
    extras = {_camel(name): _plain(value) for name, value in vars(refusal).items() if name not in _OWN_FIELDS}
    path = {"path": list(refusal.path)} if refusal.path else {}
    return extras | path | {"code": refusal.code, "classification": CLIENT_FAULT, "hint": refusal.advice}


def formatted(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as one entry of `errors`, for answers to requests that never became an operation."""
    return {"message": refusal.message, "extensions": extensions_of(refusal)}


def internal(error: BaseException, *, operation: str | None) -> GraphQLError:
    """Log an unexpected exception with its traceback, and return the masked error that names the log entry."""
    reference = secrets.token_hex(8)
    text = "".join(traceback.format_exception(error))
    _log.error("graphql.internal", reference=reference, operation=operation, traceback=text)
    return GraphQLError(
        "Internal error.",
        extensions={
            "code": SERVER_FAULT,
            "classification": SERVER_FAULT,
            "reference": reference,
            "hint": "Try again; if it happens again, report the reference to whoever runs this server.",
        },
    )


def unavailable(error: BaseException, *, operation: str | None) -> GraphQLError:
    """Log in a line that the database was away, and return the error that asks for another try."""
    _log.warning("graphql.unavailable", operation=operation, cause=type(error).__name__)
    return GraphQLError(
        "The database does not answer at the moment.",
        extensions={
            "code": UNAVAILABLE,
            "classification": UNAVAILABLE,
            "hint": "Try again in a moment; repeat a mutation with the same idempotencyKey.",
            "retryAfterMs": RETRY_AFTER_MS,
        },
    )


def masked(error: GraphQLError, *, operation: str | None) -> GraphQLError:
    """Return `error` as a client may see it; an error that was masked before is returned unchanged."""
    if "classification" in (error.extensions or {}):
        return error
    cause = _cause(error)
    if isinstance(cause, Refusal):
        _log.info("graphql.refused", code=cause.code, operation=operation)
        return _rewritten(error, cause.message, extensions_of(cause), cause)
    if isinstance(cause, CannotGetOperationTypeError | InvalidOperationTypeError | MissingQueryError):
        refusal = _misplaced(cause)
        return _rewritten(error, refusal.message, extensions_of(refusal), refusal)
    if cause is None or (error.path is None and isinstance(cause, _MALFORMED) and _is_about_input(error)):
        blank = BadUserInput(error.message)
        return _rewritten(error, error.message, extensions_of(blank) | (error.extensions or {}), None)
    hidden = unavailable(cause, operation=operation) if is_away(cause) else internal(cause, operation=operation)
    return _rewritten(error, hidden.message, hidden.extensions or {}, None)


def _cause(error: GraphQLError) -> BaseException | None:
    """Return what a GraphQL error was made of, through the errors that graphql-core wraps around it."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _note_denial(error: GraphQLError, context: Context) -> None:
    """Note a missing capability for the ledger, by the field's name in the schema."""
    cause = _cause(error)
    if isinstance(cause, Forbidden) and "classification" not in (error.extensions or {}):
        named = [node.name.value for node in error.nodes or () if isinstance(node, FieldNode)]
        context.denied(cause.capability, named[0] if named else "")


def _told(errors: list[GraphQLError], context: object, operation: str | None) -> list[GraphQLError]:
    """Return errors as a client may see them; a denial is noted for the ledger."""
    if isinstance(context, Context):
        for error in errors:
            _note_denial(error, context)
    return [masked(error, operation=operation) for error in errors]


def _is_about_input(error: GraphQLError) -> bool:
    return any(isinstance(node, VariableDefinitionNode | ValueNode) for node in error.nodes or ())


def _misplaced(cause: CannotGetOperationTypeError | InvalidOperationTypeError | MissingQueryError) -> BadUserInput:
    if isinstance(cause, MissingQueryError):
        return BadUserInput("The document is empty.", hint="Send the text of a GraphQL document.")
    if isinstance(cause, CannotGetOperationTypeError):
        name = cause.operation_name
        wanted = f"an operation named '{name}'" if name else "an operation"
        return BadUserInput(f"The document does not hold {wanted}.", hint="Send the name of one of its operations.")
    if cause.operation_type is OperationType.SUBSCRIPTION:
        return BadUserInput(
            "A subscription cannot be answered by a single response.",
            hint="Subscribe over graphql-transport-ws on /graphql, or over server-sent events on /graphql/stream.",
        )
    return BadUserInput(f"A {cause.operation_type.value} is not allowed here.")


def _rewritten(error: GraphQLError, message: str, extensions: dict[str, Any], cause: Refusal | None) -> GraphQLError:
    """Return the error with another message; where it was is copied: to find it means to read the source again."""
    other = GraphQLError(message, path=error.path, original_error=cause, extensions=extensions)
    other.nodes, other.source = error.nodes, error.source
    other.positions, other.locations = error.positions, error.locations
    return other


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def _plain(value: object) -> Any:
    """Return a value of a refusal as JSON can carry it; times as RFC 3339."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in cast("Iterable[object]", value)]
    return _plain(value.value) if isinstance(value, Enum) else str(value)


class EvaliumSchema(Schema):
    """A Strawberry schema whose operations are guarded, timed, and never tell more about a failure than they should.

    Takes what `strawberry.Schema` takes; the guard and the deadline come before the extensions that are passed.
    Refuses `sort_schema`, which breaks every union at run time (dependencies.md 2.1).
    """

    def __init__(
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        *,
        extensions: Iterable[type[SchemaExtension]] = (),
        config: StrawberryConfig | None = None,
        **others: Any,
    ) -> None:
        config = config or StrawberryConfig()
        if config.sort_schema:
            raise ValueError("sort_schema breaks unions at run time; sort in the script that prints the SDL")
        config.disable_field_suggestions = True
        extensions = tuple(extensions)
        self._is_extended = bool(extensions)
        guarded = (QueryGuard, OperationDeadline, *extensions)
        others.setdefault("execution_context_class", PlanningExecutor)
        super().__init__(query, mutation, subscription, extensions=guarded, config=config, **others)  # pyright: ignore[reportUnknownMemberType] - Strawberry's annotation

    def refuse_early(
        self, text: str, *, variables: dict[str, Any] | None, operation_name: str | None
    ) -> ExecutionResult | None:
        """Refuse a document that is no GraphQL or too large, at the price of reading it; None for every other one."""
        refused = None if self._is_extended else refused_early(self, text, operation_name, variables)
        if refused is None:
            return None
        error, cost = refused
        return PreExecutionError(
            data=None, errors=[masked(error, operation=operation_name)], extensions=told_cost(cost)
        )

    def known(
        self,
        text: str,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        allowed: Collection[OperationType],
    ) -> Known | None:
        """Return a query or mutation whose document was measured and found valid lately; None for everything else."""
        known = None if self._is_extended else known_operation(self, text, operation_name, variables)
        if known is None:
            return None
        kind = OperationType(known[1].operation.value)
        return known if kind is not OperationType.SUBSCRIPTION and kind in allowed else None

    async def answer_known(
        self,
        known: Known,
        *,
        variables: dict[str, Any] | None,
        context: object,
        operation_name: str | None,
        extensions: dict[str, Any] | None,
    ) -> ExecutionResult:
        """Answer what is `known`.

        It does what `execute` does with the guard and the deadline, without the ceremony of extensions, which costs
        more than a small query itself.
        """
        document, operation, measure = known
        kind = OperationType(operation.operation.value)
        running_kind.set(kind.value)
        seconds = seconds_for(document, operation_name)
        way = straight(self._schema, operation) if kind is OperationType.MUTATION else None
        given = None if way is None or not isinstance(context, Context) else way.given(variables)
        asking = straight_query(self._schema, operation) if kind is OperationType.QUERY else None
        try:
            async with asyncio.timeout(seconds):
                data: dict[str, Any] | None = None
                if way is not None and given is not None:
                    data = await way.execute(given, cast("Context", context))
                elif asking is not None and isinstance(context, Context):
                    data = await asking.execute(variables, context)
                if data is not None:
                    return ExecutionResult(data=data, errors=None, extensions=told_cost(measure.cost))
                running: Any = cast("Any", _execute)(
                    self._schema,
                    document,
                    context_value=context,
                    variable_values=variables,
                    operation_name=operation_name,
                    executor_class=PlanningExecutor,
                    is_awaitable=optimized_is_awaitable,
                    operation_extensions=extensions,
                )
                result: Any = await running if optimized_is_awaitable(running) else running
        except TimeoutError as error:
            late = GraphQLError(str(error), original_error=DeadlineExceeded(seconds))
            result = PreExecutionError(data=None, errors=[late])
        errors = _told(cast("list[GraphQLError]", result.errors or []), context, operation_name) or None
        made = PreExecutionError if isinstance(result, PreExecutionError) else ExecutionResult
        return made(data=result.data, errors=errors, extensions=told_cost(measure.cost))

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:  # noqa: FBT001, FBT002 - Strawberry's signature
        """Leave the deadline out of a synchronous execution, which no clock can interrupt."""
        return [one for one in super().get_extensions(sync) if not (sync and isinstance(one, OperationDeadline))]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Mask `errors` in place; Strawberry calls this before any transport sees a result."""
        operation = execution_context.operation_name if execution_context else None
        errors[:] = _told(errors, execution_context.context if execution_context else None, operation)
