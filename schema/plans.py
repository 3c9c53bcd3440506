"""Plans: how the rows of a list, or one object, are completed together instead of field by field.

graphql-core asks every field of every object on its own, which costs 6 to 7 µs for a plain attribute and far more for
one that is awaited (performance.md). Where a selection holds nothing but plain attributes, methods of the object
alone, and fields that answer for many objects at once (`together`), it is read into a plan, and the plan completes all
objects of a level in one go. Whatever a plan is not sure of, it leaves to graphql-core: it raises `Unsure`, and the
same selection is executed again as usual, so that values, nulls, errors and their paths are graphql-core's own.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from operator import attrgetter
from typing import Any, Final, TypeVar, cast

from graphql import (
    FieldNode,
    GraphQLBoolean,
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

F = TypeVar("F", bound=Callable[..., Any])

Values = Sequence[Any]
Convert = Callable[[Any], Any]
Later = Callable[..., Awaitable[Any]]
Together = Callable[[Any, Values], Awaitable[Values]]
"""Answers one field for many objects: the operation's context and the objects in, one value for each out."""

SubFields = Callable[[GraphQLObjectType, Any], Mapping[str, Any]]
"""Collects the fields selected in an object of a type, as graphql-core does."""

ATTRIBUTE: Final = "__together__"
_DEFINITION: Final = "strawberry-definition"
_LARGEST_INT: Final = 2**31 - 1
_NOTHING: Final = type(None)


class Unsure(Exception):  # noqa: N818 - no error: graphql-core takes over
    """A value is not of the kind that the plan was made for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a resolver may know of the operation that asks, in place of Strawberry's `Info`."""

    context: Any
    variables: Any = None
    """The variables, as graphql-core coerced them."""
    nodes: Sequence[FieldNode] = ()
    """Where the field is selected."""


def together(many: Together) -> Callable[[F], F]:
    """Let `many` answer the field for all objects of a level at once; one by one, the method itself answers."""

    def mark(method: F) -> F:
        setattr(method, ATTRIBUTE, many)
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Leaf:
    """How a scalar or enum value is completed: values of class `plain` as they are, others by `convert`."""

    plain: type | None
    convert: Convert
    required: bool

    def complete(self, value: Any) -> Any:
        """Return the value as it is encoded."""
        if value is None:
            if self.required:
                raise Unsure
            return None
        return value if value.__class__ is self.plain else self.convert(value)

    def column(self, values: Values) -> Values:
        """Return the values of many objects as they are encoded."""
        kinds = set(map(type, values))
        if kinds == {self.plain} or (kinds == {_NOTHING} and not self.required):
            return values
        if kinds == {int} and self.convert is _integer and _fit(values):
            return values
        return list(map(self.complete, values))


def _fit(numbers: Values) -> bool:
    return min(numbers) >= -_LARGEST_INT and max(numbers) <= _LARGEST_INT


