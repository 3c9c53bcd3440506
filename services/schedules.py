"""Schedules: terms and recipients that are issued whenever a rule says so (domain.md section 5).

What runs them is `schedules_run`. While one is paused nothing runs, and what would have run is not made up for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from models.assignments import AssignmentTemplate
from models.authoring import EvaluationVersion
from models.base import uuid7
from models.identity import Tenant
from models.schedules import AssignmentSchedule, AssignmentScheduleRun, RunOutcome, ScheduleStatus
from services import assignments_drafts, assignments_templates, assignments_terms, plain, recurrence, run_label, words
from services.assignments_drafts import Content
from services.assignments_recipients import MOST
from services.assignments_terms import Terms, terms_of, terms_to_json
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.recurrence import Recurrence
from services.refusals import InvalidInput, NotFound, StateDrift
from services.work import Work

PLANNED: Final = 3
"""How many of the next runs are shown."""

EARLIEST, LATEST = datetime(2000, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 - by whatever clock
MOST_RUNS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a schedule runs: a rule from a local start on, and its end, if it has one."""

    rule: str
    local_start: datetime
    count: int | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a schedule says. Its terms have no window: that begins with each run and is `window_seconds` long."""

    name: str
    content: Content
    when: When
    window_seconds: int | None = None


async def create(work: Work, plan: Plan) -> Answer:
    """Keep a schedule; refuses one that cannot be issued as it stands, and one that never runs."""
    row = AssignmentSchedule(id=uuid7(), status=ScheduleStatus.ACTIVE, created_by=work.viewer.user_id)
    now = await work.now()
    await _write(work, row, plan, now)
    row.next_run_at = _next(row, now)
    if row.next_run_at is None:
        raise InvalidInput("It would never run.", path=["recurrence"], hint="Choose a later start or another end.")
    work.session.add(row)
    await work.session.flush()
    work.record("schedule.created", ("assignment_schedule", row.id), after=told_of(row))
    return {"schedule": str(row.id)}


async def update(work: Work, schedule_id: UUID, plan: Plan, expected_version: int | None) -> Answer:
    """Write a schedule anew; it runs next when its rule says so after now."""
    row = await held(work, schedule_id, expected_version)
    before, now = told_of(row), await work.now()
    await _write(work, row, plan, now)
    row.next_run_at = _next(row, now)
    row.version += 1
    work.record("schedule.updated", ("assignment_schedule", row.id), before=before, after=told_of(row))
    return {"schedule": str(row.id)}


async def pause(work: Work, schedule_id: UUID, reason: str) -> Answer:
    """Let a schedule run no more until it is resumed."""
    return await _turn(work, schedule_id, ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, words.reason(reason))


async def resume(work: Work, schedule_id: UUID) -> Answer:
    """Let a paused schedule run again, from its next occurrence on: what was missed is not made up for."""
    return await _turn(work, schedule_id, ScheduleStatus.PAUSED, ScheduleStatus.ACTIVE, None)


async def archive(work: Work, schedule_id: UUID, reason: str) -> Answer:
    """Put a schedule away for good; what it has issued stays."""
    row = await held(work, schedule_id)
    return await _turn(work, row.id, ScheduleStatus(row.status), ScheduleStatus.ARCHIVED, words.reason(reason))


async def skip(work: Work, schedule_id: UUID, reason: str) -> Answer:
    """Leave out the next occurrence of an active schedule."""
    why, row = words.reason(reason), await held(work, schedule_id)
    if row.status != ScheduleStatus.ACTIVE or row.next_run_at is None:
        raise StateDrift("There is no next run to be left out.", current_state=state(row))
    occurrence = row.next_run_at
    add_run(work, row, occurrence, RunOutcome.SKIPPED)
    row.next_run_at = _next(row, occurrence)
    told = {"occurrence": occurrence.isoformat()}
    work.record("schedule.skipped", ("assignment_schedule", row.id), reason=why, after=told)
    return {"schedule": str(row.id)}


def add_run(
    work: Work, row: AssignmentSchedule, occurrence: datetime, outcome: RunOutcome, **more: Any
) -> AssignmentScheduleRun:
    """Write down what became of an occurrence; a second time is refused by the key."""
    run = AssignmentScheduleRun(
        id=uuid7(),
        org_unit_id=row.org_unit_id,
        schedule_id=row.id,
        occurrence=occurrence,
        outcome=outcome,
        created_by=work.viewer.user_id,
        **more,
    )
    work.session.add(run)
    return run


def state(row: AssignmentSchedule) -> str:
    """Return where a schedule stands: as it was decided, or that it has run out."""
    has_ended = row.status == ScheduleStatus.ACTIVE and row.next_run_at is None
    return "ENDED" if has_ended else row.status.upper()


def recurrence_of(row: AssignmentSchedule) -> Recurrence:
    """Return when a schedule runs."""
    return Recurrence(
        rule=row.rule,
        start=datetime.fromisoformat(row.local_start),
        zone=row.time_zone,
        count=row.ends_count,
        until=None if row.ends_on is None else date.fromisoformat(row.ends_on),
    )


def planned(row: AssignmentSchedule) -> list[datetime]:
    """Return the next runs of an active schedule."""
    if row.status != ScheduleStatus.ACTIVE or row.next_run_at is None:
        return []
    return [row.next_run_at, *recurrence.following(recurrence_of(row), row.next_run_at, PLANNED - 1)]


def label(
    row: AssignmentSchedule, at: datetime, version: EvaluationVersion, template: AssignmentTemplate | None
) -> str:
    """Return the label of a run: what the terms say as its beginning, or the title, and the period of the run."""
    said = terms_of(row.terms).run_label or (template and terms_of(template.terms).run_label)
    return run_label.generated(
        said or version.title, at.astimezone(ZoneInfo(row.time_zone)).date(), recurrence.period(row.rule)
    )


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, AssignmentSchedule]:
    """Return the schedules with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, AssignmentSchedule, "id", ids)}


