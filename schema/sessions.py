"""Sessions as staff see them: who, how far, under which limits, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.attention import AttentionLevel
from models.lockdown import LockdownState
from models.sessions import DeliverySession, SessionState
from resolvers import activity, assignments, identity, live_sessions, rooms, sessions, sessions_acts
from resolvers.context import Context
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, alone, ask, says, selects, told
from schema.activity import Activity, After, Before, First, Last
from schema.attention import SessionAttention, SessionConnectivity
from schema.connections import Connection, OrderDirection, connect
from schema.identity import User
from schema.lockdown import SessionLockdown
from schema.nodes import Node, local_id, looked_for
from schema.plans import together
from schema.policy import Limits, SecurityLevel
from schema.session_details import SessionTelemetry
from schema.sessions_brief import list_is_brief
from schema.shown import enum_from, id_from, read_from, show
from services import policy as policies
from services import sessions_status
from services.paging import PageRequest
from services.sessions import Filter, SessionOrder, SortedBy
from services.sessions_actions import SessionAction
from services.sessions_status import DisplayStatus

if TYPE_CHECKING:
    from schema.assignments import Assignment
    from schema.rooms import Room
    from schema.submissions import Submission


_WITH_A_CLOCK = frozenset({SessionState.ACTIVE, SessionState.PAUSED})


async def _statuses(context: Context, shown: Sequence["Session"]) -> list[DisplayStatus]:
    now = await sessions.clock(context)
    return [sessions_status.status_of(one.row, now) for one in shown]


async def _remaining(context: Context, shown: Sequence["Session"]) -> list[int | None]:
    if not any(one.row.state in _WITH_A_CLOCK for one in shown):
        return [None] * len(shown)
    now = await sessions.clock(context)
    return [sessions_status.seconds_remaining(one.row, now) for one in shown]


async def _lockdowns(context: Context, shown: Sequence["Session"]) -> list[SessionLockdown | None]:
    now = await sessions.clock(context)
    return [SessionLockdown.of(one.row, now) for one in shown]


@strawberry.type(description="An act of a proctor on a session, and whether it can be done now.")
class SessionAvailableAction:
    """An action."""

    action: SessionAction = told("What would be done.")
    enabled: bool = told("Whether the viewer can do it with the session as it is now.")
    reason: str | None = told("Why not, fit to be shown; null when it can be done.")


async def _actions(context: Context, shown: Sequence["Session"]) -> list[list[SessionAvailableAction]]:
    found = await sessions_acts.available(context, [one.row for one in shown])
    return [[SessionAvailableAction(action=x.action, enabled=x.enabled, reason=x.reason) for x in row] for row in found]


async def _candidates(context: Context, shown: Sequence["Session"]) -> list[User | None]:
    people = await identity.people(context, [one.row.user_id for one in shown])
    return [person and User.of(person) for person in people]


async def _assignments(context: Context, shown: Sequence["Session"]) -> list["Assignment | None"]:
    from schema.assignments import Assignment  # noqa: PLC0415 - the types refer to each other

    rows = await assignments.assignments_by_id(context, [one.row.assignment_id for one in shown])
    return [row and Assignment.of(row) for row in rows]


async def _rooms(context: Context, shown: Sequence["Session"]) -> list["Room | None"]:
    from schema.rooms import Room  # noqa: PLC0415 - the types refer to each other

    wanted = list({one.row.room_id for one in shown if one.row.room_id is not None})
    found = {row.id: Room.of(row) for row in await rooms.rooms_by_id(context, wanted) if row} if wanted else {}
    return [None if one.row.room_id is None else found.get(one.row.room_id) for one in shown]


async def _current_sections(context: Context, shown: Sequence["Session"]) -> list[str | None]:
    places = [(one.row.id, at) for one in shown if (at := one.row.current_position) is not None]
    titles = dict(zip(places, await live_sessions.sections(context, places), strict=True))
    return [titles.get((one.row.id, one.row.current_position or 0)) for one in shown]


async def _submissions(context: Context, shown: Sequence["Session"]) -> list["Submission | None"]:
    from schema.submissions import Submission  # noqa: PLC0415 - the types refer to each other

    rows = await sessions.submissions_of(context, [one.row.id for one in shown])
    return [row and Submission.of(row) for row in rows]


@read_from(
    id=id_from("Session"), uuid="row.id", state=enum_from(SessionState, "row.state"), event_count="row.event_seq"
)
@strawberry.type(description="One attempt of one person at an assignment.")
class Session(Node):
    """A session."""

    row: strawberry.Private[DeliverySession]
    state: SessionState = told("The stored state; `displayStatus` adds what the clock says.")
    attempt: int = told("Which attempt of the candidate this is, from 1.")
    created_at: datetime = told("When the invitation was redeemed.")
    started_at: datetime | None = told("When the candidate started the clock; null before.")
    deadline_at: datetime | None = told(
        "When it ends: the close of the window before the start, the personal deadline after it; null without. While "
        "it is paused, the one of the beginning of the pause: resuming moves it by the pause.",
    )
    paused_at: datetime | None = told("Since when it is paused, and where its clock stands; null while it is not.")
    paused_seconds: Decimal = told("How long it was paused before, in seconds to the microsecond.")
    ended_at: datetime | None = told("When it ended; of an expired one this is its deadline. Null before.")
    item_count: int = told("Items of the paper.")
    answered_count: int = told("Items answered.")
    current_position: int | None = told("The item that the candidate is at, from 1; null before the first.")
    focus_lost_count: int = told("How often the focus was lost.")
    focus_lost_at: datetime | None = told("When the focus was lost last.")
    tab_switch_count: int = told("How often the browser tab was switched.")
    paste_count: int = told("How often text was pasted.")
    last_activity_at: datetime | None = told("Last sign of life; null before the start.")
    disconnected_at: datetime | None = told("When the connection was lost; null while it is up.")
    event_count: int = told("Events in the timeline; also the `seq` of the newest.")
    version: int = told("Counts changes of state; a command names the one it was decided on.")

    @strawberry.field(description="What a proctor is shown; EXPIRED as soon as the time is over.")
    @together(_statuses)
    async def display_status(self, info: Info) -> DisplayStatus:
        """Tell the status as of this operation."""
        return await alone(_statuses, info, self)

    @strawberry.field(
        description="Whole seconds that are left, never below 0; a pause leaves them as they are. Null before "
        "the start, after the end and without a limit."
    )
    @together(_remaining)
    async def seconds_remaining(self, info: Info) -> int | None:
        """Tell how much time is left."""
        return await alone(_remaining, info, self)

    @strawberry.field(description="The limits as they were frozen into this session, each with its source.")
    def policy(self) -> Limits:
        """Show the frozen policy."""
        return Limits.of(policies.from_json(self.row.policy))

    @strawberry.field(description="How strictly the session is supervised.")
    def security_level(self) -> SecurityLevel:
        """Derive the level from the frozen policy."""
        return policies.from_json(self.row.policy).security.value.level

    @strawberry.field(description="What is known of its lockdown browser; null when none is required.")
    @together(_lockdowns)
    async def lockdown(self, info: Info) -> SessionLockdown | None:
        """Show the lockdown."""
        return await alone(_lockdowns, info, self)

    @strawberry.field(description="How much attention it needs, and why.")
    def attention(self) -> SessionAttention:
        """Show the attention that it needs."""
        return SessionAttention.of(self.row)

    @strawberry.field(description="How much of the paper is answered, in per cent, rounded down.")
    def progress_percent(self) -> int:
        """Tell the progress."""
        return 100 * self.row.answered_count // self.row.item_count if self.row.item_count else 0

    @strawberry.field(description="Title of the section that the candidate is in; null before the first item.")
    @together(_current_sections)
    async def current_section(self, info: Info) -> str | None:
        """Tell the section."""
        return await alone(_current_sections, info, self)

    @strawberry.field(description="What its telemetry adds up to.")
    async def telemetry(self, info: Info) -> SessionTelemetry:
        """Show the telemetry."""
        return SessionTelemetry.of(self.row.id, await live_sessions.telemetry(info.context, self.row.id))

    @ask(rooms.rooms_by_id, "The room that it is in; null when it is in none.")
    @together(_rooms)
    async def room(self, info: Info) -> Annotated["Room", strawberry.lazy("schema.rooms")] | None:
        """Show the room."""
        return await alone(_rooms, info, self)

    @strawberry.field(description="How the candidate's browser is connected.")
    def connection(self) -> SessionConnectivity:
        """Show the connection."""
        return SessionConnectivity.of(self.row)

    @strawberry.field(description="Whose session it is.")
    @together(_candidates)
    async def candidate(self, info: Info) -> User | None:
        """Show the candidate."""
        return await alone(_candidates, info, self)

    @strawberry.field(description="Every act of a proctor, with whether the viewer can do it now, and else why not.")
    @together(_actions)
    async def available_actions(self, info: Info) -> list[SessionAvailableAction]:
        """Tell what can be done."""
        return await alone(_actions, info, self)

    @ask(assignments.assignment, "The assignment that it belongs to.")
    @together(_assignments)
    async def assignment(self, info: Info) -> Annotated["Assignment", strawberry.lazy("schema.assignments")] | None:
        """Show the assignment."""
        return await alone(_assignments, info, self)

    @ask(sessions.submissions_of, "What was handed in; null before, and when it never was started.")
    @together(_submissions)
    async def submission(self, info: Info) -> Annotated["Submission", strawberry.lazy("schema.submissions")] | None:
        """Show the submission."""
        return await alone(_submissions, info, self)

    @ask(activity.of_subject, "What the activity ledger tells of it, the newest rows first.")
    async def activity(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Activity]:
        """List the ledger's rows."""
        page = PageRequest(first, after, last, before)
        return connect(await activity.of_subject(info.context, "session", self.uuid, page), Activity.of)

    @classmethod
    def of(cls, row: DeliverySession) -> "Session":
        """Show a session."""
        return show(cls, row=row)


