"""The monitor: pages of it, what changed since a page, and whether anything did."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from models.assignments import Assignment
from models.capabilities import Capability
from resolvers import assignments
from resolvers.access import requires
from resolvers.context import Context
from services import assignments_changes, assignments_monitor, streams
from services.assignments_changes import Head, Since
from services.assignments_monitor import MOST_GONE, Filter, MonitorOrder
from services.paging import Page, PageRequest
from services.refusals import CursorExpired
from services.streams import Horizon, Stream
from services.work import Work


@dataclass(frozen=True, slots=True)
class Monitored:
    """One page of the monitor, when it was true, and the cursor from which the stream goes on.

    `gone` are rows that changed after the cursor that was given and are not in the list any more.
    """

    assignment_id: UUID
    page: Page[assignments_monitor.Row]
    cursor: str
    as_of: datetime
    is_whole: bool
    """Whether the list holds every recipient."""
    gone: Sequence[UUID] = ()


@requires(Capability.ASSIGNMENTS_MONITOR)
async def monitor(
    context: Context,
    row: Assignment,
    wanted: Filter,
    orders: Sequence[tuple[MonitorOrder, bool]],
    page: PageRequest,
    changed_after: str | None = None,
    *,
    brief: bool = False,
) -> Monitored:
    """Read one page of the monitor, and the stream's position in the very snapshot that the page shows.

    Brief rows have no invitation, and of their session only what `sessions_status.BRIEF` names.
    """
    stream = streams.assignment_stream(context.tenant_id, row.id)
    secret = context.house.cursor_secret
    planned = (await assignments.policy(context, row)).security.value.level

    async def read(work: Work) -> Monitored:
        at, position = await streams.here(work, stream)
        head = await assignments_changes.head(work, row.id)
        position = position if head is None else head.furthest(position)
        asked, gone = wanted, list[UUID]()
        if changed_after is not None:
            asked = replace(wanted, since=await _since(work, secret, stream, at, changed_after))
            gone = await assignments_monitor.gone(work, row.id, planned, asked)
            if len(gone) > MOST_GONE:
                raise CursorExpired(f"More than {MOST_GONE} rows have left the list since.")
        found = await assignments_monitor.rows(work, row.id, planned, asked, orders, page, at.as_of, brief=brief)
        cursor = streams.cursor(secret, stream, at, position)
        return Monitored(row.id, found, cursor, at.as_of, assignments_monitor.is_whole(asked), gone)

    return await context.read(read)


async def _since(work: Work, secret: bytes, stream: Stream, at: Horizon, token: str) -> Since:
    position, issued = streams.position_with_time(secret, stream, at, token)
    if await assignments_changes.merged_since(work, position):
        raise CursorExpired("People were merged since, so that rows may be gone that cannot be named.")
    return Since(position, issued)


async def counted(context: Context, seen: Monitored) -> int:
    """Return how many rows the list has that a page of the monitor is of."""
    if seen.is_whole:
        return sum((await assignments.counts(context, seen.assignment_id)).values())
    return await context.read(seen.page.total)


@requires(Capability.ASSIGNMENTS_MONITOR)
async def monitor_head(context: Context, assignment_id: UUID) -> Head | None:
    """Return how far an assignment's monitor is known to have changed; None where the viewer sees none."""
    await context.require(Capability.ASSIGNMENTS_READ)
    return await context.read(assignments_changes.head, assignment_id)


@requires(Capability.ASSIGNMENTS_MONITOR)
async def monitor_turn(context: Context, assignment_id: UUID, after: datetime) -> datetime | None:
    """Return when the clock alone will change a monitor next."""
    return await context.read(assignments_changes.next_turn, assignment_id, after)