async def listed(work: Work, status: Sequence[ScheduleStatus], page: PageRequest) -> Page[AssignmentSchedule]:
    """List the schedules of the viewer's org unit in these states, the last changed first."""
    row = AssignmentSchedule
    orders = [Order(row.changed_at, descending=True), Order(row.id, descending=True)]
    return await paged(work, select(row).where(row.status.in_(status)), orders, page)


async def runs_page(work: Work, schedule_id: UUID, page: PageRequest) -> Page[AssignmentScheduleRun]:
    """List what became of the occurrences of a schedule, the latest first."""
    row = AssignmentScheduleRun
    orders = [Order(row.occurrence, descending=True), Order(row.id, descending=True)]
    return await paged(work, select(row).where(row.schedule_id == schedule_id), orders, page)


async def last_runs(work: Work, ids: Sequence[UUID]) -> dict[UUID, AssignmentScheduleRun]:
    """Return the latest occurrence of each schedule that has been dealt with."""
    row = AssignmentScheduleRun
    latest = select(row).ext(distinct_on(row.schedule_id)).where(row.schedule_id.in_(ids))
    found = await work.session.scalars(latest.order_by(row.schedule_id, row.occurrence.desc()))
    return {one.schedule_id: one for one in found}


async def of_assignments(work: Work, assignment_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return which schedule has issued each of these assignments."""
    row = AssignmentScheduleRun
    wanted = select(row.assignment_id, row.schedule_id).where(row.assignment_id.in_(assignment_ids))
    return {one.assignment_id: one.schedule_id for one in await work.rows(wanted)}


async def held(work: Work, schedule_id: UUID, expected_version: int | None = None) -> AssignmentSchedule:
    """Lock a schedule; refuse one that cannot be seen, is archived or was changed meanwhile."""
    wanted = select(AssignmentSchedule).where(AssignmentSchedule.id == schedule_id).with_for_update()
    row = (await work.session.scalars(wanted.execution_options(populate_existing=True))).one_or_none()
    if row is None:
        raise NotFound("AssignmentSchedule", schedule_id)
    if row.status == ScheduleStatus.ARCHIVED:
        raise StateDrift("The schedule is archived.", current_state="ARCHIVED", current_version=row.version)
    if expected_version is not None and row.version != expected_version:
        raise StateDrift("The schedule was changed meanwhile.", current_state="CHANGED", current_version=row.version)
    return row


def told_of(row: AssignmentSchedule) -> dict[str, Any]:
    """Return what the ledger keeps of a schedule."""
    return {
        "name": row.name,
        "terms": row.terms,
        "recipient_count": row.recipient_count,
        "rule": row.rule,
        "local_start": row.local_start,
        "time_zone": row.time_zone,
        "window_seconds": row.window_seconds,
        "ends_count": row.ends_count,
        "ends_on": row.ends_on,
        "next_run_at": row.next_run_at and row.next_run_at.isoformat(),
    }


async def _turn(
    work: Work, schedule_id: UUID, expected: ScheduleStatus, to: ScheduleStatus, reason: str | None
) -> Answer:
    row = await held(work, schedule_id)
    if row.status != expected:
        raise StateDrift(f"The schedule is {row.status}, not {expected}.", current_state=state(row))
    row.status = to
    row.changed_at = now = await work.now()
    row.version += 1
    due: datetime | None = row.next_run_at
    if to is ScheduleStatus.ACTIVE:
        row.next_run_at = due = _next(row, now)
    act = {ScheduleStatus.ACTIVE: "resumed", ScheduleStatus.PAUSED: "paused", ScheduleStatus.ARCHIVED: "archived"}[to]
    told = {"next_run_at": None if due is None else due.isoformat()}
    work.record(f"schedule.{act}", ("assignment_schedule", row.id), reason=reason, after=told)
    return {"schedule": str(row.id)}


def _next(row: AssignmentSchedule, after: datetime) -> datetime | None:
    return next(iter(recurrence.following(recurrence_of(row), after, 1)), None)


async def _write(work: Work, row: AssignmentSchedule, plan: Plan, now: datetime) -> None:
    content, when = plan.content, plan.when
    _check(content, when)
    assignments_templates.check_window(plan.window_seconds)
    await assignments_terms.made(work, content.terms, now)
    row.name, row.window_seconds = words.name(plan.name), plan.window_seconds
    row.terms, row.recipients = terms_to_json(content.terms), assignments_drafts.recipients_to_json(content.recipients)
    row.recipient_count, row.changed_at = len(content.recipients), now
    row.rule = recurrence.checked(when.rule)
    row.local_start = when.local_start.isoformat(timespec="seconds")
    row.time_zone = (await work.session.scalars(select(Tenant.time_zone))).one()
    row.ends_count, row.ends_on = when.count, None if when.until is None else when.until.isoformat()


def _check(content: Content, when: When) -> None:
    terms: Terms = content.terms
    if terms.valid_from is not None or terms.valid_until is not None:
        raise InvalidInput(
            "A schedule has no fixed window.", path=["terms", "validFrom"], hint="Say how long it is: windowSeconds."
        )
    if not 1 <= len(content.recipients) <= MOST:
        raise InvalidInput(f"There are {len(content.recipients)} recipients; it takes 1 to {MOST}.", path=["terms"])
    if when.local_start.tzinfo is not None or not EARLIEST <= when.local_start < LATEST:
        raise InvalidInput(
            "The start is a time of the local clock between 2000 and 2200.",
            path=["recurrence", "localStart"],
            hint="Write it as 2026-01-31T09:00.",
        )
    if when.count is not None and (when.until is not None or not 1 <= when.count <= MOST_RUNS):
        raise InvalidInput(f"It ends after 1 to {MOST_RUNS} runs, or on a day.", path=["recurrence", "count"])


def utc(at: datetime) -> str:
    """Return an instant as runs are told of it."""
    return at.astimezone(UTC).isoformat()