@strawberry.input(description="Which sessions are wanted; what is left out does not narrow.")
class SessionFilter:
    """Filter of `sessions`."""

    assignment_id: strawberry.ID | None = told("Only sessions of this assignment.", default=None)
    candidate_id: strawberry.ID | None = told("Only sessions of this person.", default=None)
    run_label: str | None = told("Only sessions of assignments with this run label.", default=None)
    display_status: list[DisplayStatus] | None = told("Only sessions shown as one of these now.", default=None)
    lockdown: list[LockdownState] | None = told(
        "Only sessions that require a lockdown browser and of which this is known now.", default=None
    )
    attention: list[AttentionLevel] | None = told("Only sessions that need this much attention now.", default=None)
    room_id: strawberry.ID | None = told("Only sessions that are in this room now.", default=None)

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        assignment, person, room = self.assignment_id, self.candidate_id, self.room_id
        return Filter(
            None if assignment is None else local_id("Assignment", assignment, path=["filter", "assignmentId"]),
            None if person is None else local_id("User", person, path=["filter", "candidateId"]),
            self.run_label,
            self.display_status,
            self.lockdown,
            self.attention,
            None if room is None else local_id("Room", room, path=["filter", "roomId"]),
        )


@strawberry.input(description="One column of the order of sessions.")
class SessionOrderInput:
    """Order of `sessions`."""

    field: SessionOrder = told("By what to sort.")
    direction: OrderDirection = told("Which way.", default=OrderDirection.ASC)


