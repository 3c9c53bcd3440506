"""Schedules and their runs, by key."""

from uuid import UUID

from models.schedules import AssignmentSchedule, AssignmentScheduleRun
from services import schedules
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[AssignmentSchedule | None]:
    """Return the schedules with these ids, in order; None where there is none to be seen."""
    found = await schedules.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def last_runs(work: Work, ids: list[UUID]) -> list[AssignmentScheduleRun | None]:
    """Return the latest run of each schedule, in order; None where none has been dealt with."""
    found = await schedules.last_runs(work, ids)
    return [found.get(one) for one in ids]


async def of_assignments(work: Work, ids: list[UUID]) -> list[UUID | None]:
    """Return which schedule has issued each assignment, in order; None where a person has."""
    found = await schedules.of_assignments(work, ids)
    return [found.get(one) for one in ids]
