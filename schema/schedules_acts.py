"""What changes schedules: create, update, pause, resume, skip, run now, archive."""

from collections.abc import Awaitable
from datetime import date, datetime
from typing import Annotated

import strawberry

from models.schedules import AssignmentSchedule as ScheduleRow
from resolvers import schedules
from schema.access import Info, act, says, told
from schema.assignments_terms import AssignmentTermsInput
from schema.nodes import local_id
from schema.problems import Problem, attempt
from schema.schedules import AssignmentSchedule
from schema.users_acts import KEY, WHY
from services.recurrence import RULES, Frequency
from services.refusals import InvalidInput
from services.schedules import Plan, When

KIND = "AssignmentSchedule"


@strawberry.input(description="When it runs: a choice or a rule, from a local start on, and its end, if it has one.")
class RecurrenceInput:
    """When."""

    frequency: Frequency | None = told("How often; leave it out to write a rule.", default=None)
    rule: str | None = told(
        "An RRULE of RFC 5545 such as `FREQ=MONTHLY;BYDAY=1MO`, without COUNT, UNTIL and times of day.", default=None
    )
    local_start: str = told("From when on, by the clock of the tenant's time zone, such as `2026-01-31T09:00`.")
    ends_count: int | None = told("After how many occurrences it ends, 1 to 10000, from the start.", default=None)
    ends_on: date | None = told("The last local day, instead of a count.", default=None)

    def plain(self) -> When:
        """Return it as the service reads it; refuse both or neither of frequency and rule, and a start that is none."""
        if (self.frequency is None) == (self.rule is None):
            raise InvalidInput("Choose either a frequency or a rule.", path=["recurrence"])
        rule = self.rule or (RULES[self.frequency] if self.frequency is not None else "")
        try:
            start = datetime.fromisoformat(self.local_start)
        except ValueError:
            raise InvalidInput(
                f"'{self.local_start[:40]}' is not a local time.",
                path=["recurrence", "localStart"],
                hint="Write it as 2026-01-31T09:00.",
            ) from None
        return When(rule=rule, local_start=start, count=self.ends_count, until=self.ends_on)


@strawberry.input(description="A schedule to keep.")
class AssignmentScheduleCreateInput:
    """What a schedule says."""

    name: str = told("Name of the schedule, 1 to 200 characters.")
    terms: AssignmentTermsInput = told(
        "What is issued and to whom, without a window. `runLabel` is the beginning of each run's label."
    )
    recurrence: RecurrenceInput = told("When it runs.")
    window_seconds: int | None = told(
        "How long the window of each run is open, 60 to 31622400 seconds; as the template says, or without an "
        "end, when left out.",
        default=None,
    )
    idempotency_key: str | None = told(KEY, default=None)

    def plan(self) -> Plan:
        """Return what the schedule says as the service reads it."""
        content, when = self.terms.content(), self.recurrence.plain()
        return Plan(name=self.name, content=content, when=when, window_seconds=self.window_seconds)


@strawberry.input(description="A schedule to write anew.")
class AssignmentScheduleUpdateInput(AssignmentScheduleCreateInput):
    """Which schedule, and what it says."""

    id: strawberry.ID = told("Global id of the schedule.")
    expected_version: int | None = told("Version that the change was decided on; any when left out.", default=None)


@strawberry.input(description="A schedule to pause.")
class AssignmentSchedulePauseInput:
    """Which schedule."""

    id: strawberry.ID = told("Global id of the schedule.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A schedule to resume.")
class AssignmentScheduleResumeInput:
    """Which schedule."""

    id: strawberry.ID = told("Global id of the schedule.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A schedule whose next run is left out.")
class AssignmentScheduleSkipInput:
    """Which schedule."""

    id: strawberry.ID = told("Global id of the schedule.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A schedule to run now.")
class AssignmentScheduleRunNowInput:
    """Which schedule."""

    id: strawberry.ID = told("Global id of the schedule.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A schedule to put away.")
class AssignmentScheduleArchiveInput:
    """Which schedule."""

    id: strawberry.ID = told("Global id of the schedule.")
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A schedule as kept.")
class AssignmentScheduleCreatePayload:
    """Answer of `assignmentScheduleCreate`."""

    schedule: AssignmentSchedule | None = told("The schedule; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A schedule as changed.")
class AssignmentScheduleUpdatePayload:
    """Answer of `assignmentScheduleUpdate`."""

    schedule: AssignmentSchedule | None = told("The schedule; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A schedule as paused.")
class AssignmentSchedulePausePayload:
    """Answer of `assignmentSchedulePause`."""

    schedule: AssignmentSchedule | None = told("The schedule; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A schedule as resumed.")
class AssignmentScheduleResumePayload:
    """Answer of `assignmentScheduleResume`."""

    schedule: AssignmentSchedule | None = told("The schedule; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A schedule as changed.")
