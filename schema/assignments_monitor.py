"""The monitor: every recipient of an assignment, how far they are, and the cursor of the live stream."""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Final

import strawberry

from models.sessions import DeliverySession
from models.submissions import Outcome
from resolvers import assignments, assignments_monitor, sessions
from resolvers.assignments_monitor import Monitored
from resolvers.context import Context
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, Requires, alone, ask, told
from schema.connections import Edge, OrderDirection, PageInfo, page_info
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import global_id
from schema.plans import together
from schema.policy import SecurityLevel
from schema.shown import id_from, read_from, show
from services.assignments_buckets import Bucket
from services.assignments_monitor import LARGEST_PAGE, LONGEST_SEARCH, MonitorOrder, Row
from services.assignments_monitor import Filter as Wanted
from services.paging import PageRequest
from services.refusals import BadUserInput
from services.sessions_status import DisplayStatus

if TYPE_CHECKING:
    from schema.assignments import Invitation
    from schema.sessions import Session

closed_set(
    Bucket,
    "MonitorBucket",
    "How far a recipient has come; their latest attempt counts.",
    {
        Bucket.INVITED: "Not started: invited, and may still start.",
        Bucket.STARTED: "In progress: an attempt was opened and is not over.",
        Bucket.COMPLETED: "Completed: the candidate handed in.",
        Bucket.EXPIRED: "Expired: not started in time, or the attempt ended before the candidate handed in.",
    },
)

closed_set(
    MonitorOrder,
    "MonitorOrderField",
    "By what the rows of a monitor are sorted.",
    {
        MonitorOrder.EMAIL: "The candidate's e-mail address.",
        MonitorOrder.NAME: "The candidate's name.",
        MonitorOrder.LAST_ACTIVITY_AT: "Last sign of life; who has not started counts as the earliest.",
        MonitorOrder.DEADLINE_AT: "When the attempt ends; what does not end counts as the latest.",
        MonitorOrder.FOCUS_LOST_COUNT: "How often the focus was lost.",
        MonitorOrder.ANSWERED_COUNT: "How many items are answered.",
    },
)


@strawberry.input(description="Which rows of a monitor are wanted; what is left out does not narrow.")
class MonitorFilter:
    """Filter of the monitor."""

    buckets: list[Bucket] | None = told("Only recipients in one of these buckets.", default=None)
    display_status: list[DisplayStatus] | None = told(
        "Only recipients whose latest attempt is shown as one of these; this leaves out who has not started.",
        default=None,
    )
    high_stakes_only: bool = told("Only recipients whose attempt is, or would be, high stakes.", default=False)


@strawberry.input(description="One column of the order of a monitor.")
class MonitorOrderInput:
    """Order of the monitor."""

    field: MonitorOrder = told("By what to sort.")
    direction: OrderDirection = told("Which way.", default=OrderDirection.ASC)


@strawberry.type(description="How many recipients are in each bucket; together they are all of the assignment's.")
class BucketCounts:
    """Counts by bucket."""

    invited: int = told("Recipients who have not started and still may.")
    started: int = told("Recipients whose latest attempt is going on.")
    completed: int = told("Recipients who handed in.")
    expired: int = told("Recipients who did not start in time, or whose attempt ended before they handed in.")

    @classmethod
    def of(cls, counted: dict[Bucket, int]) -> "BucketCounts":
        """Show counts."""
        return cls(
            invited=counted[Bucket.INVITED],
            started=counted[Bucket.STARTED],
            completed=counted[Bucket.COMPLETED],
            expired=counted[Bucket.EXPIRED],
        )


async def _sessions(context: Context, shown: Sequence["MonitorRow"]) -> list["Session | None"]:
    from schema.sessions import Session  # noqa: PLC0415 - the types refer to each other

    rows = await sessions.sessions_at_hand(context, [one.row.session for one in shown])
    return [row and Session.of(row) for row in rows]


async def _outcomes(context: Context, shown: Sequence["MonitorRow"]) -> list[Outcome | None]:
    ids = [one.row.session.id for one in shown if one.row.session is not None]
    found = dict(zip(ids, await assignments.outcomes(context, ids), strict=True))
    told = [None if one.row.session is None else found[one.row.session.id] for one in shown]
    return [None if one is None else Outcome(one) for one in told]


_BEFORE_THE_FIRST: Final = SimpleNamespace(
    id=None,
    attempt=0,
    answered_count=0,
    item_count=None,
    deadline_at=None,
    focus_lost_count=0,
    focus_lost_at=None,
    last_activity_at=None,
)
"""Stands for the latest attempt of those who have none."""

_OF_LATEST: Final = [name for name in vars(_BEFORE_THE_FIRST) if name != "id"]


def _session_id(shown: "MonitorRow") -> strawberry.ID | None:
    return None if shown.latest.id is None else global_id("Session", shown.latest.id)


