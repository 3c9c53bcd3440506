"""Rows for reading only, without the ORM's unit of work: the same attributes and values, at a fraction of the cost.

What is read this way is never flushed, refreshed or lazily loaded. Writing services keep the ORM. A JSON column comes
as text and is decoded when it is first looked at, and a column whose model calls it large (`info={"large": True}`) is
not read at all: what shows it asks for it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Text, func, inspect, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB

from models.base import Base
from services.prepared import Prepared
from services.work import Work

M = TypeVar("M", bound=Base)

LONGEST_REMEMBERED: Final = 4096
"""Characters up to which a JSON text is worth keeping decoded."""

_READ_AT: Final = "_read_at"

Only = frozenset[str] | None
"""Which attributes of a model are read, one of few sets that the code names; None: all. The others are missing."""


class _Decoded:
    """Attribute of a row that decodes a JSON column the first time it is read."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __get__(self, row: Any, _owner: type | None = None) -> Any:
        text = row.__dict__[f"_{self._key}"]
        value = row.__dict__[self._key] = None if text is None else decoded(text)
        return value


def decoded(text: str) -> Any:
    """Return JSON that is only looked at, never changed: texts that many rows share are decoded once."""
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else orjson.loads(text)


@lru_cache(maxsize=1024)
def _remembered(text: str) -> Any:
    return orjson.loads(text)


@cache
def _columns(model: type[Base], only: Only = None) -> tuple[tuple[str, ColumnElement[Any], bool], ...]:
    """Return attribute, column, and whether it is JSON, of all columns that are read."""
    found = [(attribute.key, attribute.columns[0]) for attribute in inspect(model).column_attrs]
    wanted = [(key, column) for key, column in found if not column.info.get("large") and (only is None or key in only)]
    return tuple((key, column, isinstance(column.type, JSONB)) for key, column in wanted)


@cache
def _kept(model: type[Base], only: Only = None) -> tuple[str, ...]:
    """Return under which names a row keeps the values, in the order in which they are read."""
    return tuple(f"_{key}" if is_json else key for key, _, is_json in _columns(model, only))


@cache
def _class(model: type[Base]) -> type:
    decoded = {key: _Decoded(key) for key, _, is_json in _columns(model) if is_json}
    return type(f"{model.__name__}Row", (SimpleNamespace,), decoded)


@cache
def _select_by(model: type[Base], column: str) -> str:
    """Return the statement that reads the rows whose `column` is one of $1; names are the models'."""
    wanted = inspect(model).columns[column].name
    return (
        f'select {listed(model)}, (select evalium_now()) as "{_READ_AT}" from {model.__tablename__}'  # noqa: S608 - names of our models
        f' where "{wanted}" = any($1)'
    )


def listed(model: type[Base]) -> str:
    """Return, as SQL for a statement by hand, what `columns` selects, in the same order."""
    return ", ".join(
        f'"{column.name}"::text as "{key}"' if is_json else f'"{column.name}" as "{key}"'
        for key, column, is_json in _columns(model)
    )


def width(model: type[Base]) -> int:
    """Return how many values of a record make a row of the model."""
    return len(_columns(model))


async def by(work: Work, model: type[M], column: str, keys: Sequence[UUID] | Sequence[str]) -> list[M]:
    """Return the rows of a model whose `column` is one of `keys`, those that the viewer may see, in no order."""
    found = await work.fetch(_select_by(model, column), list(keys))
    if found:
        _note(work, found[0][_READ_AT])
    return [row(model, cast("Any", record)) for record in found]


async def joined(work: Work, statement: Prepared, values: Mapping[str, Any], models: Sequence[type[Base]]) -> list[Any]:
    """Run a statement that selects the `columns` of several models side by side, and then `clock`.

    Each record becomes one row of each model; None for a model that was joined and whose row the viewer may not see.
    """
    found = await statement.fetch(work, values)
    if found:
        _note(work, found[0][-1])
    ends = list(accumulate((len(_columns(model)) for model in models), initial=0))
    places = list(zip(models, ends[:-1], ends[1:], strict=True))
    return [tuple(_joined(model, record[start:end]) for model, start, end in places) for record in found]


def _joined(model: type[Base], values: Sequence[Any]) -> Base | None:
    shown: Any = row(model, values)
    return None if shown.id is None else shown


def clock() -> ColumnElement[datetime]:
    """Return what is to be selected behind the columns of a statement for `joined`."""
    return select(func.evalium_now()).scalar_subquery()


async def now(work: Work) -> datetime:
    """Return the database's clock: in a snapshot as of its rows, so that what is shown together is true then."""
    if work.read_at is not None:
        return work.read_at
    found = (await work.fetch("select evalium_now() as now"))[0]["now"]
    _note(work, found)
    return found


def _note(work: Work, at: datetime) -> None:
    if work.is_snapshot and work.read_at is None:
        work.read_at = at


def columns(model: type[Base], only: Only = None) -> list[Any]:
    """Return what is to be selected of a model instead of the model."""
    return [sql_cast(column, Text).label(key) if is_json else column for key, column, is_json in _columns(model, only)]


def row(model: type[M], values: Sequence[Any], only: Only = None) -> M:
    """Return what `columns` selected as one row of the model; values behind them are left out."""
    shown = _class(model)()
    shown.__dict__.update(zip(_kept(model, only), values, strict=False))
    return cast("M", shown)
