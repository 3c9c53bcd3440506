"""The arguments of a field in one document: read from a request's variables, as the field's resolver takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import FieldNode, GraphQLField, GraphQLSchema, get_argument_values
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField


@dataclass(frozen=True, slots=True)
class Arguments:
    """How the arguments of a field are read; a field that has none is given none."""

    declared: GraphQLField
    node: FieldNode
    field: StrawberryField
    config: Any
    scalars: Mapping[object, Any]

    def given(self, variables: Any) -> dict[str, Any]:
        """Return the keyword arguments for these variables, as graphql-core coerced them; raises where they refuse."""
        if not self.declared.args:
            return {}
        plain = get_argument_values(self.declared, self.node, variables)
        return convert_arguments(plain, self.field.arguments, scalar_registry=self.scalars, config=self.config)


def arguments(schema: GraphQLSchema, declared: GraphQLField, field: StrawberryField, details: Any) -> Arguments | None:
    """Return how the arguments of a selected field are read; None where they follow from a fragment's variables."""
    if any(one.fragment_variable_values is not None for one in details):
        return None
    of = cast("Any", schema)._strawberry_schema  # noqa: SLF001 - Strawberry's own way from the one to the other
    return Arguments(declared, details[0].node, field, of.config, of.schema_converter.scalar_registry)