@strawberry.type
class SessionsQuery:
    """Queries of staff about sessions."""

    @ask(sessions.session, "One session; null when there is none to be seen.")
    async def session(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the session.")]
    ) -> Session | None:
        """Show a session."""
        find = sessions.session_in_company if selects(info, "assignment", "candidate") else sessions.session
        row = await find(info.context, looked_for("Session", id))
        return row and Session.of(row)

    @ask(sessions.sessions_page, "Sessions of the org unit; without an order the newest first.")
    async def sessions(
        self,
        info: Info,
        filter: Annotated[SessionFilter | None, says("Which are wanted.")] = None,
        order_by: Annotated[list[SessionOrderInput] | None, says("In which order, first column first.")] = None,
        first: Annotated[int | None, says("At most this many, 0 to 100; 50 when left out.")] = None,
        after: Annotated[str | None, says("Behind this cursor.")] = None,
        last: Annotated[int | None, says("At most this many from the end, 0 to 100.")] = None,
        before: Annotated[str | None, says("Before this cursor.")] = None,
    ) -> Connection[Session]:
        """List sessions."""
        wanted = (filter or SessionFilter()).plain()
        order = [SortedBy(one.field, descending=one.direction is OrderDirection.DESC) for one in order_by or []]
        page = PageRequest(first=first, after=after, last=last, before=before)
        brief = list_is_brief(info)
        return connect(await sessions.sessions_page(info.context, wanted, order, page, brief=brief), Session.of)
