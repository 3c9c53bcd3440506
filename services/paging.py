"""Keyset paging: pages that stay right while rows come and go (api.md, "Lists")."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, overload
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Subquery,
    Uuid,
    and_,
    func,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute

from services.prepared import Forms, given
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


class Cursors(Sequence[str]):
    """The cursors of a page's rows, each written when it is looked at: most pages show the last one alone."""

    def __init__(self, values: Sequence[Sequence[Any]]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> "Cursors": ...

    def __getitem__(self, index: int | slice) -> "str | Cursors":
        if isinstance(index, slice):
            return Cursors(self._values[index])
        return _write(self._values[index])


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

    async def total(later: Work) -> int:
        return int((await later.session.execute(_counted(statement))).scalar_one())

    return _page(found, len(orders), wanted, size, total)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list whose statements are kept: `form` tells all that decides their text, `values` what they are given.

    `rows` selects the list, its values as `prepared.given(name)`. Where most of what is shown is not needed to find
    the page, `rows` selects keys alone, and `widen` joins to the page's keys what is shown of them.
    """

    forms: Forms
    form: Hashable
    rows: Callable[[], Select[Any]]
    orders: Sequence[Order]
    values: Mapping[str, Any]
    widen: Callable[[Subquery], Select[Any]] | None = None


async def listed(work: Work, listing: Listing, wanted: PageRequest) -> Page[Any]:
    """Return one page of a list, by the driver alone."""
    size, orders = wanted.size(), listing.orders
    backwards = wanted.last is not None
    values = dict(listing.values) | {"page_size": size + 1}
    for name, cursor in (("after", wanted.after), ("before", wanted.before)):
        if cursor is not None:
            values |= {f"{name}_{n}": value for n, value in enumerate(_read(cursor, orders))}

    def build() -> Select[Any]:
        ordered = listing.rows().add_columns(*[o.column.label(f"_order_{n}") for n, o in enumerate(orders)])
        for name, cursor, forward in (("after", wanted.after, True), ("before", wanted.before, False)):
            if cursor is not None:
                places = [given(f"{name}_{n}", order.column.type) for n, order in enumerate(orders)]
                ordered = ordered.where(_beyond(orders, places, forward=forward))
        ordered = ordered.order_by(*[o.column.desc() if o.descending != backwards else o.column.asc() for o in orders])
        ordered = ordered.limit(given("page_size", Integer()))
        return ordered if listing.widen is None else _widened(listing.widen, ordered, orders, backwards=backwards)

    form = (listing.form, backwards, wanted.after is not None, wanted.before is not None)
    found = list(await listing.forms.of(form, build).fetch(work, values))

    async def total(later: Work) -> int:
        counted = listing.forms.of((listing.form, "total"), lambda: _counted(listing.rows()))
        return int((await counted.fetch(later, listing.values))[0][0])

    return _page(found, len(orders), wanted, size, total)


def _widened(
    widen: Callable[[Subquery], Select[Any]], keys: Select[Any], orders: Sequence[Order], *, backwards: bool
) -> Select[Any]:
    page = keys.subquery("page")
    columns = [page.c[f"_order_{n}"] for n in range(len(orders))]
    sorting = [c.desc() if o.descending != backwards else c.asc() for c, o in zip(columns, orders, strict=True)]
    return widen(page).add_columns(*columns).order_by(*sorting)


def _counted(statement: Select[Any]) -> Select[Any]:
    return select(func.count()).select_from(statement.order_by(None).subquery())


def _page(
    found: list[Any], width: int, wanted: PageRequest, size: int, total: Callable[[Work], Awaitable[int]]
) -> Page[Any]:
    """Cut the rows that were read, one more than wanted, to a page; the last `width` columns are the order's."""
    backwards = wanted.last is not None
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    return Page(
        [row[0] if len(row) == width + 1 else row[:-width] for row in found],
        Cursors([row[-width:] for row in found]),
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


def read_cursor(cursor: str, column: Column) -> Any:
    """Return the value that a cursor of a list sorted by one column names; refuse any other cursor."""
    return _read(cursor, [Order(column)])[0]
