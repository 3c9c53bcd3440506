"""How plans are made: a selection is read, as graphql-core collects it, into how its objects are completed."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any, Final, cast

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    is_leaf_type,
)
from strawberry.types.field import StrawberryField

from schema.arguments import Arguments, arguments
from schema.plans import ATTRIBUTE, Branch, Convert, Later, Leaf, Part, Plan, Together, Unsure, integer, selected_in

SubFields = Callable[[GraphQLObjectType, Any], Mapping[str, Any]]
"""Collects the fields selected in an object of a type, as graphql-core does."""

_DEFINITION: Final = "strawberry-definition"


class Plans:
    """The plans of one document, by type and selection, each made when first asked for.

    The selections (`details`) are told apart by identity: whoever keeps the plans keeps the selections too.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._made: dict[tuple[str, int], Mapping[type, Plan] | None] = {}

    def of(self, named: GraphQLNamedType, details: Any, sub_fields: SubFields) -> Mapping[type, Plan] | None:
        """Return the plans for the values of an object or interface type, by class; None where there is none."""
        key = (named.name, id(details))
        if key not in self._made:
            self._made[key] = _Making(self, sub_fields).plans(_possible(self._schema, named), details)
        return self._made[key]

    def made(self, named: GraphQLNamedType, details: Any) -> Mapping[type, Plan] | None:
        """Return the plans that were made before."""
        return self._made.get((named.name, id(details)))

    def is_settled(self, named: GraphQLNamedType, details: Any) -> bool:
        """Tell whether it is known that there are plans, or none."""
        return (named.name, id(details)) in self._made

    def arguments(self, declared: GraphQLField, field: StrawberryField, details: Any) -> Arguments | None:
        """Return how the arguments of a selected field are read."""
        return arguments(self._schema, declared, field, details)


@dataclass(frozen=True, slots=True)
class _Making:
    """The making of plans, with what collects the fields of a selection."""

    known: Plans
    sub_fields: SubFields

    def plans(self, types: Sequence[GraphQLObjectType], details: Any) -> Mapping[type, Plan] | None:
        """Return a plan for each of these types."""
        found: dict[type, Plan] = {}
        for one in types:
            origins = _origins(one)
            plan = self._make(one, self.sub_fields(one, details)) if origins else None
            if plan is None:
                return None
            found |= dict.fromkeys(origins, plan)
        return found or None

    def _make(self, parent: GraphQLObjectType, selected: Mapping[str, Any]) -> Plan | None:
        constants: list[str] = []
        leaves: dict[str, Part] = {}
        parts: dict[str, Part] = {}
        fields: set[str] = set()
        for name, details in selected.items():
            field_name = details[0].node.name.value
            if field_name == "__typename":
                constants.append(name)
                continue
            part = self._part(name, parent.fields.get(field_name), details)
            if part is None:
                return None
            fields.add(field_name)
            fields.update(f"{field_name}.{one}" for one in part.below)
            is_plain = part.attribute is not None and isinstance(part.shape, Leaf) and not part.leaf_list
            (leaves if is_plain else parts)[name] = part
        places = {name: n for n, name in enumerate((*leaves, *parts, *constants))}
        return Plan(
            tuple(selected),
            tuple(places[name] for name in selected),
            tuple(cast("Leaf", part.shape) for part in leaves.values()),
            _reader([cast("str", part.attribute) for part in leaves.values()]),
            tuple(parts.values()),
            tuple(parent.name for _ in constants),
            any(part.is_awaited for part in parts.values()),
            frozenset(fields),
        )

    def _part(self, name: str, field: GraphQLField | None, details: Any) -> Part | None:
        known: object = None if field is None else field.extensions.get(_DEFINITION)
        if field is None or not isinstance(known, StrawberryField) or known.extensions:
            return None
        shape, leaf_list = self._shape(cast("Any", field).type, details)
        if shape is None:
            return None
        required = _unwrapped(cast("Any", field).type)[1]
        below = selected_in(shape.plans) if isinstance(shape, Branch) else frozenset[str]()
        if field.args:
            taking, later = self.known.arguments(field, known, details), awaited(known)
            made = Part(name, None, None, None, shape, leaf_list, later, required, taking, below)
            return None if taking is None or later is None else made
        if known.is_basic_field:
            return Part(name, known.python_name, None, None, shape, leaf_list, list_required=required, below=below)
        method, many, later = _answering(known)
        if method is None and many is None and later is None:
            return None
        return Part(name, None, method, many, shape, leaf_list, later, required, below=below)

    def _shape(self, of: Any, details: Any) -> tuple[Leaf | Branch | None, bool]:
        """Return how values of a type are completed, and whether they are lists of scalars."""
        inner, required = _unwrapped(of)
        is_list = inner.__class__ is GraphQLList
        item_required = True
        if is_list:
            inner, item_required = _unwrapped(inner.of_type)
        if is_leaf_type(inner):
            return _leaf(inner, required=item_required if is_list else required), is_list
        if not isinstance(inner, GraphQLObjectType | GraphQLInterfaceType) or not item_required:
            return None, False
        plans = self.known.of(inner, details, self.sub_fields)
        return (None if plans is None else Branch(plans, required, is_list)), False


