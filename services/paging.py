"""Keyset paging: pages that stay right while rows come and go (api.md, "Lists")."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, Boolean, ColumnElement, DateTime, Integer, Select, Uuid, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from services.refusals import BadUserInput
from services.work import Work

T = TypeVar("T")

Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted: `first` after a cursor, or `last` before one."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    largest: int = 100
    usual: int = 50

    def size(self) -> int:
        """Return how many rows are wanted; refuse what is out of bounds or contradictory."""
        if self.first is not None and self.last is not None:
            raise BadUserInput("Give either 'first' or 'last', not both.")
        wanted = self.first if self.first is not None else self.last
        if wanted is None:
            return self.usual
        if not 0 <= wanted <= self.largest:
            raise BadUserInput(f"A page has 0 to {self.largest} rows, not {wanted}.", hint="Page on with 'after'.")
        return wanted


@dataclass(frozen=True, slots=True)
class Order:
    """One column of an order; the last one must make it total. Values are not null."""

    column: Column
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, in order, with a cursor for each row; `total` counts the whole list when asked."""

    rows: Sequence[T]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool
    total: Callable[[Work], Awaitable[int]]


async def paged(
    work: Work,
    statement: Select[Any],
    orders: Sequence[Order],
    wanted: PageRequest,
) -> Page[Any]:
    """Run `statement` for one page. Rows are what the statement selects; the order's columns are added behind."""
    size = wanted.size()
    backwards = wanted.last is not None
    ordered = statement.add_columns(*[order.column.label(f"_order_{n}") for n, order in enumerate(orders)])
    for cursor, forward in ((wanted.after, True), (wanted.before, False)):
        if cursor is not None:
            ordered = ordered.where(_beyond(orders, _read(cursor, orders), forward=forward))
    ordered = ordered.order_by(*[o.column.desc() if o.descending != backwards else o.column.asc() for o in orders])
    found = list(await work.rows(ordered.limit(size + 1)))
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    width = len(orders)
    rows = [row[0] if len(row) == width + 1 else row[:-width] for row in found]
    cursors = [_write(row[-width:]) for row in found]

    async def total(later: Work) -> int:
        counted = select(func.count()).select_from(statement.order_by(None).subquery())
        return int((await later.session.execute(counted)).scalar_one())

    return Page(
        rows,
        cursors,
        has_next=more if not backwards else wanted.before is not None,
        has_previous=more if backwards else wanted.after is not None,
        total=total,
    )


async def paged_each(
    work: Work,
    statement: Select[Any],
    parent: Column,
    parents: Sequence[UUID],
    orders: Sequence[Order],
    first: PageRequest,
) -> dict[UUID, Page[Any]]:
    """Run `statement` for one page below each parent, all of them at once; only `first` and `after` count."""
    size = first.size()
    place = func.row_number().over(partition_by=parent, order_by=[one.column for one in orders])
    listed = statement.add_columns(*[one.column.label(f"_order_{n}") for n, one in enumerate(orders)])
    listed = listed.add_columns(parent.label("_parent"), place.label("_place")).where(parent.in_(parents))
    if first.after is not None:
        listed = listed.where(_beyond(orders, _read(first.after, orders), forward=True))
    inner = listed.subquery()
    found: Sequence[Any] = await work.rows(
        select(inner).where(inner.c["_place"] <= size + 1).order_by(inner.c["_place"])
    )
    width = len(orders)
    below: dict[UUID, list[Any]] = {key: [] for key in parents}
    for row in found:
        below[row[-2]].append(row)

    async def total(_later: Work) -> int:
        raise LookupError("pages below many parents are counted by a loader")

    return {
        key: Page(
            [tuple(row[: -width - 2]) for row in rows[:size]],
            [_write(row[-width - 2 : -2]) for row in rows[:size]],
            has_next=len(rows) > size,
            has_previous=first.after is not None,
            total=total,
        )
        for key, rows in below.items()
    }


def _beyond(orders: Sequence[Order], values: Sequence[Any], *, forward: bool) -> ColumnElement[bool]:
    """Build the condition "after these values in this order", column by column."""
    either: list[ColumnElement[bool]] = []
    for n, order in enumerate(orders):
        same = [orders[k].column == values[k] for k in range(n)]
        later = order.column > values[n] if forward != order.descending else order.column < values[n]
        either.append(and_(*same, later))
    return or_(*either)


def _write(values: Sequence[Any]) -> str:
    tagged = [_tag(value) for value in values]
    return base64.urlsafe_b64encode(orjson.dumps(tagged)).decode().rstrip("=")


def _tag(value: Any) -> list[Any]:
    if isinstance(value, datetime):
        return ["t", value.isoformat()]
    if isinstance(value, UUID):
        return ["u", str(value)]
    return ["v", value]


def _read(cursor: str, orders: Sequence[Order]) -> list[Any]:
    """Return the values that a cursor names; refuse a cursor whose values this order's columns cannot hold."""
    try:
        tagged: list[list[Any]] = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        readers: dict[str, Callable[[Any], Any]] = {"t": _time, "u": UUID, "v": _plain}
        values = [readers[kind](value) for kind, value in tagged]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, binascii.Error) as error:
        raise BadUserInput(
            f"'{cursor[:60]}' is not a page cursor.", hint="Use 'pageInfo' of this very list."
        ) from error
    if len(values) != len(orders) or not all(map(_fits, values, orders)):
        raise BadUserInput("This page cursor belongs to another list or order.", hint="Use 'pageInfo' of this list.")
    return values


def _fits(value: Any, order: Order) -> bool:
    """Whether the column can be compared with the value: the database would fail where this says no."""
    kind = order.column.type
    if isinstance(kind, Integer):
        bits = 63 if isinstance(kind, BigInteger) else 31
        return type(value) is int and -(2**bits) <= value < 2**bits
    wanted = {DateTime: datetime, Uuid: UUID, Boolean: bool}
    python = next((python for sql, python in wanted.items() if isinstance(kind, sql)), str)
    return type(value) is python


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)


def _plain(value: Any) -> Any:
    if not isinstance(value, str | int | bool) or "\x00" in str(value):
        raise TypeError("not a plain value")
    return value
