"""Closed sets as GraphQL enums, each value with its description."""

from enum import Enum
from typing import Any, TypeVar

import strawberry

E = TypeVar("E", bound=Enum)


def closed_set(values: type[E], name: str, description: str, says: dict[E, str]) -> type[E]:
    """Show a closed set of the domain as an enum whose values are spelt in capitals; every value is described."""
    silent = [value.name for value in values if not says.get(value)]
    if silent:
        raise ValueError(f"{name} has values without a description: {silent}")
    shown = strawberry.enum(values, name=name, description=description)
    definition: Any = getattr(shown, "__strawberry_definition__")  # noqa: B009 - Strawberry adds it to the class
    for value in definition.values:
        value.description = says[values[value.name]]
    return shown
