"""Rows for reading only, without the ORM's unit of work: the same attributes and values, at a fraction of the cost.

What is read this way is never flushed, refreshed or lazily loaded. Writing services keep the ORM.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from sqlalchemy import inspect

from models.base import Base
from services.work import Work

M = TypeVar("M", bound=Base)

_READ_AT: Final = "_read_at"


@cache
def _keys(model: type[Base]) -> tuple[str, ...]:
    return tuple(attribute.key for attribute in inspect(model).column_attrs)


@cache
def _select_by(model: type[Base], column: str) -> str:
    """Return the statement that reads all columns of the rows whose `column` is one of $1; names are the models'."""
    names = ", ".join(f'"{inspect(model).columns[key].name}" as "{key}"' for key in _keys(model))
    wanted = inspect(model).columns[column].name
    return (
        f'select {names}, (select evalium_now()) as "{_READ_AT}" from {model.__tablename__}'  # noqa: S608 - names of our models
        f' where "{wanted}" = any($1)'
    )


async def by(work: Work, model: type[M], column: str, keys: Sequence[UUID]) -> list[M]:
    """Return the rows of a model whose `column` is one of `keys`, those that the viewer may see, in no order."""
    found = await work.fetch(_select_by(model, column), list(keys))
    if found:
        _note(work, found[0][_READ_AT])
    return [row(model, record) for record in found]


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


def columns(model: type[Base]) -> list[Any]:
    """Return all columns of a model, to be selected instead of the model."""
    return [getattr(model, key) for key in _keys(model)]


def row(model: type[M], values: Sequence[Any]) -> M:
    """Return what `columns` selected as one row of the model; values behind them are left out."""
    shown = SimpleNamespace()
    shown.__dict__.update(zip(_keys(model), values, strict=False))
    return cast("M", shown)