@read_from(
    id=id_from("MonitorRow", "row.target_id"),
    candidate=lambda shown: User.of(shown.row.user),
    session_id=_session_id,
    **{name: f"latest.{name}" for name in _OF_LATEST},
)
@strawberry.type(description="One recipient in the monitor, with their latest attempt.")
class MonitorRow:
    """A row of the monitor."""

    row: strawberry.Private[Row]
    latest: strawberry.Private[DeliverySession | SimpleNamespace]
    id: strawberry.ID = told("Opaque id of the row: a recipient keeps it over all attempts.")
    candidate: User = told("The recipient.")
    bucket: Bucket = told("How far the recipient has come.")
    display_status: DisplayStatus | None = told("What the latest attempt is shown as; null before the first.")
    security_level: SecurityLevel = told("How strictly the attempt is, or would be, supervised.")
    attempt: int = told("Number of the latest attempt; 0 before the first.")
    answered_count: int = told("Items answered in it; 0 before the first.")
    item_count: int | None = told("Items of its paper; null before the first.")
    deadline_at: datetime | None = told("When it ends; null before the first, and when nothing ends it.")
    seconds_remaining: int | None = told(
        "Whole seconds from `asOf` to the deadline, never below 0; null if no clock runs."
    )
    focus_lost_count: int = told("How often the focus was lost in it.")
    focus_lost_at: datetime | None = told("When the focus was lost last.")
    last_activity_at: datetime | None = told("Its last sign of life.")
    session_id: strawberry.ID | None = told("Global id of its session; null before the first.")

    @strawberry.field(description="The recipient's newest invitation.")
    def invitation(self) -> Annotated["Invitation", strawberry.lazy("schema.assignments")]:
        """Show the invitation."""
        from schema.assignments import Invitation  # noqa: PLC0415 - the types refer to each other

        return Invitation.of(self.row.invited)

    @ask(sessions.session, "The session of the latest attempt; null before the first.")
    @together(_sessions)
    async def session(self, info: Info) -> Annotated["Session", strawberry.lazy("schema.sessions")] | None:
        """Show the session."""
        return await alone(_sessions, info, self)

    @strawberry.field(
        description="The outcome by the score that counts; null before anything was handed in, and without the right. "
        "Marks and corrections change it, which `changedAfter` does not tell.",
        directives=[Requires(capability="submissions.read")],
    )
    @together(_outcomes)
    async def outcome(self, info: Info) -> Outcome | None:
        """Show the outcome."""
        return await alone(_outcomes, info, self)

    @classmethod
    def of(cls, row: Row) -> "MonitorRow":
        """Show a row."""
        return show(cls, row=row, latest=row.session or _BEFORE_THE_FIRST)


@strawberry.type(
    description="One page of a monitor, true at one instant, with the cursor from which the stream goes on."
)
class Monitor:
    """A page of the monitor."""

    seen: strawberry.Private[Monitored]
    nodes: list[MonitorRow] = told("The rows alone.")
    page_info: PageInfo = told("Where this page lies.")
    cursor: str = told(
        "Follow `assignmentStream` after it: everything from `asOf` on comes, and nothing twice. Or ask for what "
        "changed after it, as `changedAfter`."
    )
    as_of: datetime = told("The database's clock when the page was read; what a row shows was true then.")

    @strawberry.field(description="The rows with their page cursors.")
    def edges(self) -> list[Edge[MonitorRow]]:
        """Show each row with its cursor."""
        cursors = self.seen.page.cursors
        return [Edge(cursor=cursor, node=node) for cursor, node in zip(cursors, self.nodes, strict=True)]

    @strawberry.field(description="How many rows filter, search and `changedAfter` leave; counted only when asked for.")
    async def total_count(self, info: Info) -> int:
        """Count the list that this page is of."""
        return await assignments_monitor.counted(info.context, self.seen)

    @strawberry.field(
        description=(
            "Ids of the rows that changed after `changedAfter` and are not in the list, because filter or search leave "
            "them out now or nobody is addressed by them any more: drop those that you hold. Empty without it."
        )
    )
    def gone(self) -> list[strawberry.ID]:
        """Name the rows that left."""
        return [global_id("MonitorRow", one) for one in self.seen.gone]

    @strawberry.field(description="All recipients of the assignment by bucket, whatever filter and search say.")
    async def counts(self, info: Info) -> BucketCounts:
        """Count by bucket."""
        return BucketCounts.of(await assignments.counts(info.context, self.seen.assignment_id))

    @classmethod
    def of(cls, seen: Monitored) -> "Monitor":
        """Show a page."""
        return cls(
            seen=seen,
            nodes=[MonitorRow.of(row) for row in seen.page.rows],
            page_info=page_info(seen.page),
            cursor=seen.cursor,
            as_of=seen.as_of,
        )


def page_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """Return which page of the monitor is wanted."""
    return PageRequest(first, after, last, before, largest=LARGEST_PAGE)


def wanted(given: MonitorFilter | None, search: str | None) -> Wanted:
    """Return filter and search as the service reads them; refuse a search that can match nobody."""
    if search is not None and (len(search) > LONGEST_SEARCH or not search.isprintable()):
        raise BadUserInput(f"A search has at most {LONGEST_SEARCH} printable characters.")
    chosen = given or MonitorFilter()
    return Wanted(
        buckets=chosen.buckets,
        display_status=chosen.display_status,
        high_stakes_only=chosen.high_stakes_only,
        search=search,
    )
