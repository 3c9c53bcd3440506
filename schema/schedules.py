"""Schedules: what is issued again and again, when it runs next, and what became of each run."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import strawberry

from models.schedules import AssignmentSchedule as ScheduleRow
from models.schedules import AssignmentScheduleRun as RunRow
from models.schedules import RunOutcome, ScheduleStatus
from resolvers import assignments, identity, schedules
from schema.access import Info, ask, says, told
from schema.assignments import Assignment
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, looked_for
from schema.problems import Problem, Refused
from services.paging import PageRequest
from services.recurrence import Frequency, frequency_of
from services.schedules import state


class ScheduleState(StrEnum):
    """Where a schedule stands."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ENDED = "ENDED"
    ARCHIVED = "ARCHIVED"


closed_set(
    ScheduleState,
    "ScheduleState",
    "Where a schedule stands now.",
    {
        ScheduleState.ACTIVE: "It runs when its rule says so.",
        ScheduleState.PAUSED: "It does not run; what it misses is not made up for.",
        ScheduleState.ENDED: "Its last run is over.",
        ScheduleState.ARCHIVED: "It was put away for good.",
    },
)
closed_set(
    Frequency,
    "Frequency",
    "How often something is issued: each choice is a rule.",
    {
        Frequency.DAILY: "Every day.",
        Frequency.WEEKLY: "Every week, on the weekday of the start.",
        Frequency.MONTHLY: "Every month, on the day of the start, or on the month's last day.",
        Frequency.QUARTERLY: "Every 3 months.",
        Frequency.HALF_YEARLY: "Every 6 months.",
        Frequency.YEARLY: "Every 12 months.",
    },
)
closed_set(
    RunOutcome,
    "ScheduleRunOutcome",
    "What became of a run.",
    {
        RunOutcome.ISSUED: "It was issued.",
        RunOutcome.FAILED: "It could not be issued; `problem` says why.",
        RunOutcome.SKIPPED: "Somebody left it out.",
    },
)


@strawberry.type(description="A run to come.")
class PlannedRun:
    """When, and under which label."""

    at: datetime = told("When it runs.")
    run_label: str | None = told("The label that it will have, as things stand; null when that is not known.")


@strawberry.type(description="A run that was dealt with.")
class ScheduleRun:
    """What became of an occurrence."""

    row: strawberry.Private[RunRow]
    occurrence: datetime = told("When it was due.")
    ran_at: datetime = told("When it was dealt with.")
    outcome: RunOutcome = told("What became of it.")
    is_manual: bool = told("True when somebody ran it beside the rule.")
    run_label: str | None = told("Its label; null when nothing was issued.")
    invited_count: int = told("How many people were invited.")
    problem: Problem | None = told("Why nothing was issued; null otherwise.")

    @ask(assignments.assignment, "What was issued; null when nothing was.")
    async def assignment(self, info: Info) -> Assignment | None:
        """Show the assignment."""
        row = await assignments.assignment(info.context, self.row.assignment_id)
        return row and Assignment.of(row)

    @classmethod
    def of(cls, row: RunRow) -> "ScheduleRun":
        """Show a run."""
        return cls(
            row=row,
            occurrence=row.occurrence,
            ran_at=row.created_at,
            outcome=RunOutcome(row.outcome),
            is_manual=row.is_manual,
            run_label=row.run_label,
            invited_count=row.invited,
            problem=None if row.problem is None else Refused(**row.problem),
        )


@strawberry.type(description="Terms and recipients that are issued whenever a rule says so, each time once.")
class AssignmentSchedule(Node):
    """A schedule."""

    row: strawberry.Private[ScheduleRow]
    name: str = told("Name of the schedule.")
    state: ScheduleState = told("Where it stands.")
    frequency: Frequency | None = told("Its rule as a choice; null for any other rule.")
    rule: str = told("When it runs, as an RRULE of RFC 5545; a day that a month does not have is its last.")
    local_start: str = told("From when on, by the clock of its time zone.")
    time_zone: str = told("Whose clock: the tenant's IANA time zone when it was written.")
    window_seconds: int | None = told("How long the window of each run is open; null when the template says or never.")
    ends_count: int | None = told("After how many occurrences it ends; null when that does not end it.")
    ends_on: date | None = told("The last local day; null when there is none.")
    next_run_at: datetime | None = told("When it runs next; null while it does not.")
    recipient_count: int = told("How many recipients are named; a group counts as one.")
    created_at: datetime = told("When it was made.")
    changed_at: datetime = told("When it was changed last.")
    version: int = told("Counts the changes, for `expectedVersion`.")

    @strawberry.field(description="The next three runs with their labels; none while it does not run.")
    async def next_runs(self, info: Info) -> list[PlannedRun]:
        """Show what is to come."""
        return [PlannedRun(at=one.at, run_label=one.label) for one in await schedules.planned(info.context, self.row)]

    @strawberry.field(description="The latest run that was dealt with; null before the first.")
    async def last_run(self, info: Info) -> ScheduleRun | None:
        """Show the latest."""
        row = await schedules.last_run(info.context, self.row.id)
        return row and ScheduleRun.of(row)

    @strawberry.field(description="What became of its runs, the latest first.")
    async def runs(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ScheduleRun]:
        """List runs."""
        page = PageRequest(first, after, last, before)
        return connect(await schedules.runs_page(info.context, self.row.id, page), ScheduleRun.of)

    @strawberry.field(description="Who made it; null when Evalium itself did.")
    async def created_by(self, info: Info) -> User | None:
        """Show who made it."""
        who = self.row.created_by
        person = None if who is None else await identity.person(info.context, who)
        return person and User.of(person)

    @classmethod
    def of(cls, row: ScheduleRow) -> "AssignmentSchedule":
        """Show a schedule."""
        return cls(
            row=row,
            id=global_id("AssignmentSchedule", row.id),
            uuid=row.id,
            name=row.name,
            state=ScheduleState(state(row)),
            frequency=frequency_of(row.rule),
            rule=row.rule,
            local_start=row.local_start,
            time_zone=row.time_zone,
            window_seconds=row.window_seconds,
            ends_count=row.ends_count,
            ends_on=None if row.ends_on is None else date.fromisoformat(row.ends_on),
            next_run_at=row.next_run_at if row.status == ScheduleStatus.ACTIVE else None,
            recipient_count=row.recipient_count,
            created_at=row.created_at,
            changed_at=row.changed_at,
            version=row.version,
        )


@strawberry.type
class SchedulesQuery:
    """Queries about schedules."""

    @ask(schedules.schedule, "One schedule; null when there is none to be seen.")
    async def assignment_schedule(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the schedule.")]
    ) -> AssignmentSchedule | None:
        """Show a schedule."""
        row = await schedules.schedule(info.context, looked_for("AssignmentSchedule", id))
        return row and AssignmentSchedule.of(row)

    @ask(schedules.schedules_page, "The schedules of the org unit, the last changed first.")
    async def assignment_schedules(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        *,
        is_archived: Annotated[bool, says("True for those that were put away instead.")] = False,
    ) -> Connection[AssignmentSchedule]:
        """List schedules."""
        page = PageRequest(first, after, last, before)
        status = [ScheduleStatus.ARCHIVED] if is_archived else [ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED]
        return connect(await schedules.schedules_page(info.context, status, page), AssignmentSchedule.of)
