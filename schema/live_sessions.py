"""The command centre: a table of sessions that keeps itself right (api.md, "Streams"; domain.md sections 6 and 7)."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

import strawberry

from models.attention import AttentionLevel
from models.lockdown import LockdownState
from resolvers import live_sessions
from schema.access import Info, ask, follow, says, told
from schema.connections import Edge, OrderDirection, PageInfo, page_info
from schema.nodes import local_id
from schema.sessions import Session, SessionOrderInput
from schema.streams import After, EventPage, First, StreamFrame, checked
from services.live_sessions import Scope, Watched
from services.paging import PageRequest
from services.refusals import BadUserInput
from services.sessions import Filter, SortedBy
from services.sessions_status import DisplayStatus

LARGEST_PAGE = 200
LONGEST_SEARCH = 254
LONGEST_LOOK_BACK = 24 * 60


@strawberry.input(description="What is watched: one of these, or everything in the org unit that you may see.")
class LiveSessionScope:
    """A scope."""

    assignment_id: strawberry.ID | None = told("The sessions of this assignment.", default=None)
    run_label: str | None = told("The sessions of all assignments that carry this run label.", default=None)
    room_id: strawberry.ID | None = told("The sessions in this room.", default=None)

    def plain(self) -> Scope:
        """Return the scope as the service reads it."""
        assignment, room = self.assignment_id, self.room_id
        return Scope(
            None if assignment is None else local_id("Assignment", assignment, path=["scope", "assignmentId"]),
            self.run_label,
            None if room is None else local_id("Room", room, path=["scope", "roomId"]),
        )


@strawberry.input(description="Which sessions of the scope are wanted; what is left out does not narrow.")
class LiveSessionFilter:
    """Filter of `liveSessions`."""

    display_status: list[DisplayStatus] | None = told("Only sessions shown as one of these now.", default=None)
    attention: list[AttentionLevel] | None = told("Only sessions that need this much attention now.", default=None)
    lockdown: list[LockdownState] | None = told(
        "Only sessions that require a lockdown browser and of which this is known now.", default=None
    )
    high_stakes_only: bool = told("Only sessions with high stakes.", default=False)
    ended_within_minutes: int | None = told(
        f"Leaves out what ended longer ago, 0 to {LONGEST_LOOK_BACK} minutes; with 0 only what goes on is left.",
        default=None,
    )

    def plain(self, search: str | None) -> Filter:
        """Return the filter as the service reads it."""
        minutes = self.ended_within_minutes
        if minutes is not None and not 0 <= minutes <= LONGEST_LOOK_BACK:
            raise BadUserInput(f"endedWithinMinutes is {minutes}; it is 0 to {LONGEST_LOOK_BACK}.")
        if search is not None and len(search) > LONGEST_SEARCH:
            raise BadUserInput(f"The search has {len(search)} characters; at most {LONGEST_SEARCH} are looked for.")
        return Filter(
            display_status=self.display_status,
            attention=self.attention,
            lockdown=self.lockdown,
            is_high_stakes=True if self.high_stakes_only else None,
            ended_within_seconds=None if minutes is None else minutes * 60,
            search=search,
        )


@strawberry.type(description="How many sessions are shown as each status.")
class LiveSessionCounts:
    """Counts."""

    created: int = told("Not started yet.")
    live: int = told("At work.")
    idle: int = told("At work, but nothing was heard for a while.")
    paused: int = told("The clock stands still.")
    submitted: int = told("Handed in.")
    expired: int = told("The time is over.")
    terminated: int = told("Ended by a proctor.")


@strawberry.type(description="One page of the table, and from where its stream goes on.")
class LiveSessions:
    """A page."""

    seen: strawberry.Private[Watched]
    scope: strawberry.Private[Scope]
    wanted: strawberry.Private[Filter]
    nodes: list[Session] = told("The rows alone.")
    page_info: PageInfo = told("Where this page lies.")
    cursor: str = told(
        "Follow `liveSessionStream` with the same scope after it, or page `liveSessionEvents`: everything from `asOf` "
        "on comes, and nothing twice."
    )
    as_of: datetime = told("The database's clock when the page was read; what a row shows was true then.")

    @strawberry.field(description="The rows with their page cursors.")
    def edges(self) -> list[Edge[Session]]:
        """Show each row with its cursor."""
        return [Edge(cursor=at, node=node) for at, node in zip(self.seen.page.cursors, self.nodes, strict=True)]

    @strawberry.field(description="How many rows the filter leaves; counted only when asked for.")
    async def total_count(self, info: Info) -> int:
        """Count the list that this page is of."""
        return await info.context.read(self.seen.page.total)

    @strawberry.field(description="How many sessions there are of each status, whatever the filter says of statuses.")
    async def counts(self, info: Info) -> LiveSessionCounts:
        """Count by status."""
        found = await live_sessions.counts(info.context, self.scope, self.wanted)
        return LiveSessionCounts(**{status.value: count for status, count in found.items()})

    @classmethod
    def of(cls, seen: Watched, scope: Scope, wanted: Filter) -> "LiveSessions":
        """Show a page."""
        return cls(
            seen=seen,
            scope=scope,
            wanted=wanted,
            nodes=[Session.of(row) for row in seen.page.rows],
            page_info=page_info(seen.page),
            cursor=seen.cursor,
            as_of=seen.at.as_of,
        )


ScopeArgument = Annotated[LiveSessionScope | None, says("What is watched; everything you may see when left out.")]


@strawberry.type
class LiveSessionsQuery:
    """Queries of the command centre."""

    @ask(live_sessions.live_session_events, "What happened in a scope after a cursor, or from the first event on.")
    async def live_session_events(
        self, info: Info, scope: ScopeArgument = None, after: After = None, first: First = 100
    ) -> EventPage:
        """Page through the events of a scope."""
        wanted = (scope or LiveSessionScope()).plain()
        return EventPage.of(await live_sessions.live_session_events(info.context, wanted, after, checked(first)))

    @ask(
        live_sessions.live_sessions_page,
        "The table of the command centre: sessions of a scope; without an order the newest first.",
    )
    async def live_sessions(
        self,
        info: Info,
        scope: ScopeArgument = None,
        filter: Annotated[LiveSessionFilter | None, says("Which sessions are wanted.")] = None,
        search: Annotated[str | None, says("Beginning of the candidate's name or address.")] = None,
        order_by: Annotated[list[SessionOrderInput] | None, says("In which order, first column first.")] = None,
        first: Annotated[int | None, says(f"At most this many, 0 to {LARGEST_PAGE}; 100 when left out.")] = None,
        after: Annotated[str | None, says("Behind this page cursor.")] = None,
    ) -> LiveSessions:
        """Show the table."""
        inside = (scope or LiveSessionScope()).plain()
        wanted = (filter or LiveSessionFilter()).plain(search)
        order = [SortedBy(one.field, descending=one.direction is OrderDirection.DESC) for one in order_by or []]
        page = PageRequest(first=first, after=after, largest=LARGEST_PAGE, usual=100)
        seen = await live_sessions.live_sessions_page(info.context, inside, wanted, order, page)
        return LiveSessions.of(seen, inside, wanted)


@strawberry.type
class LiveSessionsSubscription:
    """The command centre, live."""

    @follow(live_sessions.live_session_stream, "Follow the sessions of a scope, after a cursor or from now on.")
    async def live_session_stream(
        self, info: Info, scope: ScopeArgument = None, after: After = None
    ) -> AsyncGenerator[StreamFrame, None]:
        """Follow a scope."""
        async for frame in live_sessions.live_session_stream(
            info.context, (scope or LiveSessionScope()).plain(), after
        ):
            yield StreamFrame.of(frame)
