"""Readers of input: from decoded JSON straight to the objects that Strawberry would make, in one pass.

graphql-core coerces a value field by field, and Strawberry then asks of every value anew what type it has; a batch of
50 events costs 2 ms that way (performance.md). A reader is made once for an input type. It takes what is valid beyond
doubt and nothing else: for anything else it raises `Unreadable`, and graphql-core reads the value and says what is
wrong with it. What both take is the same by test.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import datetime
from typing import Any, Final

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    Undefined,
)

Read = Callable[[Any], Any]

_DEFINITION: Final = "strawberry-definition"
_LARGEST_INT: Final = 2**31 - 1
_is_utc: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII).fullmatch
_instant: Final = datetime.fromisoformat


class Unreadable(Exception):  # noqa: N818 - no error: graphql-core takes over
    """The value is not valid beyond doubt, or nothing reads its type."""


def reader(of: Any) -> Read:
    """Return what reads values of an input type; raises `Unreadable` for a type that no reader is made for."""
    if of.__class__ is GraphQLNonNull:
        return _inner(of.of_type)
    return _nullable(_inner(of))


def _inner(of: Any) -> Read:
    if of.__class__ is GraphQLList:
        return _list(reader(of.of_type))
    if isinstance(of, GraphQLInputObjectType):
        return _object(of)
    if isinstance(of, GraphQLEnumType):
        return _member(of)
    if isinstance(of, GraphQLScalarType) and of.name == "DateTime":
        return _time(of)
    read = _SCALARS.get(getattr(of, "name", ""))
    if read is None:
        raise Unreadable
    return read


def _nullable(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _list(read: Read) -> Read:
    def values(value: Any) -> Any:
        if value.__class__ is not list:
            raise Unreadable
        return [read(one) for one in value]

    return values


def _member(of: GraphQLEnumType) -> Read:
    members = {name: of.coerce_input_value(name) for name in of.values}

    def member(value: Any) -> Any:
        if value.__class__ is not str or value not in members:
            raise Unreadable
        return members[value]

    return member


def _text(value: Any) -> Any:
    if value.__class__ is not str:
        raise Unreadable
    return value


def _boolean(value: Any) -> Any:
    if value.__class__ is not bool:
        raise Unreadable
    return value


def _integer(value: Any) -> Any:
    if value.__class__ is not int or not -_LARGEST_INT <= value <= _LARGEST_INT:
        raise Unreadable
    return value


_SCALARS: Final[dict[str, Read]] = {"String": _text, "ID": _text, "Boolean": _boolean, "Int": _integer}


def _time(of: GraphQLScalarType) -> Read:
    """Read the usual form of a time in UTC at once; every other form by the scalar itself."""
    coerce = of.coerce_input_value

    def time(value: Any) -> Any:
        try:
            return _instant(value) if value.__class__ is str and _is_utc(value) else coerce(value)
        except Exception as error:
            raise Unreadable from error

    return time


def _object(of: GraphQLInputObjectType) -> Read:
    definition: Any = of.extensions.get(_DEFINITION)
    if definition is None or definition.origin.__dict__.get("from_input") is not None:
        raise Unreadable
    members, required = _members(of, definition)
    if definition.is_one_of or of.is_one_of:
        return _one_of(definition.origin, members)
    return _whole(definition.origin, members, required)


def _members(of: GraphQLInputObjectType, definition: Any) -> tuple[dict[str, tuple[str, Read]], frozenset[str]]:
    """Return Python's name and the reader of each field, and which must be given.

    What is absent is left to the class, so its default must be what the schema says.
    """
    attributes: Mapping[str, Field[Any]] = {one.name: one for one in fields(definition.origin)}
    members: dict[str, tuple[str, Read]] = {}
    required: set[str] = set()
    for name, field in of.fields.items():
        known: Any = field.extensions[_DEFINITION]
        attribute, default = attributes[known.python_name], field.default_value
        if attribute.default is MISSING and default is Undefined and field.type.__class__ is GraphQLNonNull:
            required.add(known.python_name)
        elif (attribute.default, default) not in ((None, None), (strawberry.UNSET, Undefined)):
            raise Unreadable
        members[name] = (known.python_name, reader(field.type))
    return members, frozenset(required)


def _whole(cls: type, members: Mapping[str, tuple[str, Read]], required: frozenset[str]) -> Read:
    member_of = members.get
    is_enough = required.issubset

    def whole(value: Any) -> Any:
        if value.__class__ is not dict:
            raise Unreadable
        given: dict[str, Any] = {}
        for name, one in value.items():
            member = member_of(name)
            if member is None:
                raise Unreadable
            given[member[0]] = member[1](one)
        if not is_enough(given):
            raise Unreadable
        return cls(**given)

    return whole


def _one_of(cls: type, members: Mapping[str, tuple[str, Read]]) -> Read:
    whole = _whole(cls, members, frozenset())

    def one(value: Any) -> Any:
        if value.__class__ is not dict or len(value) != 1 or None in value.values():
            raise Unreadable
        return whole(value)

    return one
