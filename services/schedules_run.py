"""Running schedules: each occurrence once, whoever comes by, however often they die (domain.md section 5).

The row of a run, its assignment, its mails and the schedule's next instant are one transaction, which locks it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select

from models.assignments import AssignmentTemplate
from models.schedules import AssignmentSchedule, RunOutcome, ScheduleStatus
from services import assignments_issue, assignments_terms, lockdown_keys, recurrence, schedules
from services.assignments_drafts import recipients_of
from services.assignments_issue import Link
from services.assignments_terms import Terms, terms_of
from services.idempotency import Answer
from services.refusals import InvalidInput, Refusal
from services.work import Work

LATE_SHARE = 10
"""A run that is later than the window's length by this divisor opens its window when it is issued."""


async def due(work: Work, limit: int) -> list[tuple[UUID, UUID]]:
    """Return schedules that have something to run, and their org units, those that have waited longest first."""
    row = AssignmentSchedule
    wanted = select(row.id, row.org_unit_id).where(row.status == ScheduleStatus.ACTIVE)
    wanted = wanted.where(row.next_run_at <= func.evalium_now()).order_by(row.next_run_at, row.id).limit(limit)
    return [(one.id, one.org_unit_id) for one in await work.rows(wanted)]


async def run_due(work: Work, schedule_id: UUID, link: Link | None) -> bool:
    """Run the oldest occurrence that is due, and tell whether there was one; a schedule that another runs is left.

    What cannot be issued is a run that failed, with why: the next occurrence has its own chance.
    """
    wanted = select(AssignmentSchedule).where(AssignmentSchedule.id == schedule_id).with_for_update(skip_locked=True)
    row = (await work.session.scalars(wanted)).one_or_none()
    now = await work.now()
    if row is None or row.status != ScheduleStatus.ACTIVE or row.next_run_at is None or row.next_run_at > now:
        return False
    occurrence = row.next_run_at
    told: dict[str, Any] = {"occurrence": schedules.utc(occurrence)}
    try:
        async with work.session.begin_nested():
            issued = await _issue(work, row, occurrence, link, now)
    except (Refusal, ValidationError) as error:
        refusal = error if isinstance(error, Refusal) else InvalidInput("The schedule cannot be read any more.")
        schedules.add_run(work, row, occurrence, RunOutcome.FAILED, problem=assignments_issue.problem(refusal))
        told |= {"code": refusal.code, "message": refusal.message}
        work.record("schedule.run_failed", ("assignment_schedule", row.id), after=told)
    else:
        schedules.add_run(work, row, occurrence, RunOutcome.ISSUED, **issued)
        told |= {"assignment": str(issued["assignment_id"]), "run_label": issued["run_label"]}
        work.record("schedule.ran", ("assignment_schedule", row.id), after=told)
    row.next_run_at = next(iter(recurrence.following(schedules.recurrence_of(row), occurrence, 1)), None)
    return True


async def run_now(work: Work, schedule_id: UUID, link: Link | None) -> Answer:
    """Issue once beside the rule, which goes on as before; what cannot be issued is refused."""
    row, now = await schedules.held(work, schedule_id), await work.now()
    issued = await _issue(work, row, now, link, now)
    schedules.add_run(work, row, now, RunOutcome.ISSUED, is_manual=True, **issued)
    told = {"assignment": str(issued["assignment_id"]), "run_label": issued["run_label"], "manual": True}
    work.record("schedule.ran", ("assignment_schedule", row.id), after=told)
    return {"schedule": str(row.id)}


async def _issue(
    work: Work, row: AssignmentSchedule, occurrence: datetime, link: Link | None, now: datetime
) -> dict[str, Any]:
    """Issue what a schedule says for an occurrence; returns what its run keeps."""
    terms = terms_of(row.terms)
    template: AssignmentTemplate | None = None
    if terms.template_id is not None:
        template = await assignments_terms.template_of(work, terms.template_id)
    said = terms if template is None else assignments_terms.filled(terms, template, now)[0]
    version = await assignments_terms.version_of(work, said)
    seconds = row.window_seconds or (template and template.window_seconds)
    opens, closes = window(occurrence, now, seconds)
    label = schedules.label(row, occurrence, version, template)
    of_it: Terms = replace(terms, valid_from=opens, valid_until=closes, run_label=label)
    answer = await assignments_issue.issue(work, of_it, recipients_of(row.recipients), link)
    invited = sum(one["invited"] for one in answer["rows"])
    assignment_id = UUID(answer["assignment"])
    await lockdown_keys.take_over(work, assignment_id, row.id)
    return {"assignment_id": assignment_id, "run_label": label, "invited": invited}


def window(occurrence: datetime, now: datetime, seconds: int | None) -> tuple[datetime, datetime | None]:
    """Return when a run's window opens and closes: with the occurrence, or with the issue of a run that comes late."""
    if seconds is None:
        return occurrence, None
    length = timedelta(seconds=seconds)
    opens = occurrence if now - occurrence <= length / LATE_SHARE else now
    return opens, opens + length
