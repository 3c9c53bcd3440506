"""Assignments: issued to people, redeemed once, closed with a reason (domain.md section 5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import strawberry

from models.assignments import Assignment as AssignmentRow
from models.assignments import AssignmentStatus, InvitationStatus
from models.messages import MessageChange
from resolvers import (
    activity,
    assignments,
    assignments_monitor,
    authoring,
    identity,
    lockdown,
    messages,
    public_links,
    results,
    schedules,
    sessions,
)
from resolvers.context import Context
from schema import messages as _  # noqa: F401 - describes the enum used here
from schema.access import Info, Requires, alone, ask, says, told
from schema.activity import Activity
from schema.assignments_monitor import (
    BucketCounts,
    Monitor,
    MonitorFilter,
    MonitorOrderInput,
    page_request,
    wanted,
)
from schema.connections import Connection, OrderDirection, connect
from schema.enums import closed_set
from schema.identity import Group, User
from schema.lockdown import AssignmentLockdown
from schema.nodes import Node, global_id, local_id, looked_for
from schema.plans import together
from schema.policy import Limits, SecurityLevel
from schema.results_shown import ResultRelease
from schema.sessions_brief import monitor_is_brief
from schema.shown import enum_from, id_from, read_from, show
from services.assignments import AssignmentOrder
from services.assignments import Filter as Wanted
from services.assignments_monitor import LARGEST_PAGE
from services.invitations import Invited
from services.messages_history import Delivery
from services.paging import PageRequest

if TYPE_CHECKING:
    from schema.authoring_evaluations import EvaluationVersion
    from schema.public_links import PublicLink
    from schema.schedules import AssignmentSchedule
    from schema.sessions import Session

closed_set(
    AssignmentStatus,
    "AssignmentStatus",
    "Whether an assignment can be started.",
    {
        AssignmentStatus.ACTIVE: "Its invitations can be redeemed while the window is open.",
        AssignmentStatus.CLOSED: "Nobody can start any more; sessions that exist went on.",
    },
)

closed_set(
    InvitationStatus,
    "InvitationStatus",
    "Where an invitation stands now.",
    {
        InvitationStatus.SENT: "Sent, and not redeemed yet.",
        InvitationStatus.ACCEPTED: "Redeemed; the session waits for its start.",
        InvitationStatus.STARTED: "The session is going on.",
        InvitationStatus.SUBMITTED: "The candidate handed in.",
        InvitationStatus.EXPIRED: "Not redeemed in time, or the session ended before the candidate handed in.",
        InvitationStatus.REVOKED: "Withdrawn.",
    },
)

closed_set(
    AssignmentOrder,
    "AssignmentOrderField",
    "By what assignments are sorted.",
    {
        AssignmentOrder.CREATED_AT: "When it was issued.",
        AssignmentOrder.NAME: "Its name.",
        AssignmentOrder.RUN_LABEL: "Its run label.",
    },
)

First = Annotated[int | None, says("At most this many rows, 0 to 100; 50 when left out.")]
Last = Annotated[int | None, says("The last so many rows, instead of the first.")]
After = Annotated[str | None, says("Only rows after this page cursor.")]
Before = Annotated[str | None, says("Only rows before this page cursor.")]


@strawberry.type(description="How far the newest mail of an invitation has come.")
class InvitationDelivery:
    """Delivery of a mail."""

    state: MessageChange = told("What happened to it last.")
    at: datetime = told("When that was.")
    detail: str | None = told("What the mail server said, or why it was given up.")

    @classmethod
    def of(cls, found: Delivery) -> "InvitationDelivery":
        """Show how far it has come."""
        return cls(state=found.change, at=found.at, detail=found.detail)


async def _deliveries(context: Context, shown: Sequence["Invitation"]) -> list[InvitationDelivery | None]:
    found = await messages.deliveries(context, [one.invited.invitation.id for one in shown])
    return [one and InvitationDelivery.of(one) for one in found]


@strawberry.type(description="Permission for one person to start one attempt.")
class Invitation(Node):
    """An invitation."""

    invited: strawberry.Private[Invited]
    status: InvitationStatus = told("Where it stands now.")
    ordinal: int = told("Counts the invitations of this person to this assignment: 1, 2, 3.")
    sent_at: datetime = told("When it was sent.")
    expires_at: datetime = told("Until when it can be redeemed.")
    accepted_at: datetime | None = told("When it was redeemed; null before.")
    is_self_declared: bool = told("True when a public link was used: nobody has proven the address.")

    @strawberry.field(description="Whom it invites.")
    async def candidate(self, info: Info) -> User | None:
        """Show the person."""
        person = await identity.person(info.context, self.invited.invitation.user_id)
        return person and User.of(person)

    @strawberry.field(
        description="How far its newest mail has come; null when none was sent, and without the right.",
        directives=[Requires(capability="messages.read")],
    )
    @together(_deliveries)
    async def delivery(self, info: Info) -> InvitationDelivery | None:
        """Show how far the mail has come."""
        return await alone(_deliveries, info, self)

    @ask(assignments.assignment, "The assignment that it is for.")
    async def assignment(self, info: Info) -> "Assignment | None":
        """Show the assignment."""
        row = await assignments.assignment(info.context, self.invited.invitation.assignment_id)
        return row and Assignment.of(row)

    @ask(sessions.session, "The session that came of it; null before it was redeemed.")
    async def session(self, info: Info) -> Annotated["Session", strawberry.lazy("schema.sessions")] | None:
        """Show the session."""
        from schema.sessions import Session  # noqa: PLC0415 - the types refer to each other

        session_id = self.invited.invitation.session_id
        row = None if session_id is None else await sessions.session(info.context, session_id)
        return row and Session.of(row)

    @classmethod
    def of(cls, invited: Invited) -> "Invitation":
        """Show an invitation."""
        row = invited.invitation
        return cls(
            invited=invited,
            id=global_id("Invitation", row.id),
            uuid=row.id,
            status=invited.status,
            ordinal=row.ordinal,
            sent_at=row.sent_at,
            expires_at=row.expires_at,
            accepted_at=row.accepted_at,
            is_self_declared=row.public_link_id is not None,
        )


CHANGED_AFTER: Final = (
    "Only rows that may have changed after the `cursor` of a page that was read with the same filter and search: by "
    "what happened, by a changed invitation, person, group or limit, or by the clock. Merge them by `id`: drop the "
    "rows of `gone`, replace or add those of `nodes`, sort again, keep the new `cursor`. A row may come again "
    "unchanged. If there are more pages, read them with `after` and the same `changedAfter`, and keep the cursor of "
    "the first. Refused with `CURSOR_EXPIRED` where the list has to be read anew."
)


@read_from(id=id_from("Assignment"), uuid="row.id", status=enum_from(AssignmentStatus, "row.status"))
@strawberry.type(description="An evaluation version issued to people: who may sit it, when, and under which limits.")
class Assignment(Node):
    """An assignment."""

    row: strawberry.Private[AssignmentRow]
    name: str = told("Its name, for staff.")
    run_label: str = told("Groups its results in reports, such as `Compliance_Q1_2026`.")
    status: AssignmentStatus = told("Whether it can be started.")
    valid_from: datetime | None = told("When the window opens; null when it is open from the start.")
    valid_until: datetime | None = told("When the window closes; null when it has no end.")
    remind_before_start_seconds: int | None = told("Seconds before the opening at which people are reminded; or null.")
    remind_before_deadline_seconds: int | None = told("Seconds before the close at which people are reminded; or null.")
    created_at: datetime = told("When it was issued.")
    closed_at: datetime | None = told("When it was closed; null while it is active.")

    @strawberry.field(description="Who issued it; null when Evalium itself did.")
    async def created_by(self, info: Info) -> User | None:
        """Show who issued it."""
        person = await assignments.creator(info.context, self.row)
        return person and User.of(person)

    @ask(authoring.evaluation_version, "What was issued; it never changes.")
    async def evaluation_version(
        self, info: Info
    ) -> Annotated["EvaluationVersion", strawberry.lazy("schema.authoring_evaluations")] | None:
        """Show the evaluation version."""
        from schema.authoring_evaluations import EvaluationVersion  # noqa: PLC0415 - the types refer to each other

        row = await authoring.evaluation_version(info.context, self.row.evaluation_version_id)
        return row and EvaluationVersion.of(row)

    @strawberry.field(description="The schedule that has issued it; null when a person has.")
    async def schedule(self, info: Info) -> Annotated["AssignmentSchedule", strawberry.lazy("schema.schedules")] | None:
        """Show the schedule."""
        from schema.schedules import AssignmentSchedule  # noqa: PLC0415 - the types refer to each other

        row = await schedules.of_assignment(info.context, self.row.id)
        return row and AssignmentSchedule.of(row)

    @strawberry.field(description="The limits that a session gets which is made now, each with its source.")
    async def limits(self, info: Info) -> Limits:
        """Resolve the limits."""
        return Limits.of(await assignments.policy(info.context, self.row))

    @strawberry.field(
        description="The limits that a session of one recipient gets which is made now, what is personal included; "
        "null for who is no recipient."
    )
    async def limits_for(
        self, info: Info, user_id: Annotated[strawberry.ID, says("Global id of the person.")]
    ) -> Limits | None:
        """Resolve one person's limits."""
        found = await assignments.policy_of_person(info.context, self.row.id, looked_for("User", user_id))
        return found and Limits.of(found)

    @strawberry.field(description="How strictly it is supervised.")
    async def security_level(self, info: Info) -> SecurityLevel:
        """Derive the level."""
        return (await assignments.policy(info.context, self.row)).security.value.level

    @strawberry.field(description="The keys of Safe Exam Browser that count for it.")
    async def lockdown(self, info: Info) -> AssignmentLockdown:
        """Show the lockdown."""
        return AssignmentLockdown.of(await lockdown.keys_of(info.context, self.row.id))

    @strawberry.field(description="Its recipients by how far they have come.")
    async def counts(self, info: Info) -> BucketCounts:
        """Count by bucket."""
        return BucketCounts.of(await assignments.counts(info.context, self.row.id))

    @strawberry.field(
        description="The groups that it addresses, by name: whoever is in one of them when they start may start."
    )
    async def groups(self, info: Info) -> list[Group]:
        """Show the groups."""
        return [Group.of(row) for row in await assignments.groups(info.context, self.row.id)]

    @ask(
        results.of_assignment,
        "What was decided last on telling its results to candidates; null: they are told at once.",
    )
    async def result_release(self, info: Info) -> ResultRelease | None:
        """Show the decision."""
        row = await results.of_assignment(info.context, self.row.id)
        return row and ResultRelease.of(row)

    @ask(public_links.of_assignment, "Its public links, oldest first, with the address of each.")
    async def public_links(self, info: Info) -> list[Annotated["PublicLink", strawberry.lazy("schema.public_links")]]:
        """Show the public links."""
        from schema.public_links import PublicLink  # noqa: PLC0415 - the types refer to each other

        return [PublicLink.of(row) for row in await public_links.of_assignment(info.context, self.row.id)]

    @ask(assignments.invitations_page, "Its invitations, in the order in which they were sent.")
    async def invitations(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Invitation]:
        """List the invitations."""
        wanted_page = PageRequest(first, after, last, before)
        return connect(await assignments.invitations_page(info.context, self.row.id, wanted_page), Invitation.of)

    @ask(
        assignments_monitor.monitor,
        "Its recipients with their latest attempts, and the cursor of the live stream; null without the right.",
    )
    async def monitor(
        self,
        info: Info,
        first: Annotated[int | None, says(f"At most this many rows, 0 to {LARGEST_PAGE}; 50 when left out.")] = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[MonitorFilter | None, says("Which rows.")] = None,
        search: Annotated[
            str | None, says("Only whose name or e-mail address begins so; capitals do not count.")
        ] = None,
        order_by: Annotated[list[MonitorOrderInput] | None, says("Sorted by these; by e-mail when left out.")] = None,
        changed_after: Annotated[str | None, says(CHANGED_AFTER)] = None,
    ) -> Monitor | None:
        """Show a page of the monitor."""
        orders = [(one.field, one.direction is OrderDirection.DESC) for one in order_by or []]
        page = page_request(first, after, last, before)
        chosen = wanted(filter, search)
        brief = monitor_is_brief(info)
        seen = await assignments_monitor.monitor(
            info.context, self.row, chosen, orders, page, changed_after, brief=brief
        )
        return Monitor.of(seen)

    @ask(activity.of_assignment, "What the activity ledger tells of it and of its sessions, the newest rows first.")
    async def activity(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Activity]:
        """List the ledger's rows."""
        page = PageRequest(first, after, last, before)
        return connect(await activity.of_assignment(info.context, self.uuid, page), Activity.of)

    @classmethod
    def of(cls, row: AssignmentRow) -> "Assignment":
        """Show an assignment."""
        return show(cls, row=row)


