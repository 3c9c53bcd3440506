"""Refuses documents that would cost more than one request may, before anything of them is executed.

Limits (api.md, Transport): 2,000 tokens, depth 15, cost 10,000, 10 directives and 30 aliases per level. Strawberry's
own limiters are not used: they take exponential time on nested fragments (dependencies.md 2.2).
"""

import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldsOnCorrectTypeRule,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    Visitor,
    parse,
    validate,
    visit,
)
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import ExecutionContext

from schema.guard_overlap import OverlapCounter
from schema.guard_shape import MAX_COST, MAX_DEPTH, MAX_TOKENS, Measure, ShapeReader
from services.refusals import BadUserInput, Forbidden, LimitExceeded, Refusal

MAX_VALIDATION_ERRORS = 5
CACHED_DOCUMENTS = 128
CACHED_LENGTH = 16_384
CACHED_MEASURES = 64
_ESCAPED_NUL = re.compile(r"\\u(0000|\{0+\})")
_TOO_MANY_TOKENS = f"Document contains more than {MAX_TOKENS} tokens"

_may_introspect: ContextVar[bool] = ContextVar("may_introspect", default=False)


def allow_introspection(*, allowed: bool) -> None:
    """Say for the rest of the current task whether `__schema` and `__type` may be read; unsaid, they may not."""
    _may_introspect.set(allowed)


Known: TypeAlias = tuple[DocumentNode, OperationDefinitionNode, Measure]
"""A document that was found valid lately, the operation of it that will run, and what that measures."""


class _KnownDocuments:
    """The documents that were parsed and found valid lately, by schema and text; at most 128, none over 16 KiB."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[GraphQLSchema, str], DocumentNode] = OrderedDict()

    def get(self, schema: GraphQLSchema, text: str) -> DocumentNode | None:
        key = (schema, text)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, schema: GraphQLSchema, text: str, document: DocumentNode) -> None:
        if len(text) <= CACHED_LENGTH:
            self._kept[(schema, text)] = document
            if len(self._kept) > CACHED_DOCUMENTS:
                self._kept.popitem(last=False)


class _Measured:
    """What the operations of known documents measured, by the values of the variables that decide it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[DocumentNode, Collection[str], dict[Any, Measure]]] = OrderedDict()

    def get(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any] | None
    ) -> Measure | None:
        found = self._kept.get(id(document))
        if found is None or found[0] is not document:
            return None
        return found[2].get((id(operation), _sizes(found[1], variables)))

    def keep(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        consulted: Collection[str],
        variables: Mapping[str, Any] | None,
        measure: Measure,
    ) -> None:
        known = self._kept.get(id(document))
        names = tuple(sorted(set(consulted).union(known[1] if known is not None and known[0] is document else ())))
        measures = known[2] if known is not None and known[0] is document and known[1] == names else {}
        if len(measures) >= CACHED_MEASURES:
            measures = {}
        measures[id(operation), _sizes(names, variables)] = measure
        self._kept[id(document)] = (document, names, measures)
        self._kept.move_to_end(id(document))
        if len(self._kept) > CACHED_DOCUMENTS:
            self._kept.popitem(last=False)


def _sizes(names: Collection[str], variables: Mapping[str, Any] | None) -> tuple[object, ...]:
    """Return what each variable adds to the measure: its number, or the length of its list."""
    given = variables or {}
    return tuple(_size(given[name]) if name in given else "absent" for name in names)


def _size(value: object) -> object:
    if isinstance(value, list):
        return "list", len(cast("list[object]", value))
    return value if value is None or isinstance(value, bool | int) else "other"


_known = _KnownDocuments()
_measured = _Measured()


@dataclass(frozen=True, slots=True)
class Reading:
    """A document with what its operations measure, by the id of their nodes, for the variables of one request."""

    document: DocumentNode
    measures: Mapping[int, Measure]
    consulted: Collection[str]
    unknown: int


_read_now: ContextVar[tuple[GraphQLSchema, str, Reading] | None] = ContextVar("read_now", default=None)


