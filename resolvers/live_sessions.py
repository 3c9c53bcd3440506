"""The command centre: watching sessions, and looking closely at one."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

from dataloaders import sessions_details as loaders
from models.capabilities import Capability
from models.sessions import EventKind
from resolvers import streams
from resolvers.access import requires
from resolvers.context import Context
from resolvers.sources import Frame
from services import assignments, live_sessions, rooms, sessions_details
from services.live_sessions import Scope, Watched
from services.paging import PageRequest
from services.refusals import NotFound
from services.sessions import Filter, SortedBy
from services.sessions_details import Sum
from services.sessions_status import DisplayStatus
from services.work import Work


@requires(Capability.SESSIONS_READ)
async def live_sessions_page(
    context: Context, scope: Scope, wanted: Filter, order: Sequence[SortedBy], page: PageRequest
) -> Watched:
    """Read one page of a scope, with the cursor of its stream."""
    secret = context.house.cursor_secret

    async def read(work: Work) -> Watched:
        await _require(work, scope)
        return await live_sessions.watched(work, scope, wanted, order, page, secret)

    return await context.read(read)


async def counts(context: Context, scope: Scope, wanted: Filter) -> dict[DisplayStatus, int]:
    """Return how many sessions of a scope that the viewer may see are shown as each status."""
    return await context.read(live_sessions.counts, live_sessions.narrowed_to(scope, wanted))


@requires(Capability.SESSIONS_READ)
async def live_session_events(context: Context, scope: Scope, after: str | None, first: int) -> Frame:
    """Read what happened in a scope after a cursor, at most `first` events."""
    await context.read(_require, scope)
    stream = live_sessions.stream_of(context.tenant_id, context.viewer.org_unit_id, scope)
    return await streams.page(context, stream, after, first)


@requires(Capability.SESSIONS_READ)
async def live_session_stream(context: Context, scope: Scope, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow a scope, after a cursor or from now on."""
    await context.read(_require, scope)
    stream = live_sessions.stream_of(context.tenant_id, context.viewer.org_unit_id, scope)
    async for frame in streams.follow(context, stream, after, Capability.SESSIONS_READ):
        yield frame


async def sections(context: Context, places: Sequence[tuple[UUID, int]]) -> list[str | None]:
    """Return the titles of the sections at places of papers of sessions that the viewer may see, in order."""
    return await context.loaders.of(loaders.section).load_many(places)


async def telemetry(context: Context, session_id: UUID) -> dict[EventKind, Sum]:
    """Return what the telemetry of a session that the viewer may see adds up to."""
    return await context.loaders.of(loaders.telemetry).load(session_id)


@requires(Capability.SESSIONS_TECHNICAL_DETAILS)
async def signals(context: Context, session_id: UUID) -> list[dict[str, Any]]:
    """Return the raw telemetry of a session that the viewer may see."""
    return await context.read(sessions_details.signals, session_id)


async def _require(work: Work, scope: Scope) -> None:
    """Refuse a scope that the viewer cannot see."""
    if scope.assignment_id is not None:
        await assignments.require(work, scope.assignment_id)
    if scope.room_id is not None and not await rooms.by_ids(work, [scope.room_id]):
        raise NotFound("Room", scope.room_id)
