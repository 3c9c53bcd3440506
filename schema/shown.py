"""Types whose attributes are read from their row when they are asked for, instead of copied when the row is shown.

A selection asks for few of a type's attributes, and a list shows many rows; to copy all of them costs more than to
complete those that were selected.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, TypeVar

from schema.nodes import global_id

C = TypeVar("C")

From = str | Callable[[Any], Any]
"""Where an attribute comes from: a path from the object, or a function of the object."""

_DEFINITION: Final = "__strawberry_definition__"


def read_from(row: str = "row", **others: From) -> Callable[[type[C]], type[C]]:
    """Read each plain attribute of a type from the attribute of that name of what it holds as `row`.

    `others` are those that come from elsewhere. Objects of the type are made by `show`.
    """

    def decorated(kind: type[C]) -> type[C]:
        names = [one.python_name for one in getattr(kind, _DEFINITION).fields if one.is_basic_field]
        unknown = others.keys() - set(names)
        if unknown:
            raise TypeError(f"{kind.__name__} has no plain attributes {sorted(unknown)}.")
        for name in names:
            source = others.get(name, f"{row}.{name}")
            setattr(kind, name, property(attrgetter(source) if isinstance(source, str) else source))
        return kind

    return decorated


def show(kind: type[C], **held: Any) -> C:
    """Return an object of a type that was decorated by `read_from`, holding nothing but what it reads from."""
    shown = object.__new__(kind)
    shown.__dict__.update(held)
    return shown


def id_from(kind: str, path: str = "row.id") -> Callable[[Any], Any]:
    """Return what makes the global id of an object of a kind whose UUID lies at `path`."""
    uuid = attrgetter(path)
    return lambda shown: global_id(kind, uuid(shown))


def enum_from(kind: Callable[[Any], Any], path: str) -> Callable[[Any], Any]:
    """Return what reads the word at `path` as a member of a closed set."""
    word = attrgetter(path)
    return lambda shown: kind(word(shown))