def _measured_now(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any] | None) -> Reading:
    reader = ShapeReader(schema, document, variables)
    measures = {id(node): reader.measure(node) for node in _operations(document)}
    return Reading(document, measures, reader.consulted, reader.unknown)


def _taken(schema: GraphQLSchema, text: str) -> Reading | None:
    """Return what `refused_early` has read of this very text, once."""
    read = _read_now.get()
    if read is None:
        return None
    _read_now.set(None)
    return read[2] if read[0] is schema and read[1] == text else None


def _explain(error: GraphQLSyntaxError) -> GraphQLSyntaxError:
    if _TOO_MANY_TOKENS in error.message:
        error.original_error = LimitExceeded(
            f"The document has more than {MAX_TOKENS} tokens.",
            hint="Move values into variables, and split the document into several requests.",
        )
    return error


def is_known_query(schema: Schema, text: str) -> bool:
    """Tell whether a document was found valid lately and holds nothing but queries."""
    document = _known.get(schema._schema, text)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as in `_core`
    return document is not None and all(node.operation is OperationType.QUERY for node in _operations(document))


def known_operation(
    schema: Schema, text: str, operation_name: str | None, variables: Mapping[str, Any] | None
) -> Known | None:
    """Return a document that was found valid lately, the operation that will run, and what it measures.

    None for what is new or not clear, for what is too large, and for what reads the type system: that takes the way
    through `QueryGuard`, which says why it refuses.
    """
    document = _known.get(schema._schema, text)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as in `_core`
    if document is None:
        return None
    named = _named(document, operation_name)
    measure = _measured.get(document, named[0], variables) if len(named) == 1 else None
    if measure is None or measure.introspects or measure.depth > MAX_DEPTH or measure.cost > MAX_COST:
        return None
    return document, named[0], measure


def refused_early(
    schema: Schema, text: str, operation_name: str | None, variables: Mapping[str, Any] | None
) -> tuple[GraphQLError, int] | None:
    """Return why a document is refused by its form or its size alone, and what it costs; None for every other one.

    It does what `QueryGuard` does first, before a context and the extensions are made for the operation. What was
    read of a document that goes on is handed to the guard, for the rest of the current task's step.
    """
    core = schema._schema  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as in `_core`
    if not text or _known.get(core, text) is not None:
        return None
    cost = 0
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        reading = _measured_now(core, document, variables)
        if len(asked := _named(document, operation_name)) == 1:
            measure = reading.measures[id(asked[0])]
            cost = measure.cost
            _refuse_size(measure)
    except GraphQLSyntaxError as error:
        return _explain(error), 0
    except Refusal as refusal:
        return GraphQLError(refusal.message, original_error=refusal), cost
    _read_now.set((core, text, reading))
    return None


def told_cost(cost: int) -> dict[str, Any]:
    """Return what `extensions` of a response say of the operation's cost."""
    return {"cost": {"requested": cost, "limit": MAX_COST, "remaining": max(0, MAX_COST - cost)}}


