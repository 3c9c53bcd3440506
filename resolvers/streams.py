"""Live streams: one reader for all who follow a stream, and each one's own right, watched for as long as it is open."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from models.capabilities import Capability
from models.sessions import EventKind
from realtime.cursors import Position
from realtime.shared import Feed
from resolvers.access import candidate, requires
from resolvers.context import Context
from resolvers.sources import Frame
from resolvers.streams_live import Live
from services import assignments, streams
from services.refusals import Unauthenticated
from services.streams import Stream
from services.work import Work

TOLD_TO_CANDIDATES = frozenset(
    {
        EventKind.STARTED,
        EventKind.TIME_EXTENDED,
        EventKind.ATTEMPT_ADDED,
        EventKind.LIMITS_CHANGED,
        EventKind.PAUSED,
        EventKind.RESUMED,
        EventKind.PROBE_RESULT,
        EventKind.MESSAGE,
        EventKind.SUBMITTED,
        EventKind.EXPIRED,
        EventKind.TERMINATED,
    }
)
"""What a candidate is told of the own session while it goes on: what others or the clock decided, never why."""


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


@candidate
async def my_session_stream(context: Context, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow the session of the candidate's token: frames with something that concerns the candidate, and heartbeats.

    What the frame shows of the session is read anew for each one.
    """
    session_id = context.viewer.session_id
    if session_id is None:
        raise Unauthenticated("This needs a candidate's session token.")
    stream = _of_session(context, session_id)
    start = await _begin(context, stream, after)
    source = context.house.sources.of(stream, context.viewer.impersonal())
    async with aclosing(source.reader.follow(start, Feed())) as frames:
        async for frame in frames:
            if frame.heartbeat or any(row.kind in TOLD_TO_CANDIDATES for row in frame.rows):
                await context.refresh()
                yield source.show(frame)


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


async def _begin(context: Context, stream: Stream, after: str | None) -> Position:
    """Read in short transactions from here on, and return where to start: behind a cursor, or here."""

    async def begin(work: Work) -> Position:
        if after is None:
            return (await streams.here(work, stream))[1]
        return streams.position(context.house.cursor_secret, stream, await streams.horizon(work), after)

    await context.start_streaming()
    return await context.read(begin)


async def _follow(
    context: Context,
    stream: Stream,
    after: str | None,
    capability: Capability,
) -> AsyncGenerator[Frame, None]:
    start = await _begin(context, stream, after)
    source = context.house.sources.of(stream, context.viewer.impersonal())
    feed = Feed()
    held = await context.capabilities()
    with context.house.rights.watch(context.viewer, capability, held, feed.end) as watch:
        async with aclosing(source.reader.follow(start, feed)) as frames:
            context.live = live = Live(context, source, frames, watch, feed)
            try:
                while True:
                    yield source.show(await live.take())
            finally:
                live.leave()
