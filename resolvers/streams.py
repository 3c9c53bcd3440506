"""Live streams: subscribe, then read, then follow; rights are checked again at each read."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.capabilities import Capability
from models.sessions import SessionEvent
from realtime import tail
from realtime.cursors import Position
from realtime.tail import Page
from resolvers.access import requires
from resolvers.context import Context
from services import assignments, identity, streams
from services.refusals import Forbidden
from services.streams import Stream
from services.work import Work


@dataclass(frozen=True, slots=True)
class Frame:
    """What a stream delivers at once: events in commit order, and the cursor behind the last of them."""

    cursor: str
    as_of: datetime
    events: Sequence[SessionEvent]
    heartbeat: bool


@requires(Capability.ASSIGNMENTS_MONITOR)
async def assignment_events(context: Context, assignment_id: UUID, after: str | None, first: int) -> Frame:
    """Read what happened in an assignment's sessions after a cursor, at most `first` events."""
    await context.read(assignments.require, assignment_id)
    return await _page(context, _of_assignment(context, assignment_id), after, first)


@requires(Capability.SESSIONS_READ)
async def session_events(context: Context, session_id: UUID, after: str | None, first: int) -> Frame:
    """Read a session's timeline after a cursor, at most `first` events; from its beginning without one."""
    await context.read(streams.require_session, session_id)
    return await _page(context, _of_session(context, session_id), after, first)


@requires(Capability.ASSIGNMENTS_MONITOR)
async def assignment_stream(context: Context, assignment_id: UUID, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow an assignment's sessions, after a cursor or from now on."""
    await context.read(assignments.require, assignment_id)
    async for frame in _follow(context, _of_assignment(context, assignment_id), after, Capability.ASSIGNMENTS_MONITOR):
        yield frame


@requires(Capability.SESSIONS_READ)
async def session_stream(context: Context, session_id: UUID, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow one session's timeline, after a cursor or from now on."""
    await context.read(streams.require_session, session_id)
    async for frame in _follow(context, _of_session(context, session_id), after, Capability.SESSIONS_READ):
        yield frame


def _of_assignment(context: Context, assignment_id: UUID) -> Stream:
    return streams.assignment_stream(context.tenant_id, assignment_id)


def _of_session(context: Context, session_id: UUID) -> Stream:
    return streams.session_stream(context.tenant_id, session_id)


async def _page(context: Context, stream: Stream, after: str | None, first: int) -> Frame:
    secret = context.house.cursor_secret

    async def read(work: Work) -> Frame:
        at = await streams.horizon(work)
        start = Position.start() if after is None else streams.position(secret, stream, at, after)
        page = await streams.events(work, stream, start, first)
        return Frame(streams.cursor(secret, stream, at, page.position), page.as_of, page.rows, heartbeat=False)

    return await context.read(read)


async def _follow(
    context: Context,
    stream: Stream,
    after: str | None,
    capability: Capability,
) -> AsyncGenerator[Frame, None]:
    secret = context.house.cursor_secret
    await context.start_streaming()

    async def begin(work: Work) -> Position:
        if after is None:
            return (await streams.here(work, stream))[1]
        return streams.position(secret, stream, await streams.horizon(work), after)

    async def read(position: Position, limit: int) -> Page[SessionEvent]:
        async with context.reading() as work:
            if capability not in await identity.capabilities(work):
                raise Forbidden(capability)
            return await streams.events(work, stream, position, limit)

    async def show(frame: tail.Frame[SessionEvent]) -> Frame:
        at = await context.read(streams.horizon)
        cursor = streams.cursor(secret, stream, at, frame.position)
        return Frame(cursor, frame.as_of, frame.rows, frame.heartbeat)

    with context.house.hub.follow(stream.topic) as bell:
        start = await context.read(begin)
        async for frame in tail.follow(bell, read, start):
            await context.refresh()
            yield await show(frame)