class QueryGuard(SchemaExtension):
    """Measures each document, refuses what is too large, and validates the rest.

    A document that was found valid lately is neither parsed nor validated again. `extensions.cost` of every response
    says what was asked for, the limit, and what was left of it.
    """

    def __init__(self, *, execution_context: ExecutionContext | None = None) -> None:
        super().__init__(execution_context=execution_context)
        self._cost = 0
        self._is_known = False
        self._reading: Reading | None = None

    def on_parse(self) -> Iterator[None]:
        """Take a document that is known or was read a moment ago, or have it parsed with a limit on its tokens."""
        context = self.execution_context
        context.graphql_document = _known.get(_core(context), context.query or "")
        self._is_known = context.graphql_document is not None
        self._reading = None if self._is_known else _taken(_core(context), context.query or "")
        if self._reading is not None:
            context.graphql_document = self._reading.document
        context.parse_options["max_tokens"] = MAX_TOKENS
        yield
        for error in context.pre_execution_errors or ():
            if isinstance(error, GraphQLSyntaxError):
                _explain(error)

    def on_validate(self) -> Iterator[None]:
        """Measure, then validate unless it is known; what is found here keeps the operation from being executed."""
        context = self.execution_context
        try:
            self._measure(context)
            context.pre_execution_errors = None if self._is_known else self._validate(context)
        except Refusal as refusal:
            context.pre_execution_errors = [GraphQLError(refusal.message, original_error=refusal)]
        context.validation_rules = ()
        yield

    def get_results(self) -> dict[str, Any]:
        """Return the cost of this operation, for `extensions` of the response."""
        return told_cost(self._cost)

    def _measure(self, context: ExecutionContext) -> None:
        document = cast("DocumentNode", context.graphql_document)
        operation = _selected(document, context)
        measure = _measured.get(document, operation, context.variables) if self._is_known else None
        if measure is None:
            reading = self._reading = self._reading or _measured_now(_core(context), document, context.variables)
            measure = reading.measures[id(operation)]
            if self._is_known:
                _measured.keep(document, operation, reading.consulted, context.variables, measure)
        self._cost = measure.cost
        _refuse_size(measure)
        if measure.introspects and not _may_introspect.get():
            raise IntrospectionForbidden

    def _validate(self, context: ExecutionContext) -> list[GraphQLError] | None:
        document = cast("DocumentNode", context.graphql_document)
        text = context.query or ""
        if _ESCAPED_NUL.search(text):
            visit(document, _NulFinder())
        every = (*context.validation_rules, MaybeNullValidationRule, OneOfInputValidationRule)
        # Where one rule finds errors enough, the others would read the whole document for nothing.
        if self._reading is not None and self._reading.unknown >= MAX_VALIDATION_ERRORS:
            errors = _found(context, (FieldsOnCorrectTypeRule,))
            if errors:
                return errors
        OverlapCounter(document).count()
        errors = _found(context, every)
        if not errors:
            _known.keep(_core(context), text, document)
        return errors or None


class IntrospectionForbidden(Forbidden):
    """The caller may not read the type system here; the printed schema is public in the repository."""

    hint = "Use the schema that is published as graphql/schema.graphql, or sign in as staff."

    def __init__(self) -> None:
        super().__init__("schema.introspect")


class _NulFinder(Visitor):
    """Refuses the character NUL in a string literal: PostgreSQL cannot store it."""

    def enter_string_value(self, node: StringValueNode, *_args: object) -> None:
        if "\x00" in node.value:
            raise BadUserInput("A string in the document contains the character NUL (U+0000), which cannot be stored.")


def _found(context: ExecutionContext, rules: Collection[type[ASTValidationRule]]) -> list[GraphQLError]:
    document = cast("DocumentNode", context.graphql_document)
    return validate(_core(context), document, rules, max_errors=MAX_VALIDATION_ERRORS, hide_suggestions=True)


def _core(context: ExecutionContext) -> GraphQLSchema:
    return context.schema._schema  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - Strawberry's own extensions read it too


def _operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def _named(document: DocumentNode, name: str | None) -> list[OperationDefinitionNode]:
    """Return the operations of that name; all of them without one."""
    every = _operations(document)
    return every if name is None else [node for node in every if node.name is not None and node.name.value == name]


def _selected(document: DocumentNode, context: ExecutionContext) -> OperationDefinitionNode:
    """Return the operation that will run; Strawberry would take the first of several when none was named."""
    operations = _operations(document)
    asked: str | None = context._provided_operation_name  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the public name hides that none was sent
    if asked is None and len(operations) > 1:
        raise BadUserInput(
            f"The document holds {len(operations)} operations and 'operationName' names none of them.",
            hint="Send operationName, or one operation per document.",
        )
    return next(node for node in operations if asked is None or (node.name and node.name.value == asked))


def _refuse_size(measure: Measure) -> None:
    if measure.depth > MAX_DEPTH:
        raise LimitExceeded(
            f"The operation is {measure.depth} levels deep; {MAX_DEPTH} are allowed.",
            hint="Read the inner objects in a second request, by their ids.",
        )
    if measure.cost > MAX_COST:
        raise LimitExceeded(
            f"The operation costs {measure.cost}; {MAX_COST} are allowed. A field costs 1, and 'first', 'last' and "
            "'ids' multiply what they select.",
            hint="Ask for smaller pages, or for fewer fields inside of lists.",
        )
