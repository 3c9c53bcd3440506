"""The straight way of a query: its root fields' resolvers, and plans for what they answer, without an executor.

It is open to a document that was executed before, in which no directive decides anything, and of which every root field
is answered by plans. The resolvers are the same, and so are their arguments. Where anything is not as it should be (a
variable, an error, a value that a plan is not sure of), graphql-core executes the operation: a query may be read twice.
A way on which a plan was not sure is not taken again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    get_variable_values,
)
from strawberry.types.field import StrawberryField

from resolvers.context import Context
from schema.arguments import Arguments
from schema.executor import PlanningExecutor, Shape, known_shape, unwrapped
from schema.inputs import Unreadable
from schema.plans import Asked, Plan, Unsure, complete, complete_later, selected_in
from schema.plans_making import awaited


@dataclass(frozen=True, slots=True)
class Root:
    """How one root field is answered."""

    arguments: Arguments
    resolve: Callable[..., Awaitable[Any]]
    plans: Mapping[type, Plan]
    is_list: bool
    required: bool
    is_async: bool
    below: frozenset[str]

    async def answer(self, context: Context, variables: Any) -> Any:
        """Return the field of the answer; raises `Unsure`, or whatever the resolver or an attribute raises."""
        asked = Asked(context, variables, self.below)
        value = await self.resolve(None, asked, **self.arguments.given(variables))
        if value is None:
            if self.required:
                raise Unsure
            return None
        if self.is_list and value.__class__ is not list:
            raise Unsure
        values = value if self.is_list else (value,)
        rows = await complete_later(self.plans, values, asked) if self.is_async else complete(self.plans, values)
        return rows if self.is_list else rows[0]


@dataclass(frozen=True, slots=True)
class StraightQuery:
    """How one operation is executed."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    shape: Shape
    roots: Mapping[str, Root]

    async def execute(self, given: Mapping[str, Any] | None, context: Context) -> dict[str, Any] | None:
        """Return the data of the answer; None where graphql-core has to execute it."""
        variables = get_variable_values(self.schema, self.operation.variable_definitions or (), dict(given or {}))
        if isinstance(variables, list):
            return None
        if len(self.roots) == 1:
            (root,) = self.roots.values()
            found = [await _settled(root.answer(context, variables))]
        else:
            found = await asyncio.gather(*(_settled(root.answer(context, variables)) for root in self.roots.values()))
        failure = next((one for one in found if isinstance(one, Exception)), None)
        if isinstance(failure, Unsure):
            self.shape.straight = None
        return None if failure else dict(zip(self.roots, found, strict=True))


async def _settled(answer: Awaitable[Any]) -> Any:
    """Return an answer, or why there is none: graphql-core meets it again, and says where."""
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error


def straight_query(schema: GraphQLSchema, operation: OperationDefinitionNode) -> StraightQuery | None:
    """Return the straight way of a query that was executed before; None where there is none, or none yet."""
    shape = known_shape(operation)
    if shape is None or shape.root is None or not PlanningExecutor.planning:
        return None
    if not shape.is_settled:
        try:
            roots = _roots(schema, shape)
        except Unreadable:
            roots, shape.is_settled = None, True
        if roots is not None:
            shape.straight, shape.is_settled = StraightQuery(schema, operation, shape, roots), True
    return shape.straight


def _roots(schema: GraphQLSchema, shape: Shape) -> Mapping[str, Root] | None:
    """Make the root fields' ways; None where a plan is not made yet; raises `Unreadable` where there is no way."""
    roots: dict[str, Root] = {}
    for name, details in shape.root.items():
        declared: Any = cast("Any", schema.query_type).fields.get(details[0].node.name.value)
        field, resolve = _asking(declared)
        taking = shape.plans.arguments(declared, field, details)
        inner, is_list = unwrapped(declared.type)
        if taking is None:
            raise Unreadable
        if not shape.plans.is_settled(inner, details):
            return None
        plans = shape.plans.made(inner, details)
        if plans is None:
            raise Unreadable
        required, is_async = declared.type.__class__ is GraphQLNonNull, any(one.is_async for one in plans.values())
        roots[name] = Root(taking, resolve, plans, is_list, required, is_async, selected_in(plans))
    return roots


def _asking(declared: Any) -> tuple[StrawberryField, Callable[..., Awaitable[Any]]]:
    """Return a root field that asks for nothing but plans, and what answers it."""
    known: Any = None if declared is None else declared.extensions.get("strawberry-definition")
    resolve = None if not isinstance(known, StrawberryField) or known.extensions else awaited(known)
    if resolve is None:
        raise Unreadable
    return known, resolve
