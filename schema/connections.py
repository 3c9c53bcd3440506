"""Lists as Relay connections: keyset pages with `nodes` beside `edges` (api.md, "Documents and types")."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from resolvers.context import Context
from schema.access import Info, says, told
from schema.enums import closed_set
from services.paging import Page

T = TypeVar("T")

First = Annotated[int | None, says("At most this many rows, 0 to 100; 50 when left out.")]
Last = Annotated[int | None, says("The last so many rows, instead of the first.")]
After = Annotated[str | None, says("Only rows after this page cursor.")]
Before = Annotated[str | None, says("Only rows before this page cursor.")]


class OrderDirection(StrEnum):
    """Which way a list is sorted."""

    ASC = "asc"
    DESC = "desc"


closed_set(
    OrderDirection,
    "OrderDirection",
    "Which way a list is sorted.",
    {OrderDirection.ASC: "Smallest, earliest first.", OrderDirection.DESC: "Largest, latest first."},
)


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """Relay's page information."""

    has_next_page: bool = told("There are rows after this page.")
    has_previous_page: bool = told("There are rows before this page.")
    start_cursor: str | None = told("Cursor of the first row; null when the page is empty.")
    end_cursor: str | None = told("Cursor of the last row, for `after`; null when the page is empty.")


@strawberry.type(description="One row of a page with its cursor.")
class Edge(Generic[T]):
    """Relay's edge."""

    cursor: str = told("Cursor of this row, for `after` and `before`.")
    node: T = told("The row.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """Relay's connection."""

    cursors: strawberry.Private[Sequence[str]]
    nodes: list[T] = told("The rows alone.")
    page_info: PageInfo = told("Where this page lies.")
    count: strawberry.Private[Callable[[Context], Awaitable[int]]]

    @strawberry.field(description="The rows with their cursors.")
    def edges(self) -> list[Edge[T]]:
        """Show each row with its cursor."""
        return [Edge(cursor=cursor, node=node) for cursor, node in zip(self.cursors, self.nodes, strict=True)]

    @strawberry.field(description="How many rows the whole list has; counted only when asked for.")
    async def total_count(self, info: Info) -> int:
        """Count the list that this page is of."""
        return await self.count(info.context)


def connect(
    page: Page[Any], show: Callable[[Any], T], counted: Callable[[Context], Awaitable[int]] | None = None
) -> Connection[T]:
    """Show a page of rows as a connection; `show` turns a row into its GraphQL object.

    `counted` counts the list where the page cannot, as when it is one of many that were read together.
    """
    nodes = [show(row) for row in page.rows]

    async def count(context: Context) -> int:
        return await (context.read(page.total) if counted is None else counted(context))

    return Connection(
        cursors=page.cursors,
        nodes=nodes,
        page_info=page_info(page),
        count=count,
    )


def page_info(page: Page[Any]) -> PageInfo:
    """Show where a page lies."""
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=page.cursors[0] if page.cursors else None,
        end_cursor=page.cursors[-1] if page.cursors else None,
    )
