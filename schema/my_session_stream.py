"""The candidate's own session, live: what others or the clock decide reaches the browser at once."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

import strawberry

from models.sessions import EventKind
from models.sessions import SessionEvent as EventRow
from resolvers import sessions, streams
from resolvers.sources import Frame
from schema.access import Info, follow, says, told
from schema.my_session import MySession
from schema.session_events import instant


@strawberry.type(description="Something that was decided about the candidate's session, without who and why.")
class MySessionEvent:
    """An event as its candidate is told it."""

    seq: int = told("Position in the session's own order; numbers are missing for what is not told.")
    kind: EventKind = told("What happened.")
    at: datetime = told("When, by the database's clock.")
    deadline_before: datetime | None = told("When the session would have ended; null where the end did not move.")
    deadline_after: datetime | None = told("When it ends now; null where the end did not move.")
    message: str | None = told("What a proctor wrote, as plain text; null unless `kind` is MESSAGE.")

    @classmethod
    def of(cls, row: EventRow) -> "MySessionEvent":
        """Show an event."""
        return cls(
            seq=row.seq,
            kind=EventKind(row.kind),
            at=row.at,
            deadline_before=instant(row.payload.get("deadline_before")),
            deadline_after=instant(row.payload.get("deadline_after")),
            message=row.payload["text"] if row.kind == EventKind.MESSAGE else None,
        )


@strawberry.type(description="What the stream of the candidate's session delivers at once.")
class MySessionFrame:
    """One frame."""

    cursor: str = told("Behind the last of these events: for `after` when the connection was lost.")
    as_of: datetime = told("The database's clock when this was read.")
    events: list[MySessionEvent] = told("Oldest first; every one comes exactly once.")
    heartbeat: bool = told("True when nothing happened for ten seconds.")

    @strawberry.field(description="The session as it is now.")
    async def session(self, info: Info) -> MySession | None:
        """Show the session."""
        row = await sessions.my_session(info.context)
        return row and MySession.of(row)

    @classmethod
    def of(cls, frame: Frame) -> "MySessionFrame":
        """Show a frame."""
        events = [MySessionEvent.of(row) for row in frame.events if row.kind in streams.TOLD_TO_CANDIDATES]
        return cls(cursor=frame.cursor, as_of=frame.as_of, events=events, heartbeat=frame.heartbeat)


@strawberry.type
class MySessionSubscription:
    """The own session, live."""

    @follow(streams.my_session_stream, "Follow the session of the candidate's token, after a cursor or from now on.")
    async def my_session_stream(
        self,
        info: Info,
        after: Annotated[
            str | None, says("Cursor of a frame of this very stream, at most seven days old; else CURSOR_EXPIRED.")
        ] = None,
    ) -> AsyncGenerator[MySessionFrame, None]:
        """Follow the own session."""
        async for frame in streams.my_session_stream(info.context, after):
            yield MySessionFrame.of(frame)
