"""Execution by plans where there is one (`schema.plans`), by graphql-core everywhere else.

What graphql-core collects of a document (which fields are selected in which type) is the same for every request that
sends it, unless a directive decides; so that too is kept beside the document, and the plans with it.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Final, cast

from graphql import (
    DirectiveNode,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    Visitor,
    visit,
)

from schema.plans import Asked, Plan, Values, complete, complete_later
from schema.plans_making import Plans
from schema.sharing import SharingExecutor

_COMPOSITE: Final = (GraphQLObjectType, GraphQLInterfaceType)
KEPT: Final = 256
"""How many operations' shapes are kept."""


class Shape:
    """What was collected and planned for one operation; it holds for every request, if `is_constant`."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Sequence[Node]) -> None:
        finder = _DirectiveFinder()
        for node in (operation, *fragments):
            visit(node, finder)
        self.operation = operation
        self.is_constant = not finder.found
        self.root: Any = None
        self.sub_fields: dict[Any, Any] = {}
        self.plans = Plans(schema)
        self.straight: Any = None
        """The operation's straight way, if it has one (`schema.straight`, `schema.straight_queries`)."""
        self.is_settled = False
        """Whether it is known that it has one, or none."""


class _DirectiveFinder(Visitor):
    """Finds out whether a document holds any directive."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_directive(self, _node: DirectiveNode, *_args: object) -> None:
        self.found = True


_shapes: OrderedDict[int, Shape] = OrderedDict()


def _shape_of(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Sequence[Node]) -> Shape:
    """Return the shape of an operation; the node is held with it, so that its id stays its own."""
    shape = _shapes.get(id(operation))
    if shape is None:
        shape = Shape(schema, operation, fragments)
        if shape.is_constant:
            _shapes[id(operation)] = shape
        if len(_shapes) > KEPT:
            _shapes.popitem(last=False)
    else:
        _shapes.move_to_end(id(operation))
    return shape


def known_shape(operation: OperationDefinitionNode) -> Shape | None:
    """Return the shape of an operation that was executed lately and in which no directive decides anything."""
    shape = _shapes.get(id(operation))
    if shape is None or shape.operation is not operation:
        return None
    _shapes.move_to_end(id(operation))
    return shape


class PlanningExecutor(SharingExecutor):
    """Completes objects by plans."""

    planning = True
    """Tests switch it off, to compare every answer with graphql-core's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shape = _shape_of(self.schema, self.operation, list(self.fragment_definitions.values()))
        if self._shape.is_constant:
            self._relevant_sub_fields = self._shape.sub_fields

    def execute_root_grouped_field_set(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: Any,
        serially: bool,  # noqa: FBT001 - graphql-core's signature
        position_context: Any,
    ) -> Any:
        """Execute the root fields, as they were collected when the document was first executed."""
        if self._shape.is_constant:
            if self._shape.root is None:
                self._shape.root = grouped_field_set
            grouped_field_set = self._shape.root
        return super().execute_root_grouped_field_set(
            root_type, root_value, grouped_field_set, serially, position_context
        )

    def complete_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        """Complete a value by plan if it is an object or a list of objects."""
        asked = (return_type, field_details_list, info, path, result, position_context)
        inner, is_list = unwrapped(return_type)
        plans = None
        if inner.__class__ in _COMPOSITE and self.planning and (result.__class__ is list or not is_list):
            plans = self._shape.plans.of(inner, field_details_list, self._selected)
        values = result if is_list else (result,)
        if plans is None or any(value.__class__ not in plans for value in values):
            return cast("Any", super()).complete_value(*asked)
        if any(plan.is_async for plan in plans.values()):
            return self._later(plans, asked, values, is_list=is_list)
        try:
            rows = complete(plans, values)
        except Exception:  # noqa: BLE001 - whatever it is, graphql-core meets it again and says where
            rows = None
        if rows is None:
            return self._as_usual(asked)
        return rows if is_list else rows[0]

    async def _later(self, plans: Mapping[type, Plan], asked: Any, values: Values, *, is_list: bool) -> Any:
        try:
            rows = await complete_later(plans, values, Asked(self.context_value, self.variable_values))
        except Exception:  # noqa: BLE001 - as in `complete_value`
            rows = None
        if rows is None:
            completed = self._as_usual(asked)
            return await completed if cast("Any", self).is_awaitable(completed) else completed
        return rows if is_list else rows[0]

    def _as_usual(self, asked: Any) -> Any:
        """Complete a value, and all that is inside of it, without plans; the errors are collected where all are."""
        usual = copy(self)
        usual.planning = False
        return cast("Any", usual).complete_value(*asked)

    def _selected(self, named: GraphQLObjectType, details: Any) -> Mapping[str, Any]:
        return cast("Any", self.collect_subfields(named, details))[0]


def unwrapped(of: Any) -> tuple[Any, bool]:
    """Return the type inside of non-null and list, and whether there is a list; a list of lists stays one."""
    if of.__class__ is GraphQLNonNull:
        of = of.of_type
    if of.__class__ is not GraphQLList:
        return of, False
    of = of.of_type
    return (of.of_type if of.__class__ is GraphQLNonNull else of), True