def _answering(field: StrawberryField) -> tuple[Callable[[Any], Any] | None, Together | None, Later | None]:
    """Return what answers a field: a method of the object alone, or one for many objects, or one that is awaited."""
    resolver = cast("Any", field).base_resolver
    if resolver is None:
        return None, None, None
    function: Any = resolver.wrapped_func
    many: Together | None = getattr(function, ATTRIBUTE, None)
    if many is not None:
        return None, many, None
    given = tuple(inspect.signature(function).parameters)
    if resolver.is_async:
        return None, None, function if given == ("self", "info") else None
    return (function if given == ("self",) else None), None, None


def awaited(field: StrawberryField) -> Later | None:
    """Return the method that answers a field, if it is awaited and is given the object, what asks, and arguments."""
    resolver = cast("Any", field).base_resolver
    if resolver is None or not resolver.is_async or hasattr(resolver.wrapped_func, ATTRIBUTE):
        return None
    given = tuple(inspect.signature(resolver.wrapped_func).parameters)
    return resolver.wrapped_func if given[:2] == ("self", "info") else None


def _unwrapped(of: Any) -> tuple[Any, bool]:
    return (of.of_type, True) if of.__class__ is GraphQLNonNull else (of, False)


def _possible(schema: GraphQLSchema, named: GraphQLNamedType) -> list[GraphQLObjectType]:
    if isinstance(named, GraphQLObjectType):
        return [named]
    return list(schema.get_possible_types(named)) if isinstance(named, GraphQLInterfaceType) else []


def _origins(named: GraphQLObjectType) -> list[type]:
    """Return the classes whose instances are of this type, if nothing else decides that.

    Of a generic type that is its own class too: what is made of it does not say of which of its types it is.
    """
    definition = named.extensions.get(_DEFINITION)
    if definition is None or definition.is_type_of is not None:
        return []
    return (
        [definition.origin, *definition.origin.__bases__] if definition.concrete_of is not None else [definition.origin]
    )


def _reader(attributes: Sequence[str]) -> Callable[[Any], Any]:
    """Return what reads these attributes of an object into a tuple."""
    if len(attributes) > 1:
        return attrgetter(*attributes)
    if attributes:
        only = attrgetter(attributes[0])
        return lambda value: (only(value),)
    return lambda _value: ()


def _leaf(of: GraphQLLeafType, *, required: bool) -> Leaf:
    if of is GraphQLString or of.name == "ID":
        return Leaf(str, _checked(of), required)
    if of is GraphQLBoolean:
        return Leaf(bool, _checked(of), required)
    if of is GraphQLInt:
        return Leaf(None, integer, required)
    if isinstance(of, GraphQLEnumType):
        return _word(of, required=required)
    return Leaf(None, _checked(of), required, each=of.coerce_output_value)


def _checked(of: GraphQLLeafType) -> Convert:
    coerce = of.coerce_output_value

    def convert(value: Any) -> Any:
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise Unsure
        return coerced

    return convert


def _word(of: GraphQLEnumType, *, required: bool) -> Leaf:
    """Complete members of enums once: there are few, and each looks through all names."""
    convert = _checked(of)
    known: dict[int, Any] = {} if required else {id(None): None}
    kept: list[Enum] = []  # so that no other object ever has the id of one of them

    def converted(value: Any) -> Any:
        done = convert(value)
        if isinstance(value, Enum) and id(value) not in known:
            kept.append(value)
            known[id(value)] = done
        return done

    return Leaf(None, converted, required, known)
