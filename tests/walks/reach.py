"""Operations made from the schema itself: every field that a root field reaches, and an input for every argument.

A unit is one edge of the type graph, taken by the shortest way from the root, with every leaf below it. Units are
packed into documents that stay within the limits of one request.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_leaf_type,
)

from schema.root import schema

CORE = schema._schema
DEEPEST = 11
MOST_TOKENS = 1200

Step = tuple[str, str]
"""A type and one of its fields."""

Fill = Callable[[str, str], str | None]
"""A GraphQL literal for a named argument or input field of a named type; None for a harmless one."""


def roots(kind: str) -> dict[str, GraphQLField]:
    """The root fields of `query`, `mutation` or `subscription`."""
    root = {"query": CORE.query_type, "mutation": CORE.mutation_type, "subscription": CORE.subscription_type}[kind]
    assert root is not None
    return root.fields


def access(field: GraphQLField) -> tuple[str, str | None]:
    """What the SDL says about who may ask: `public`, `candidate`, `signedIn`, or `requires` with a capability."""
    (directive,) = field.extensions["strawberry-definition"].directives
    return {"Requires": "requires", "SignedIn": "signedIn", "Candidate": "candidate", "Public": "public"}[
        type(directive).__name__
    ], getattr(directive, "capability", None)


def concrete(kind: Any) -> list[GraphQLObjectType]:
    if is_abstract_type(kind):
        return list(CORE.get_possible_types(kind))
    return [kind]


def units(field: GraphQLField) -> Iterator[tuple[tuple[Step, ...], GraphQLObjectType]]:
    """Every edge below a root field: the way to it, and the concrete type whose leaves are read there."""
    waiting: deque[tuple[tuple[Step, ...], Any]] = deque([((), get_named_type(field.type))])
    seen: set[Step] = set()
    while waiting:
        way, kind = waiting.popleft()
        for actual in concrete(kind) if is_composite_type(kind) else ():
            yield way, actual
            for name, inner in actual.fields.items():
                below = get_named_type(inner.type)
                if is_composite_type(below) and (actual.name, name) not in seen and len(way) < DEEPEST:
                    seen.add((actual.name, name))
                    waiting.append(((*way, (actual.name, name)), below))


class Selection:
    """One selection set under construction; a place of an abstract type is read as one concrete type."""

    def __init__(self, declared: Any) -> None:
        self.declared = declared
        self.actual: GraphQLObjectType | None = None
        self.leaves: list[str] = []
        self.below: dict[str, Selection] = {}

    def takes(self, way: tuple[Step, ...], actual: GraphQLObjectType) -> bool:
        kind = way[0][0] if way else actual.name
        if self.actual is not None and self.actual.name != kind:
            return False
        return not way or way[0][1] not in self.below or self.below[way[0][1]].takes(way[1:], actual)

    def add(self, way: tuple[Step, ...], actual: GraphQLObjectType) -> int:
        """Add a unit; returns how many leaf fields it reads."""
        if not way:
            self.actual = actual
            self.leaves = [name for name, field in actual.fields.items() if is_leaf_type(get_named_type(field.type))]
            return len(self.leaves)
        kind, name = way[0]
        self.actual = CORE.type_map[kind]  # type: ignore[assignment]
        assert isinstance(self.actual, GraphQLObjectType)
        inner = self.below.setdefault(name, Selection(get_named_type(self.actual.fields[name].type)))
        return inner.add(way[1:], actual)

    def text(self, fill: Fill) -> str:
        parts = ["__typename", *(leaf + given(self.actual, leaf, fill) for leaf in self.leaves)]
        parts += [f"{name}{given(self.actual, name, fill)} {inner.text(fill)}" for name, inner in self.below.items()]
        body = " ".join(parts)
        if is_abstract_type(self.declared):
            body = f"__typename ... on {self.actual.name if self.actual else ''} {{ {body} }}"
        return f"{{ {body} }}"


def given(owner: GraphQLObjectType | None, name: str, fill: Fill) -> str:
    """The arguments of an inner field: pages of two, and whatever has to be given."""
    return "" if owner is None else arguments(owner.fields[name], fill)


def arguments(field: GraphQLField, fill: Fill) -> str:
    written = []
    for name, argument in field.args.items():
        value = fill(get_named_type(argument.type).name, name)
        if value is None and name == "first":
            value = "2"
        if value is None and isinstance(argument.type, GraphQLNonNull):
            value = literal(argument, name, fill)
        if value is not None:
            written.append(f"{name}: {value}")
    return f"({', '.join(written)})" if written else ""


def literal(argument: GraphQLArgument | Any, name: str, fill: Fill) -> str:
    """A value that the type system takes: the given one, else a harmless one."""
    kind = argument.type if hasattr(argument, "type") else argument
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if isinstance(kind, GraphQLList):
        own = fill(get_named_type(kind).name, name)
        return own if own and own.startswith("[") else f"[{literal(kind.of_type, name, fill)}]"
    found = fill(kind.name, name)
    if found is not None:
        return found
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        fields = kind.fields
        wanted = [n for n, f in fields.items() if isinstance(f.type, GraphQLNonNull)] or (
            [next(iter(fields))] if kind.extensions["strawberry-definition"].is_one_of else []
        )
        return "{" + ", ".join(f"{n}: {literal(fields[n], n, fill)}" for n in wanted) + "}"
    return {"Int": "1", "Float": "1.0", "Boolean": "false", "DateTime": '"2026-11-20T12:00:00Z"', "Decimal": '"1"'}.get(
        kind.name, '"x"'
    )


def documents(kind: str, name: str, fill: Fill) -> Iterator[tuple[str, int]]:
    """Documents that together read every unit below a root field, and how many leaf fields each reads."""
    field = roots(kind)[name]
    head = f"{kind} {{ {name}{arguments(field, fill)} "
    below = get_named_type(field.type)
    open_ones: list[tuple[Selection, list[int]]] = []
    for way, actual in units(field):
        size = 3 * len(actual.fields) + 12 * len(way)
        for selection, used in open_ones:
            if used[0] + size < MOST_TOKENS and selection.takes(way, actual):
                break
        else:
            selection, used = Selection(below), [0, 0]
            open_ones.append((selection, used))
        used[1] += selection.add(way, actual)
        used[0] += size
    for selection, used in open_ones:
        yield f"{head}{selection.text(fill)} }}", used[1]


def coordinates(field: GraphQLField) -> set[Step]:
    """Every field of every type that a root field reaches."""
    return {(actual.name, name) for _, actual in units(field) for name in actual.fields}


def shallow(kind: str, name: str, fill: Fill) -> str:
    """The shortest document that asks a root field."""
    field = roots(kind)[name]
    below = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
    return f"{kind} {{ {name}{arguments(field, fill)}{below} }}"


def inputs_of(field: GraphQLField) -> set[str]:
    """Names of the arguments and input fields of type ID, at any depth."""
    found: set[str] = set()
    waiting: list[tuple[str, Any]] = [(name, argument.type) for name, argument in field.args.items()]
    done: set[str] = set()
    while waiting:
        name, kind = waiting.pop()
        named = get_named_type(kind)
        if named.name == "ID":
            found.add(name)
        if isinstance(named, GraphQLInputObjectType) and named.name not in done:
            done.add(named.name)
            waiting += [(inner, f.type) for inner, f in named.fields.items()]
    return found
