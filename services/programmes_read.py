"""Enrolments as they are looked at: lists by programme, person and state, with progress and attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Text, and_, false, func, literal_column, or_, select

from models.programmes import ProgrammeRequirement
from models.programmes_enrolments import EnrolmentStatus, ProgrammeAttempt, ProgrammeEnrolment, ProgrammeProgress
from services import plain
from services.paging import Order, Page, PageRequest, paged
from services.programmes_rules import Same, same
from services.refusals import InvalidInput
from services.work import Work

MOST_DAYS: Final = 3_660

_NONE: Final = literal_column("0", Integer)
_IN_PROGRESS: Final = literal_column(f"'{EnrolmentStatus.IN_PROGRESS.value}'", Text)
"""Written into the statement: a plan for any value could not use the indexes of those that are held, failed or due."""


class EnrolmentState(StrEnum):
    """An enrolment as people speak of it: each is exactly one of these."""

    IN_PROGRESS = "in_progress"
    OVERDUE = "overdue"
    FAILED = "failed"
    COMPLETED = "completed"
    CERTIFIED = "certified"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which enrolments are wanted; what is None does not narrow."""

    programme_id: UUID | None = None
    user_id: UUID | None = None
    states: Sequence[EnrolmentState] | None = None
    is_held: bool | None = None
    expires_within_days: int | None = None
    is_renewal: bool | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far somebody is with one requirement, and what was issued to them for it, the first attempt first."""

    row: ProgrammeProgress
    requirement: ProgrammeRequirement
    attempts: Sequence[ProgrammeAttempt]


def state(row: ProgrammeEnrolment, now: datetime) -> EnrolmentState:
    """Return what an enrolment is shown as: failed comes before overdue."""
    if row.status == EnrolmentStatus.CERTIFIED and row.expires_at is not None and row.expires_at <= now:
        return EnrolmentState.EXPIRED
    if row.status != EnrolmentStatus.IN_PROGRESS:
        return EnrolmentState(row.status)
    if row.failed_count:
        return EnrolmentState.FAILED
    is_late = row.due_at is not None and row.due_at <= now
    return EnrolmentState.OVERDUE if is_late else EnrolmentState.IN_PROGRESS


async def listed(work: Work, wanted: Filter, page: PageRequest) -> Page[ProgrammeEnrolment]:
    """List enrolments of the viewer's org unit, the newest first."""
    row = ProgrammeEnrolment
    statement = select(row)
    if wanted.programme_id is not None:
        statement = statement.where(row.programme_id == wanted.programme_id)
    if wanted.user_id is not None:
        statement = statement.where(row.user_id == wanted.user_id)
    if wanted.states is not None:
        statement = statement.where(or_(false(), *[_shown_as(one) for one in wanted.states]))
    if wanted.is_held is not None:
        statement = statement.where(row.held_count > _NONE if wanted.is_held else row.held_count == _NONE)
    if wanted.expires_within_days is not None:
        statement = statement.where(_expires_within(wanted.expires_within_days))
    if wanted.is_renewal is not None:
        statement = statement.where((row.renewal_of_id.is_not(None)) == wanted.is_renewal)
    return await paged(work, statement, [Order(row.created_at, descending=True), Order(row.id, descending=True)], page)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, ProgrammeEnrolment]:
    """Return the enrolments with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, ProgrammeEnrolment, "id", ids)}


async def progress_of(work: Work, enrolment_ids: Sequence[UUID]) -> dict[UUID, list[Progress]]:
    """Return how far each of these enrolments is by its version, in the order of the requirements; four statements.

    Attempts that were issued under another version count where they were at the same.
    """
    versions = {row.id: row.version_id for row in await plain.by(work, ProgrammeEnrolment, "id", enrolment_ids)}
    rows = await plain.by(work, ProgrammeProgress, "enrolment_id", enrolment_ids)
    needed = await plain.by(work, ProgrammeRequirement, "id", list({row.requirement_id for row in rows}))
    requirements = {row.id: row for row in needed}
    whose = {row.id: (row.enrolment_id, same(requirements[row.requirement_id])) for row in rows}
    attempts: dict[tuple[UUID, Same], list[ProgrammeAttempt]] = {}
    for one in await plain.by(work, ProgrammeAttempt, "enrolment_id", enrolment_ids):
        attempts.setdefault(whose[one.progress_id], []).append(one)
    found: dict[UUID, list[Progress]] = {one: [] for one in enrolment_ids}
    for row in sorted(rows, key=lambda one: requirements[one.requirement_id].position):
        requirement = requirements[row.requirement_id]
        if requirement.version_id == versions[row.enrolment_id]:
            sent = sorted(attempts.get(whose[row.id], ()), key=lambda one: one.ordinal)
            found[row.enrolment_id].append(Progress(row, requirement, sent))
    return found


def _expires_within(days: int) -> ColumnElement[bool]:
    if not 0 <= days <= MOST_DAYS:
        raise InvalidInput(
            f"expiresWithinDays is {days}; it must be 0 to {MOST_DAYS}.", path=["filter", "expiresWithinDays"]
        )
    row, now = ProgrammeEnrolment, func.evalium_now()
    return and_(row.expires_at > now, row.expires_at <= now + timedelta(days=days))


def _shown_as(wanted: EnrolmentState) -> ColumnElement[bool]:
    row = ProgrammeEnrolment
    if wanted in (EnrolmentState.COMPLETED, EnrolmentState.CANCELLED):
        return row.status == wanted.value
    is_over = and_(row.expires_at.is_not(None), row.expires_at <= func.evalium_now())
    goes_on = and_(row.status == _IN_PROGRESS, row.failed_count == _NONE)
    is_late = and_(row.due_at.is_not(None), row.due_at <= func.evalium_now())
    match wanted:
        case EnrolmentState.CERTIFIED:
            return and_(row.status == EnrolmentStatus.CERTIFIED, ~is_over)
        case EnrolmentState.EXPIRED:
            return and_(row.status == EnrolmentStatus.CERTIFIED, is_over)
        case EnrolmentState.FAILED:
            return and_(row.status == _IN_PROGRESS, row.failed_count > _NONE)
        case EnrolmentState.OVERDUE:
            return and_(goes_on, is_late)
        case _:
            return and_(goes_on, ~is_late)