@dataclass(frozen=True, slots=True)
class Branch:
    """How an object value is completed: by the plan for its class; `item_required` is of the items of a list."""

    plans: Mapping[type, "Plan"]
    required: bool
    is_list: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One selected field that is more than a plain scalar attribute: from where its value comes, and its completion."""

    name: str
    attribute: str | None
    method: Callable[[Any], Any] | None
    many: Together | None
    shape: Leaf | Branch
    leaf_list: bool = False
    later: Later | None = None
    list_required: bool = True
    arguments: Arguments | None = None
    nodes: Sequence[FieldNode] = ()

    @property
    def is_awaited(self) -> bool:
        """Whether the values of the field, or what is inside of them, must be awaited."""
        inside = isinstance(self.shape, Branch) and any(plan.is_async for plan in self.shape.plans.values())
        return inside or self.many is not None or self.later is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """How objects of one type are completed for one selection."""

    template: dict[str, Any]
    names: tuple[str, ...]
    leaves: tuple[Leaf, ...]
    read: Callable[[Any], Any]
    parts: tuple[Part, ...]
    is_async: bool


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
        template: dict[str, Any] = {}
        names: list[str] = []
        leaves: list[Leaf] = []
        attributes: list[str] = []
        parts: list[Part] = []
        for name, details in selected.items():
            field_name = details[0].node.name.value
            template[name] = parent.name if field_name == "__typename" else None
            if field_name == "__typename":
                continue
            part = self._part(name, parent.fields.get(field_name), details)
            if part is None:
                return None
            if part.attribute is not None and isinstance(part.shape, Leaf) and not part.leaf_list:
                names.append(name)
                leaves.append(part.shape)
                attributes.append(part.attribute)
            else:
                parts.append(part)
        is_async = any(part.is_awaited for part in parts)
        return Plan(template, tuple(names), tuple(leaves), _reader(attributes), tuple(parts), is_async)

    def _part(self, name: str, field: GraphQLField | None, details: Any) -> Part | None:
        known: object = None if field is None else field.extensions.get(_DEFINITION)
        if field is None or not isinstance(known, StrawberryField) or known.extensions:
            return None
        shape, leaf_list = self._shape(cast("Any", field).type, details)
        if shape is None:
            return None
        required = _unwrapped(cast("Any", field).type)[1]
        if field.args:
            taking, later = self.known.arguments(field, known, details), awaited(known)
            nodes = tuple(one.node for one in details)
            made = Part(name, None, None, None, shape, leaf_list, later, required, taking, nodes)
            return None if taking is None or later is None else made
        if known.is_basic_field:
            return Part(name, known.python_name, None, None, shape, leaf_list, list_required=required)
        method, many, later = _answering(known)
        if method is None and many is None and later is None:
            return None
        nodes = tuple(one.node for one in details)
        return Part(name, None, method, many, shape, leaf_list, later, required, nodes=nodes)

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


def _is_async(shape: Leaf | Branch) -> bool:
    return isinstance(shape, Branch) and any(plan.is_async for plan in shape.plans.values())


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
        [definition.origin, *definition.origin.__bases__]
        if definition.specialized_type_var_map
        else [definition.origin]
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
        return Leaf(None, _integer, required)
    return Leaf(None, _remembering(_checked(of)), required)


def _integer(value: Any) -> Any:
    if value.__class__ is int and -_LARGEST_INT <= value <= _LARGEST_INT:
        return value
    raise Unsure


def _checked(of: GraphQLLeafType) -> Convert:
    coerce = of.coerce_output_value

    def convert(value: Any) -> Any:
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise Unsure
        return coerced

    return convert


def _remembering(convert: Convert) -> Convert:
    """Convert members of enums once: there are few, and each looks through all names."""
    known: dict[int, tuple[Enum, Any]] = {}

    def converted(value: Any) -> Any:
        found = known.get(id(value))
        if found is not None and found[0] is value:
            return found[1]
        if not isinstance(value, Enum):
            return convert(value)
        known[id(value)] = value, convert(value)
        return known[id(value)][1]

    return converted


def complete(plans: Mapping[type, Plan], values: Values) -> list[dict[str, Any]]:
    """Complete objects whose plans await nothing; raises `Unsure`, or whatever an attribute raises."""
    if len(plans) > 1 and len({value.__class__ for value in values}) > 1:
        return [complete(plans, (value,))[0] for value in values]
    plan, rows = _begun(plans, values)
    for part in plan.parts if values else ():
        _fill(part, rows, _values(part, values), complete)
    return rows


async def complete_later(plans: Mapping[type, Plan], values: Values, asked: Asked) -> list[dict[str, Any]]:
    """Complete objects of which some fields are answered together, level by level."""
    if len(plans) > 1 and len({value.__class__ for value in values}) > 1:
        return [(await complete_later(plans, (value,), asked))[0] for value in values]
    plan, rows = _begun(plans, values)
    for part in plan.parts if values else ():
        found = await _values_later(part, values, asked)
        if not _is_async(part.shape):
            _fill(part, rows, found, complete)
            continue
        branch = cast("Branch", part.shape)
        flat = _flat(branch, found)
        _fill(part, rows, found, partial(_given, await complete_later(branch.plans, flat, asked)))
    return rows


def _given(completed: list[dict[str, Any]], _plans: Mapping[type, Plan], _values: Values) -> list[dict[str, Any]]:
    return completed


def _begun(plans: Mapping[type, Plan], values: Values) -> tuple[Plan, list[dict[str, Any]]]:
    """Return the plan of values of one class, and their rows with the plain scalars filled in, column by column."""
    plan = plans.get(values[0].__class__) if values else next(iter(plans.values()))
    if plan is None or len({value.__class__ for value in values}) > 1:
        raise Unsure
    template, leaves = plan.template, plan.leaves
    rows = [template.copy() for _ in values]
    if leaves and rows:
        columns = zip(*map(plan.read, values), strict=True)
        done = [leaf.column(found) for leaf, found in zip(leaves, columns, strict=True)]
        for row, completed in zip(rows, zip(*done, strict=True), strict=True):
            row.update(zip(plan.names, completed, strict=True))
    return plan, rows


async def _values_later(part: Part, values: Values, asked: Asked) -> Values:
    if part.many is not None:
        return await part.many(asked.context, values)
    if part.later is None:
        return _values(part, values)
    here = Asked(asked.context, asked.variables, part.nodes)
    given: dict[str, Any] = {} if part.arguments is None else part.arguments.given(asked.variables)
    if len(values) == 1:
        return [await part.later(values[0], here, **given)]
    found = await asyncio.gather(*(part.later(value, here, **given) for value in values), return_exceptions=True)
    failure = next((one for one in found if isinstance(one, BaseException)), None)
    if failure is not None:
        raise failure
    return found


def _values(part: Part, values: Values) -> Values:
    if part.method is not None:
        return [part.method(value) for value in values]
    name = cast("str", part.attribute)
    return [getattr(value, name) for value in values]


def _fill(part: Part, rows: list[dict[str, Any]], found: Values, complete_all: Callable[..., Any]) -> None:
    """Put the completed values of one field into their rows."""
    shape, name = part.shape, part.name
    if len(found) != len(rows):
        raise Unsure
    if isinstance(shape, Leaf):
        done = [_listed(shape, value, part) for value in found] if part.leaf_list else shape.column(found)
        for row, value in zip(rows, done, strict=True):
            row[name] = value
        return
    completed = iter(complete_all(shape.plans, _flat(shape, found)))
    for row, value in zip(rows, found, strict=True):
        if value is None:
            row[name] = None
        elif shape.is_list:
            row[name] = [next(completed) for _ in value]
        else:
            row[name] = next(completed)


def _listed(leaf: Leaf, values: Any, part: Part) -> list[Any] | None:
    if values is None and not part.list_required:
        return None
    if values.__class__ is not list:
        raise Unsure
    return [leaf.complete(one) for one in cast("list[Any]", values)]


def _flat(branch: Branch, found: Values) -> list[Any]:
    """Return the objects in the values of one field, in order."""
    flat: list[Any] = []
    for value in found:
        if value is None:
            if branch.required:
                raise Unsure
        elif not branch.is_list:
            flat.append(value)
        elif value.__class__ is list:
            flat.extend(value)
        else:
            raise Unsure
    return flat
