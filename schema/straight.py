"""The straight way of a mutation: its input by a reader, its payload by a plan, and no field asked for on its own.

It is open to a document that was executed before and holds one field only, which says that it may go `straight` and
whose one argument is the one variable. The act itself is the resolver's, as ever. Where anything is not as it should
be (an error, a payload that the plan is not sure of), what came of the act is kept in the context, and graphql-core
executes the same operation with that: nothing is done twice, and what the client is told is graphql-core's own.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    print_ast,
)
from strawberry.types.field import StrawberryField

from resolvers.access import Access
from resolvers.context import Context, Settled
from schema.access import Guarded
from schema.executor import Shape, known_shape
from schema.inputs import Read, Unreadable, reader
from schema.plans import Asked, Plan, complete


@dataclass(frozen=True, slots=True)
class Straight:
    """How one operation is executed: `name` is that of its field in the answer."""

    name: str
    variable: str
    read: Read
    demand: Access
    resolve: Callable[[Any, Any, Any], Awaitable[Any]]
    plans: Mapping[type, Plan]

    def given(self, variables: Mapping[str, Any] | None) -> Any:
        """Return the argument of the field; None where graphql-core has to look at the variables."""
        if variables is None or len(variables) != 1:
            return None
        try:
            return self.read(variables.get(self.variable))
        except Unreadable:
            return None

    async def execute(self, given: Any, context: Context) -> dict[str, Any] | None:
        """Do the act and return the data of the answer; None where graphql-core has to tell what came of it."""
        payload: Any = None
        try:
            await self.demand.check(context)
            payload = await self.resolve(None, Asked(context), given)
        except Exception as error:  # noqa: BLE001 - graphql-core raises it again, and says where
            context.settled = Settled(None, error)
            return None
        try:
            return {self.name: complete(self.plans, (payload,))[0]}
        except Exception:  # noqa: BLE001 - as in `PlanningExecutor.complete_value`
            context.settled = Settled(payload, None)
            return None


def straight(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Straight | None:
    """Return the straight way of an operation that was executed before; None where there is none, or none yet."""
    shape = known_shape(operation)
    if shape is None or shape.root is None or operation.operation is not OperationType.MUTATION:
        return None
    if not shape.is_settled:
        try:
            shape.straight = _made(schema, operation, shape)
        except Unreadable:
            shape.is_settled = True
    return shape.straight


def _made(schema: GraphQLSchema, operation: OperationDefinitionNode, shape: Shape) -> Straight | None:
    """Make the way; None where the field's plan is not made yet; raises `Unreadable` where there is no way."""
    node, name, details = _only_field(shape)
    field: Any = cast("Any", schema.mutation_type).fields.get(node.name.value)
    guard, function = _acting(field)
    ((argument, declared),) = field.args.items()
    variable = _only_variable(operation, node, argument, str(declared.type))
    plans = shape.plans.made(field.type.of_type, details)
    if plans is None:
        return None
    if any(plan.is_async for plan in plans.values()):
        raise Unreadable
    shape.is_settled = True
    return Straight(name, variable, reader(declared.type), guard.demand, function, plans)


def _acting(field: Any) -> tuple[Guarded, Callable[..., Any]]:
    """Return who is let in at a field that may go straight, and what answers it."""
    if field is None:  # as for `__typename`
        raise Unreadable
    known: Any = field.extensions.get("strawberry-definition")
    if not isinstance(known, StrawberryField) or len(field.args) != 1 or field.type.__class__ is not GraphQLNonNull:
        raise Unreadable
    guard = known.extensions[0] if len(known.extensions) == 1 else None
    if not isinstance(guard, Guarded) or not guard.straight:
        raise Unreadable
    function: Any = cast("Any", known).base_resolver.wrapped_func
    if tuple(inspect.signature(function).parameters)[:2] != ("self", "info"):
        raise Unreadable
    return guard, function


def _only_field(shape: Shape) -> tuple[FieldNode, str, Any]:
    if len(shape.root) != 1:
        raise Unreadable
    ((name, details),) = shape.root.items()
    if len(details) != 1:
        raise Unreadable
    return details[0].node, name, details


def _only_variable(operation: OperationDefinitionNode, node: FieldNode, argument: str, of: str) -> str:
    """Return the name of the operation's one variable, if it is the field's one argument, just as it was sent."""
    declared, given = operation.variable_definitions or (), node.arguments or ()
    if len(declared) != 1 or len(given) != 1:
        raise Unreadable
    variable, value = declared[0], given[0].value
    is_plain = variable.default_value is None and print_ast(variable.type) == of and of.endswith("!")
    if not is_plain or given[0].name.value != argument or not isinstance(value, VariableNode):
        raise Unreadable
    return value.name.value
