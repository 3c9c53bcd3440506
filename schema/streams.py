"""Live streams and their other two faces: page and subscription with one cursor (api.md, "Streams")."""

from collections.abc import AsyncGenerator, Callable, Hashable
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

import strawberry

from resolvers import streams
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, ask, follow, says, told
from schema.nodes import local_id
from schema.session_events import SessionEvent, show_event
from services.refusals import BadUserInput

LARGEST_PAGE = 200


T = TypeVar("T")


def page_of(kind: type[T], frame: streams.Frame, show: Callable[[Any], Any], **more: Any) -> T:
    """Show a page of any stream, each row of its table as `show` does."""
    make = cast("Callable[..., T]", kind)
    return make(cursor=frame.cursor, as_of=frame.as_of, events=[show(row) for row in frame.events], **more)


def frame_of(kind: type[T], frame: streams.Frame, show: Callable[[Any], Any]) -> T:
    """Show a frame of any stream, in the same objects to all who share it."""
    shown = frame.once.get(kind)
    if shown is None:
        shown = frame.once[kind] = page_of(kind, frame, show, heartbeat=frame.heartbeat, once=frame.once)
    return shown


@strawberry.type(description="Events in commit order, and the cursor from which to go on.")
class EventPage:
    """One page of a stream's past."""

    cursor: str = told("Behind the last of these events: for `after` of the next page, or of the subscription.")
    as_of: datetime = told("The database's clock when this was read.")
    events: list[SessionEvent] = told("Oldest first.")

    @classmethod
    def of(cls, frame: streams.Frame) -> "EventPage":
        """Show a page."""
        return page_of(cls, frame, show_event)


@strawberry.type(description="What a stream delivers at once. Every event comes exactly once, in commit order.")
class StreamFrame(EventPage):
    """One frame of a live stream."""

    once: strawberry.Private[dict[Hashable, Any]]
    heartbeat: bool = told("True when nothing happened for ten seconds: the cursor tells how far the stream is.")

    @classmethod
    def of(cls, frame: streams.Frame) -> "StreamFrame":
        """Show a frame."""
        return frame_of(cls, frame, show_event)


AssignmentId = Annotated[strawberry.ID, says("Global id of the assignment.")]
SessionId = Annotated[strawberry.ID, says("Global id of the session.")]
After = Annotated[
    str | None,
    says("Cursor of a frame, page or monitor of this very stream, at most seven days old; else CURSOR_EXPIRED."),
]
First = Annotated[int, says(f"At most this many events, 1 to {LARGEST_PAGE}.")]


def checked(first: int) -> int:
    """Return how many events a page has; refuse none, and too many."""
    if not 1 <= first <= LARGEST_PAGE:
        raise BadUserInput(f"A page has 1 to {LARGEST_PAGE} events, not {first}.", hint="Page on with the cursor.")
    return first


@strawberry.type
class StreamsQuery:
    """The past of the streams."""

    @ask(
        streams.assignment_events,
        "What happened in an assignment's sessions after a cursor, or from the first event on.",
    )
    async def assignment_events(
        self, info: Info, assignment_id: AssignmentId, after: After = None, first: First = 100
    ) -> EventPage:
        """Page through an assignment's events."""
        assignment = local_id("Assignment", assignment_id, path=["assignmentId"])
        return EventPage.of(await streams.assignment_events(info.context, assignment, after, checked(first)))

    @ask(streams.session_events, "One session's timeline after a cursor; from its beginning without one.")
    async def session_events(
        self, info: Info, session_id: SessionId, after: After = None, first: First = 100
    ) -> EventPage:
        """Page through a session's events."""
        session = local_id("Session", session_id, path=["sessionId"])
        return EventPage.of(await streams.session_events(info.context, session, after, checked(first)))


@strawberry.type
class StreamsSubscription:
    """The streams, live."""

    @follow(streams.assignment_stream, "Follow an assignment's sessions, after a cursor or from now on.")
    async def assignment_stream(
        self, info: Info, assignment_id: AssignmentId, after: After = None
    ) -> AsyncGenerator[StreamFrame, None]:
        """Follow an assignment."""
        assignment = local_id("Assignment", assignment_id, path=["assignmentId"])
        async for frame in streams.assignment_stream(info.context, assignment, after):
            yield StreamFrame.of(frame)

    @follow(streams.session_stream, "Follow one session's timeline, after a cursor or from now on.")
    async def session_stream(
        self, info: Info, session_id: SessionId, after: After = None
    ) -> AsyncGenerator[StreamFrame, None]:
        """Follow a session."""
        session = local_id("Session", session_id, path=["sessionId"])
        async for frame in streams.session_stream(info.context, session, after):
            yield StreamFrame.of(frame)
