"""Schedules: planned, changed, paused, resumed, skipped, run, archived and listed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from dataloaders import assignments as assignment_loaders
from dataloaders import authoring as authoring_loaders
from dataloaders import schedules as loaders
from models.capabilities import Capability
from models.schedules import AssignmentSchedule, AssignmentScheduleRun, ScheduleStatus
from resolvers.access import requires
from resolvers.context import Context
from services import invitations, schedules, schedules_run
from services.assignments_terms import terms_of
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.schedules import Plan
from services.work import Work

Shown = AssignmentSchedule | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to come and its label; none while it is not known what is issued."""

    at: datetime
    label: str | None


@requires(Capability.ASSIGNMENTS_READ)
async def schedule(context: Context, schedule_id: UUID | None) -> Shown:
    """Return a schedule of the viewer's org unit."""
    return None if schedule_id is None else await context.loaders.of(loaders.by_id).load(schedule_id)


@requires(Capability.ASSIGNMENTS_READ)
async def schedules_page(
    context: Context, status: Sequence[ScheduleStatus], page: PageRequest
) -> Page[AssignmentSchedule]:
    """List the schedules of the viewer's org unit."""
    return await context.read(schedules.listed, status, page)


@requires(Capability.ASSIGNMENTS_READ)
async def of_assignment(context: Context, assignment_id: UUID) -> Shown:
    """Return the schedule that has issued an assignment."""
    found = await context.loaders.of(loaders.of_assignments).load(assignment_id)
    return await schedule(context, found)


async def last_run(context: Context, schedule_id: UUID) -> AssignmentScheduleRun | None:
    """Return the latest run of a schedule that the viewer may see."""
    return await context.loaders.of(loaders.last_runs).load(schedule_id)


async def runs_page(context: Context, schedule_id: UUID, page: PageRequest) -> Page[AssignmentScheduleRun]:
    """List the runs of a schedule that the viewer may see."""
    return await context.read(schedules.runs_page, schedule_id, page)


async def planned(context: Context, row: AssignmentSchedule) -> list[Planned]:
    """Return the next runs of a schedule, with the labels that they will have as things stand."""
    terms = terms_of(row.terms)
    template = None
    if terms.template_id is not None:
        template = await context.loaders.of(assignment_loaders.templates).load(terms.template_id)
    version_id = terms.evaluation_version_id or (template and terms_of(template.terms).evaluation_version_id)
    version = None
    if version_id is not None:
        version = await context.loaders.of(authoring_loaders.evaluation_versions).load(version_id)
    return [
        Planned(at, None if version is None else schedules.label(row, at, version, template))
        for at in schedules.planned(row)
    ]


@requires(Capability.SCHEDULES_MANAGE)
async def schedule_create(context: Context, plan: Plan, key: str | None) -> Shown:
    """Keep a schedule."""
    return await _done(context, "assignmentScheduleCreate", key, asdict(plan), partial(schedules.create, plan=plan))


@requires(Capability.SCHEDULES_MANAGE)
async def schedule_update(
    context: Context, schedule_id: UUID, plan: Plan, expected_version: int | None, key: str | None
) -> Shown:
    """Write a schedule anew."""
    given = {"id": str(schedule_id), "plan": asdict(plan), "version": expected_version}
    act = partial(schedules.update, schedule_id=schedule_id, plan=plan, expected_version=expected_version)
    return await _done(context, "assignmentScheduleUpdate", key, given, act)


@requires(Capability.SCHEDULES_MANAGE)
async def schedule_pause(context: Context, schedule_id: UUID, reason: str, key: str | None) -> Shown:
    """Let a schedule run no more for a while."""
    act = partial(schedules.pause, schedule_id=schedule_id, reason=reason)
    return await _done(context, "assignmentSchedulePause", key, [str(schedule_id), reason], act)


@requires(Capability.SCHEDULES_MANAGE)
async def schedule_resume(context: Context, schedule_id: UUID, key: str | None) -> Shown:
    """Let a paused schedule run again."""
    act = partial(schedules.resume, schedule_id=schedule_id)
    return await _done(context, "assignmentScheduleResume", key, [str(schedule_id)], act)


@requires(Capability.SCHEDULES_MANAGE)
async def schedule_skip(context: Context, schedule_id: UUID, reason: str, key: str | None) -> Shown:
    """Leave out the next run."""
    act = partial(schedules.skip, schedule_id=schedule_id, reason=reason)
    return await _done(context, "assignmentScheduleSkip", key, [str(schedule_id), reason], act)


@requires(Capability.SCHEDULES_MANAGE)
async def schedule_run_now(context: Context, schedule_id: UUID, key: str | None) -> Shown:
    """Issue once beside the rule."""
    link = partial(invitations.link, context.house.site, context.house.tokens)
    act = partial(schedules_run.run_now, schedule_id=schedule_id, link=link)
    return await _done(context, "assignmentScheduleRunNow", key, [str(schedule_id)], act)


@requires(Capability.SCHEDULES_MANAGE)
async def schedule_archive(context: Context, schedule_id: UUID, reason: str, key: str | None) -> Shown:
    """Put a schedule away for good."""
    act = partial(schedules.archive, schedule_id=schedule_id, reason=reason)
    return await _done(context, "assignmentScheduleArchive", key, [str(schedule_id), reason], act)


async def _done(
    context: Context, name: str, key: str | None, given: object, act: Callable[[Work], Awaitable[Answer]]
) -> Shown:
    answer = await context.write(name, key, given, act)
    return await context.loaders.of(loaders.by_id).load(UUID(answer["schedule"]))
