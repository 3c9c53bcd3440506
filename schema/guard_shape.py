"""Measures how large a GraphQL document is, in one pass that reads each fragment once.

Strawberry's own limiters walk a fragment again at every spread, so twenty doubling fragments keep a server busy for
half a minute. Here a fragment's measure is remembered, and the time is linear in the tokens of the document.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

from services.refusals import BadUserInput, LimitExceeded

MAX_TOKENS = 2_000
MAX_DEPTH = 15
MAX_COST = 10_000
MAX_DIRECTIVES = 10
MAX_ALIASES = 30
MAX_NESTING = 64
PAGE_CAP = 200
UNSTATED_PAGE = 50
ENDLESS = 1_000_000_000
_LONGEST_INT = 9


@dataclass(frozen=True, slots=True)
class Measure:
    """Levels of fields, and fields after multiplication by page sizes; whether the type system itself is read."""

    depth: int = 0
    cost: int = 0
    introspects: bool = False

    def beside(self, other: "Measure") -> "Measure":
        """Return the measure of both selected at the same level."""
        return Measure(
            max(self.depth, other.depth),
            min(ENDLESS, self.cost + other.cost),
            self.introspects or other.introspects,
        )


class ShapeReader:
    """Measures the operations of one document, with the variables of one request.

    A field costs 1 plus what it selects; `first`, `last` and `ids` multiply what it selects. `steps` counts the
    selections that were read, which is what the tests hold down instead of a clock, and `unknown` the fields that no
    type has.
    """

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any] | None) -> None:
        self.steps = 0
        self.unknown = 0
        self.consulted: set[str] = set()
        """Variables whose values the measure followed from."""
        self._schema = schema
        self._variables = variables or {}
        self._defaults: dict[str, ValueNode] = {}
        self._nesting = 0
        self._measured: dict[str, Measure] = {}
        self._open: set[str] = set()
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def measure(self, operation: OperationDefinitionNode) -> Measure:
        """Return the measure of `operation`; refuses a level with too many aliases or directives."""
        self._defaults = {
            variable.variable.name.value: variable.default_value
            for variable in operation.variable_definitions or ()
            if variable.default_value is not None
        }
        _refuse_directives(len(operation.directives or ()))
        for variable in operation.variable_definitions or ():
            _refuse_directives(len(variable.directives or ()))
        return self._level(operation.selection_set, self._schema.get_root_type(operation.operation))

    def _level(self, selection_set: SelectionSetNode, parent: GraphQLCompositeType | None) -> Measure:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise LimitExceeded(f"The document nests more than {MAX_NESTING} selections and fragments.")
        names: set[str] = set()
        aliases = directives = 0
        total = Measure()
        for node, owner in self._flat(selection_set, parent):
            self.steps += 1
            directives += len(node.directives or ())
            if isinstance(node, InlineFragmentNode):
                continue
            name = (node.alias or node.name).value if isinstance(node, FieldNode) else f"...{node.name.value}"
            aliases += name in names or (isinstance(node, FieldNode) and node.alias is not None)
            names.add(name)
            part = self._field(node, owner) if isinstance(node, FieldNode) else self._fragment(node.name.value)
            total = total.beside(part)
        _refuse_directives(directives)
        if aliases > MAX_ALIASES:
            raise LimitExceeded(
                f"One level of the document holds {aliases} aliased or repeated fields; {MAX_ALIASES} are allowed.",
                hint="Ask for each field once, and split many variants of a field into several requests.",
            )
        self._nesting -= 1
        return total

    def _flat(
        self, selection_set: SelectionSetNode, parent: GraphQLCompositeType | None
    ) -> Iterator[tuple[FieldNode | FragmentSpreadNode | InlineFragmentNode, GraphQLCompositeType | None]]:
        """Yield the selections of a level; what stands in an inline fragment belongs to the level around it."""
        waiting = [(selection_set, parent)]
        while waiting:
            current, owner = waiting.pop()
            for node in current.selections:
                selection = cast("FieldNode | FragmentSpreadNode | InlineFragmentNode", node)
                yield selection, owner
                if isinstance(selection, InlineFragmentNode):
                    condition = selection.type_condition
                    inner = self._composite(condition.name.value) if condition else owner
                    waiting.append((selection.selection_set, inner))

    def _field(self, node: FieldNode, parent: GraphQLCompositeType | None) -> Measure:
        name = node.name.value
        introspects = name in {"__schema", "__type"}
        definition = self._definition(name, parent)
        if definition is None and parent is not None and name != "__typename":
            self.unknown += 1
        if node.selection_set is None:
            return Measure(1, 1, introspects)
        inner_type = cast("object", get_named_type(cast("Any", definition).type)) if definition else None
        inner = self._level(node.selection_set, inner_type if is_composite_type(inner_type) else None)
        cost = min(ENDLESS, 1 + inner.cost * self._page(node, definition))
        return Measure(inner.depth + 1, cost, introspects or inner.introspects)

    def _fragment(self, name: str) -> Measure:
        if name in self._measured:
            return self._measured[name]
        node = self._fragments.get(name)
        if name in self._open:
            raise BadUserInput(
                f"The fragment '{name[:80]}' contains itself.", hint="Spread it where its fields are wanted, once."
            )
        if node is None:
            return Measure()  # an unknown fragment is refused by validation, with a location
        self._open.add(name)
        _refuse_directives(len(node.directives or ()))
        measure = self._level(node.selection_set, self._composite(node.type_condition.name.value))
        self._open.discard(name)
        self._measured[name] = measure
        return measure

    def _composite(self, name: str) -> GraphQLCompositeType | None:
        found = self._schema.get_type(name)
        return found if is_composite_type(found) else None

    def _definition(self, name: str, parent: GraphQLCompositeType | None) -> GraphQLField | None:
        if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            found = parent.fields.get(name)
            if found is None and parent is self._schema.query_type:
                return self._schema.get_field(parent, name)
            return found
        return None

    def _page(self, node: FieldNode, definition: GraphQLField | None) -> int:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        sizes = [
            size
            for name in ("first", "last", "ids")
            if name in given and (size := self._size(given[name], many=name == "ids")) is not None
        ]
        if sizes:
            return max(1, *sizes)
        paged = definition is not None and ("first" in definition.args or "last" in definition.args)
        return _default_page(definition) if paged and definition else 1

    def _size(self, value: ValueNode, *, many: bool) -> int | None:
        """Return how many items an argument asks for; None when it is null or its variable was left out."""
        if isinstance(value, VariableNode):
            name = value.name.value
            self.consulted.add(name)
            if name in self._variables:
                return _sent_size(self._variables[name], many=many)
            default = self._defaults.get(name)
            return None if default is None else self._size(default, many=many)
        if isinstance(value, NullValueNode):
            return None
        if many:
            return len(value.values) if isinstance(value, ListValueNode) else 1
        if isinstance(value, IntValueNode):
            return PAGE_CAP if len(value.value) > _LONGEST_INT else min(PAGE_CAP, int(value.value))
        return PAGE_CAP


def _sent_size(sent: object, *, many: bool) -> int | None:
    if sent is None:
        return None
    if many:
        return len(cast("list[object]", sent)) if isinstance(sent, list) else 1
    return min(PAGE_CAP, sent) if isinstance(sent, int) else PAGE_CAP


def _default_page(definition: GraphQLField) -> int:
    for name in ("first", "last"):
        argument = definition.args.get(name)
        if argument is not None and isinstance(argument.default_value, int):
            return max(1, min(PAGE_CAP, argument.default_value))
    return UNSTATED_PAGE


def _refuse_directives(count: int) -> None:
    if count > MAX_DIRECTIVES:
        raise LimitExceeded(
            f"One level of the document carries {count} directives; {MAX_DIRECTIVES} are allowed.",
            hint="Put @include or @skip on a fragment that holds the fields, instead of on each field.",
        )
