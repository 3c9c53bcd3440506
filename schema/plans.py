"""Plans: how the rows of a list, or one object, are completed together instead of field by field.

graphql-core asks every field of every object on its own, which costs 6 to 7 µs for a plain attribute and far more for
one that is awaited (performance.md). Where a selection holds nothing but plain attributes, methods of the object
alone, and fields that answer for many objects at once (`together`), it is read into a plan, and the plan completes all
objects of a level in one go. Whatever a plan is not sure of, it leaves to graphql-core: it raises `Unsure`, and the
same selection is executed again as usual, so that values, nulls, errors and their paths are graphql-core's own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar, cast

from schema.arguments import Arguments

F = TypeVar("F", bound=Callable[..., Any])

Values = Sequence[Any]
Convert = Callable[[Any], Any]
Later = Callable[..., Awaitable[Any]]
Together = Callable[[Any, Values], Awaitable[Values]]
"""Answers one field for many objects: the operation's context and the objects in, one value for each out."""

ATTRIBUTE: Final = "__together__"
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
    below: frozenset[str] | None = None
    """All fields that are selected below it, fragments and all, each as its path; None where that is not known."""


def together(many: Together) -> Callable[[F], F]:
    """Let `many` answer the field for all objects of a level at once; one by one, the method itself answers."""

    def mark(method: F) -> F:
        setattr(method, ATTRIBUTE, many)
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Leaf:
    """How a scalar or enum value is completed: values of class `plain` as they are, others by `convert`.

    `known` are values that were completed before, by identity; whoever fills it keeps them alive. `each` is what the
    scalar's own type does with a value, where that gives text.
    """

    plain: type | None
    convert: Convert
    required: bool
    known: Mapping[int, Any] | None = None
    each: Convert | None = None

    def complete(self, value: Any) -> Any:
        """Return the value as it is encoded."""
        if value is None:
            if self.required:
                raise Unsure
            return None
        return value if value.__class__ is self.plain else self.convert(value)

    def column(self, values: Values) -> Values:
        """Return the values of many objects as they are encoded."""
        if self.known is not None:
            try:
                return list(map(self.known.__getitem__, map(id, values)))
            except KeyError:
                return list(map(self.complete, values))
        kinds = set(map(type, values))
        if kinds == {self.plain} or (kinds == {_NOTHING} and not self.required):
            return values
        if kinds == {int} and self.convert is integer and _fit(values):
            return values
        if self.each is not None and _NOTHING not in kinds:
            done = list(map(self.each, values))
            if set(map(type, done)) == {str}:
                return done
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
    below: frozenset[str] = frozenset()
    """The fields that are selected below this one, each as its path."""

    @property
    def is_awaited(self) -> bool:
        """Whether the values of the field, or what is inside of them, must be awaited."""
        inside = isinstance(self.shape, Branch) and any(plan.is_async for plan in self.shape.plans.values())
        return inside or self.many is not None or self.later is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """How objects of one type are completed for one selection."""

    names: tuple[str, ...]
    places: tuple[int, ...]
    """Where the values of each name lie among those of the leaves, of the parts, and the constants."""
    leaves: tuple[Leaf, ...]
    read: Callable[[Any], Any]
    parts: tuple[Part, ...]
    constants: tuple[str, ...]
    is_async: bool
    selected: frozenset[str]
    """The selected fields and all below them, each as its path."""


def selected_in(plans: Mapping[type, Plan]) -> frozenset[str]:
    """Return the fields that are selected in objects of these plans, each as its path."""
    return frozenset[str]().union(*(plan.selected for plan in plans.values()))


def _is_async(shape: Leaf | Branch) -> bool:
    return isinstance(shape, Branch) and any(plan.is_async for plan in shape.plans.values())


def integer(value: Any) -> Any:
    """Return a whole number that GraphQL's Int can hold."""
    if value.__class__ is int and -_LARGEST_INT <= value <= _LARGEST_INT:
        return value
    raise Unsure


def complete(plans: Mapping[type, Plan], values: Values) -> list[dict[str, Any]]:
    """Complete objects whose plans await nothing; raises `Unsure`, or whatever an attribute raises."""
    if not values:
        return []
    if len(plans) > 1 and len({value.__class__ for value in values}) > 1:
        return [complete(plans, (value,))[0] for value in values]
    plan = _plan_of(plans, values)
    columns = _leaf_columns(plan, values)
    columns += [_column(part, _values(part, values), complete) for part in plan.parts]
    return _rows(plan, columns, len(values))


async def complete_later(plans: Mapping[type, Plan], values: Values, asked: Asked) -> list[dict[str, Any]]:
    """Complete objects of which some fields are answered together, level by level."""
    if not values:
        return []
    if len(plans) > 1 and len({value.__class__ for value in values}) > 1:
        return [(await complete_later(plans, (value,), asked))[0] for value in values]
    plan = _plan_of(plans, values)
    columns = _leaf_columns(plan, values)
    for part in plan.parts:
        found = await _values_later(part, values, asked)
        if len(found) != len(values):
            raise Unsure
        if _is_async(part.shape):
            branch = cast("Branch", part.shape)
            within = partial(_given, await complete_later(branch.plans, _flat(branch, found), asked))
        else:
            within = complete
        columns.append(_column(part, found, within))
    return _rows(plan, columns, len(values))


def _given(completed: list[dict[str, Any]], _plans: Mapping[type, Plan], _values: Values) -> list[dict[str, Any]]:
    return completed


def _plan_of(plans: Mapping[type, Plan], values: Values) -> Plan:
    """Return the plan of values of one class."""
    plan = plans.get(values[0].__class__)
    if plan is None or len({value.__class__ for value in values}) > 1:
        raise Unsure
    return plan


def _leaf_columns(plan: Plan, values: Values) -> list[Values]:
    """Return the completed values of the plain scalars, column by column."""
    if not plan.leaves:
        return []
    columns = zip(*map(plan.read, values), strict=True)
    return [leaf.column(found) for leaf, found in zip(plan.leaves, columns, strict=True)]


def _rows(plan: Plan, columns: list[Values], count: int) -> list[dict[str, Any]]:
    """Put completed columns together to rows, in the order in which their fields are selected."""
    columns += [[constant] * count for constant in plan.constants]
    names = plan.names
    return [dict(zip(names, row, strict=True)) for row in zip(*[columns[n] for n in plan.places], strict=True)]


async def _values_later(part: Part, values: Values, asked: Asked) -> Values:
    if part.many is not None:
        return await part.many(asked.context, values)
    if part.later is None:
        return _values(part, values)
    here = Asked(asked.context, asked.variables, part.below)
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


def _column(part: Part, found: Values, complete_all: Callable[..., Any]) -> Values:
    """Return the completed values of one field."""
    shape = part.shape
    if isinstance(shape, Leaf):
        return [_listed(shape, value, part) for value in found] if part.leaf_list else shape.column(found)
    completed = complete_all(shape.plans, _flat(shape, found))
    if not shape.is_list and len(completed) == len(found):
        return completed
    rest = iter(completed)
    if shape.is_list:
        return [None if value is None else [next(rest) for _ in value] for value in found]
    return [None if value is None else next(rest) for value in found]


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