@strawberry.input(description="Which assignments are wanted; what is left out does not narrow.")
class AssignmentFilter:
    """Filter of `assignments`."""

    status: list[AssignmentStatus] | None = told("Only those in one of these states.", default=None)
    evaluation_version_id: strawberry.ID | None = told("Only those of this evaluation version.", default=None)
    run_label: str | None = told("Only those with exactly this run label.", default=None)
    search: str | None = told("Only those whose name begins so; capitals do not count.", default=None)

    def plain(self) -> Wanted:
        """Return the filter as the service reads it."""
        version = self.evaluation_version_id
        path = ["filter", "evaluationVersionId"]
        return Wanted(
            status=self.status,
            evaluation_version_id=None if version is None else local_id("EvaluationVersion", version, path=path),
            run_label=self.run_label,
            search=self.search,
        )


@strawberry.input(description="One column of the order of assignments.")
class AssignmentOrderInput:
    """Order of `assignments`."""

    field: AssignmentOrder = told("By what to sort.")
    direction: OrderDirection = told("Which way.", default=OrderDirection.ASC)


@strawberry.type
class AssignmentsQuery:
    """Queries about assignments."""

    @ask(assignments.assignment, "One assignment; null when there is none to be seen.")
    async def assignment(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the assignment.")]
    ) -> Assignment | None:
        """Show an assignment."""
        row = await assignments.assignment(info.context, looked_for("Assignment", id))
        return row and Assignment.of(row)

    @ask(
        assignments.assignments_page, "The assignments of the org unit, newest first unless another order is asked for."
    )
    async def assignments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[AssignmentFilter | None, says("Which assignments.")] = None,
        order_by: Annotated[list[AssignmentOrderInput] | None, says("Sorted by these, in this order.")] = None,
    ) -> Connection[Assignment]:
        """List assignments."""
        orders = [(one.field, one.direction is OrderDirection.DESC) for one in order_by or []]
        page = PageRequest(first, after, last, before)
        return connect(
            await assignments.assignments_page(info.context, (filter or AssignmentFilter()).plain(), orders, page),
            Assignment.of,
        )