class AssignmentScheduleSkipPayload:
    """Answer of `assignmentScheduleSkip`."""

    schedule: AssignmentSchedule | None = told("The schedule; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A schedule as run.")
class AssignmentScheduleRunNowPayload:
    """Answer of `assignmentScheduleRunNow`."""

    schedule: AssignmentSchedule | None = told("The schedule; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type(description="A schedule as archived.")
class AssignmentScheduleArchivePayload:
    """Answer of `assignmentScheduleArchive`."""

    schedule: AssignmentSchedule | None = told("The schedule; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done.")


@strawberry.type
class SchedulesMutation:
    """Acts on schedules."""

    @act(schedules.schedule_create, "Issue again and again, whenever a rule says so.")
    async def assignment_schedule_create(
        self, info: Info, input: Annotated[AssignmentScheduleCreateInput, says("What, to whom and when.")]
    ) -> AssignmentScheduleCreatePayload:
        """Create."""

        async def done() -> ScheduleRow | None:
            return await schedules.schedule_create(info.context, input.plan(), input.idempotency_key)

        row, problems = await _shown(done())
        return AssignmentScheduleCreatePayload(schedule=row, problems=problems)

    @act(schedules.schedule_update, "Write a schedule anew; it goes by the new rule from now on.")
    async def assignment_schedule_update(
        self, info: Info, input: Annotated[AssignmentScheduleUpdateInput, says("Which, and what it says.")]
    ) -> AssignmentScheduleUpdatePayload:
        """Update."""

        async def done() -> ScheduleRow | None:
            return await schedules.schedule_update(
                info.context, local_id(KIND, input.id), input.plan(), input.expected_version, input.idempotency_key
            )

        row, problems = await _shown(done())
        return AssignmentScheduleUpdatePayload(schedule=row, problems=problems)

    @act(schedules.schedule_pause, "Let a schedule run no more until it is resumed; what it misses is not made up for.")
    async def assignment_schedule_pause(
        self, info: Info, input: Annotated[AssignmentSchedulePauseInput, says("Which, and why.")]
    ) -> AssignmentSchedulePausePayload:
        """Pause."""

        async def done() -> ScheduleRow | None:
            return await schedules.schedule_pause(
                info.context, local_id(KIND, input.id), input.reason, input.idempotency_key
            )

        row, problems = await _shown(done())
        return AssignmentSchedulePausePayload(schedule=row, problems=problems)

    @act(schedules.schedule_resume, "Let a paused schedule run again, from its next occurrence on.")
    async def assignment_schedule_resume(
        self, info: Info, input: Annotated[AssignmentScheduleResumeInput, says("Which.")]
    ) -> AssignmentScheduleResumePayload:
        """Resume."""

        async def done() -> ScheduleRow | None:
            return await schedules.schedule_resume(info.context, local_id(KIND, input.id), input.idempotency_key)

        row, problems = await _shown(done())
        return AssignmentScheduleResumePayload(schedule=row, problems=problems)

    @act(schedules.schedule_skip, "Leave out the next run of an active schedule.")
    async def assignment_schedule_skip(
        self, info: Info, input: Annotated[AssignmentScheduleSkipInput, says("Which, and why.")]
    ) -> AssignmentScheduleSkipPayload:
        """Skip."""

        async def done() -> ScheduleRow | None:
            return await schedules.schedule_skip(
                info.context, local_id(KIND, input.id), input.reason, input.idempotency_key
            )

        row, problems = await _shown(done())
        return AssignmentScheduleSkipPayload(schedule=row, problems=problems)

    @act(schedules.schedule_run_now, "Issue once, now, beside the rule, which goes on as before.")
    async def assignment_schedule_run_now(
        self, info: Info, input: Annotated[AssignmentScheduleRunNowInput, says("Which.")]
    ) -> AssignmentScheduleRunNowPayload:
        """RunNow."""

        async def done() -> ScheduleRow | None:
            return await schedules.schedule_run_now(info.context, local_id(KIND, input.id), input.idempotency_key)

        row, problems = await _shown(done())
        return AssignmentScheduleRunNowPayload(schedule=row, problems=problems)

    @act(schedules.schedule_archive, "Put a schedule away for good; what it has issued stays.")
    async def assignment_schedule_archive(
        self, info: Info, input: Annotated[AssignmentScheduleArchiveInput, says("Which, and why.")]
    ) -> AssignmentScheduleArchivePayload:
        """Archive."""

        async def done() -> ScheduleRow | None:
            return await schedules.schedule_archive(
                info.context, local_id(KIND, input.id), input.reason, input.idempotency_key
            )

        row, problems = await _shown(done())
        return AssignmentScheduleArchivePayload(schedule=row, problems=problems)


async def _shown(act: Awaitable[ScheduleRow | None]) -> tuple[AssignmentSchedule | None, list[Problem]]:
    row, problems = await attempt(act)
    return row and AssignmentSchedule.of(row), problems
