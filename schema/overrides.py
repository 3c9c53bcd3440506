"""Overrides: exceptions from an assignment's limits for a person or a group, and what they would do."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.overrides import AssignmentOverride, OverrideKind
from resolvers import assignments, overrides
from schema.access import Info, ask, preview, says, told
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import Group, User
from schema.nodes import Node, global_id, local_id
from schema.overrides_inputs import OverrideChangeInput, OverrideTargetInput
from schema.policy import Limits
from schema.problems import Problem, attempt
from schema.sessions import Session
from services.overrides import Affected, Filter, Plan, Wanted
from services.overrides_words import LimitChange, changes
from services.paging import PageRequest

if TYPE_CHECKING:
    from schema.assignments import Assignment

MOST_SHOWN = 100

closed_set(
    OverrideKind,
    "OverrideKind",
    "Which limit an override touches.",
    {
        OverrideKind.EXTENSION: "Seconds added to the working time, after the multiplier.",
        OverrideKind.ADDED_ATTEMPTS: "Attempts added to those that are allowed.",
        OverrideKind.TIME_LIMIT: "Another time limit, in seconds.",
        OverrideKind.TIME_MULTIPLIER: "Another factor on the time limit.",
        OverrideKind.ALLOWED_ATTEMPTS: "Another number of allowed attempts.",
        OverrideKind.WINDOW_UNTIL: "Another close of the window.",
    },
)


@strawberry.type(description="One decision about limits. It never changes; taking it back is another one.")
class Override(Node):
    """A row of the ledger of overrides."""

    row: strawberry.Private[AssignmentOverride]
    kind: OverrideKind = told("Which limit it touches.")
    amount: Decimal | None = told("Seconds, attempts or a factor, by the kind; null for an instant or no bound.")
    window_until: datetime | None = told("The new close of the window, where that is what it sets.")
    is_unlimited: bool = told("True when it lifts the limit.")
    restrict: bool = told("True when it may be stricter than what it replaces.")
    reason: str = told("Why it was decided.")
    created_at: datetime = told("When it was decided.")
    valid_until: datetime | None = told("Until when new sessions get it; null for good.")

    @strawberry.field(description="The person whom it is for; null when it is for a group.")
    async def user(self, info: Info) -> User | None:
        """Show the person."""
        person = await overrides.person(info.context, self.row.user_id)
        return person and User.of(person)

    @strawberry.field(description="The group that it is for; null when it is for a person.")
    async def group(self, info: Info) -> Group | None:
        """Show the group."""
        row = await overrides.group(info.context, self.row)
        return row and Group.of(row)

    @strawberry.field(description="Who decided it; null when Evalium itself did.")
    async def created_by(self, info: Info) -> User | None:
        """Show who decided."""
        person = await overrides.person(info.context, self.row.created_by)
        return person and User.of(person)

    @ask(assignments.assignment, "The assignment whose limits it touches.")
    async def assignment(self, info: Info) -> Annotated["Assignment", strawberry.lazy("schema.assignments")] | None:
        """Show the assignment."""
        from schema.assignments import Assignment  # noqa: PLC0415 - the types refer to each other

        row = await assignments.assignment(info.context, self.row.assignment_id)
        return row and Assignment.of(row)

    @strawberry.field(description="What it takes back; null unless it is a reversal.")
    async def reverses(self, info: Info) -> "Override | None":
        """Show what is taken back."""
        row = await overrides.reversed_by(info.context, self.row)
        return row and Override.of(row)

    @strawberry.field(description="What took it back; null while it stands.")
    async def reversed_by(self, info: Info) -> "Override | None":
        """Show the reversal."""
        row = await overrides.reversal(info.context, self.row)
        return row and Override.of(row)

    @classmethod
    def of(cls, row: AssignmentOverride) -> "Override":
        """Show an override."""
        return cls(
            row=row,
            id=global_id("Override", row.id),
            uuid=row.id,
            kind=OverrideKind(row.kind),
            amount=row.amount,
            window_until=row.instant,
            is_unlimited=row.is_unlimited,
            restrict=row.restrict,
            reason=row.reason,
            created_at=row.created_at,
            valid_until=row.valid_until,
        )


@strawberry.type(description="One limit, before and after, in words such as `60 minutes → 75 minutes`.")
class OverrideLimitChange:
    """A changed limit."""

    limit: str = told("Which limit: `Working time`, `Attempts` or `Closes`.")
    before: str = told("What holds now.")
    after: str = told("What would hold.")
    text: str = told("Both, with an arrow between them.")

    @classmethod
    def of(cls, change: LimitChange) -> "OverrideLimitChange":
        """Show a changed limit."""
        text = f"{change.before} → {change.after}"
        return cls(limit=change.limit, before=change.before, after=change.after, text=text)


@strawberry.type(description="One recipient, and what the override would do to their limits.")
class OverrideEffect:
    """What happens to one person."""

    affected: strawberry.Private[Affected]
    applies_immediately: bool = told("True when a session that is open changes at once.")
    changes: list[OverrideLimitChange] = told("The limits that would change; empty when none would.")
    deadline_before: datetime | None = told("When the open session ends; null without one, or without an end.")
    deadline_after: datetime | None = told("When it would end.")

    @strawberry.field(description="The person.")
    def user(self) -> User:
        """Show the person."""
        return User.of(self.affected.user)

    @strawberry.field(description="The open session that changes at once; null when there is none.")
    def session(self) -> Session | None:
        """Show the session."""
        return self.affected.session and Session.of(self.affected.session)

    @strawberry.field(description="The limits that hold now, for the open session or the next one.")
    def limits_before(self) -> Limits:
        """Show the limits before."""
        return Limits.of(self.affected.before)

    @strawberry.field(description="The limits that would hold.")
    def limits_after(self) -> Limits:
        """Show the limits after."""
        return Limits.of(self.affected.after)

    @classmethod
    def of(cls, affected: Affected) -> "OverrideEffect":
        """Show what happens to one person."""
        return cls(
            affected=affected,
            applies_immediately=affected.session is not None,
            changes=[OverrideLimitChange.of(one) for one in changes(affected.before, affected.after)],
            deadline_before=affected.deadline_before,
            deadline_after=affected.deadline_after,
        )


@strawberry.type(description="What an override would do now. Nothing was changed.")
class OverridePreview:
    """Answer of `overridePreview`."""

    affected_count: int = told("How many recipients of the assignment it is for.")
    immediate_count: int = told("How many of them sit at this moment, so that their session changes at once.")
    requires_high_stakes_confirmation: bool = told("True when `overrideApply` wants `isHighStakesConfirmed`.")
    effects: list[OverrideEffect] = told(
        f"The recipients by e-mail address, the first {MOST_SHOWN}; each open attempt has an entry of its own."
    )
    problems: list[Problem] = told("Why it would be refused; empty when it would not.")

    @classmethod
    def of(cls, plan: Plan | None, problems: list[Problem]) -> "OverridePreview":
        """Show a plan."""
        affected: Sequence[Affected] = () if plan is None else plan.affected
        return cls(
            affected_count=len({one.user.id for one in affected}),
            immediate_count=len({one.user.id for one in affected if one.session is not None}),
            requires_high_stakes_confirmation=plan is not None and plan.is_high_stakes,
            effects=[OverrideEffect.of(one) for one in affected[:MOST_SHOWN]],
            problems=problems,
        )


@strawberry.input(description="Which overrides are wanted; what is left out does not narrow.")
class OverrideFilter:
    """Filter of `overrides`."""

    assignment_id: strawberry.ID | None = told("Only those of this assignment.", default=None)
    user_id: strawberry.ID | None = told("Only those for this person, or for a group they are in.", default=None)

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        assignment, user = self.assignment_id, self.user_id
        return Filter(
            None if assignment is None else local_id("Assignment", assignment, path=["filter", "assignmentId"]),
            None if user is None else local_id("User", user, path=["filter", "userId"]),
        )


@strawberry.type
class OverridesQuery:
    """Queries about overrides."""

    @preview(overrides.override_preview, "What an override would do now, to whom, and to which open sessions at once.")
    async def override_preview(
        self,
        info: Info,
        assignment_id: Annotated[strawberry.ID, says("Global id of the assignment.")],
        target: Annotated[OverrideTargetInput, says("Whom it would be for.")],
        change: Annotated[OverrideChangeInput, says("What it would do.")],
        *,
        restrict: Annotated[bool, says("True when it may be stricter than what it replaces.")] = False,
    ) -> OverridePreview:
        """Preview."""

        async def planned() -> Plan:
            assignment = local_id("Assignment", assignment_id, path=["assignmentId"])
            wanted = Wanted(assignment_id=assignment, target=target.plain(), change=change.plain(restrict=restrict))
            return await overrides.override_preview(info.context, wanted)

        return OverridePreview.of(*await attempt(planned()))

    @ask(overrides.overrides_page, "The ledger of overrides of one assignment, one person or all, the newest first.")
    async def overrides(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[OverrideFilter | None, says("Which overrides.")] = None,
    ) -> Connection[Override]:
        """List overrides."""
        page, wanted = PageRequest(first, after, last, before), (filter or OverrideFilter()).plain()
        return connect(await overrides.overrides_page(info.context, wanted, page), Override.of)
