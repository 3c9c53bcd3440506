"""What a person is told of their own programmes: only what follows from results that they are told (decision 24). Pure.

A submission whose result is kept back, or still to be judged, counts as handed in and as nothing else: whoever has
passed and whoever has failed by it are told the very same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.programmes_enrolments import EnrolmentStatus, ProgrammeEnrolment, ProgressState
from services import programmes_read, programmes_rules
from services.programmes_read import EnrolmentState, Progress


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A submission for a requirement; `assignment_id` is of the attempt, `is_told` whether its result can be known."""

    id: UUID
    assignment_id: UUID
    is_told: bool


@dataclass(frozen=True, slots=True)
class ToldProgress:
    """A requirement as its person is told of it; `is_waiting` while there is nothing to do but wait for a result."""

    progress: Progress
    state: ProgressState
    next_at: datetime | None
    is_waiting: bool

    @property
    def is_mandatory(self) -> bool:
        """Whether the programme is not complete without it."""
        return self.progress.requirement.is_mandatory


def progress(one: Progress, handed_in: Sequence[HandedIn]) -> ToldProgress:
    """Return what is told of a requirement: met by a result that is told, failed when all of them are."""
    row, told = one.row, {each.id: each.is_told for each in handed_in}
    is_all_told = all(told.values())
    state = ProgressState.PENDING
    if row.state == ProgressState.MET and row.submission_id is not None and told.get(row.submission_id, False):
        state = ProgressState.MET
    if row.state == ProgressState.FAILED and is_all_told:
        state = ProgressState.FAILED
    newest = one.attempts[-1].assignment_id if one.attempts else None
    is_in = any(each.assignment_id == newest for each in handed_in)
    is_waiting = state is ProgressState.PENDING and is_in and not is_all_told
    return ToldProgress(one, state, row.next_at if is_all_told else None, is_waiting)


def state(
    row: ProgrammeEnrolment, parts: Sequence[ToldProgress], now: datetime, *, is_certificate_told: bool
) -> EnrolmentState:
    """Return what an enrolment is told as. Nobody is called late who has nothing to do but wait for results."""
    if row.status == EnrolmentStatus.CANCELLED:
        return EnrolmentState.CANCELLED
    needed = [one for one in parts if one.is_mandatory]
    if row.status != EnrolmentStatus.IN_PROGRESS and is_certificate_told:
        return programmes_read.state(row, now)
    if any(one.state is ProgressState.FAILED for one in needed):
        return EnrolmentState.FAILED
    is_left = any(one.state is ProgressState.PENDING and not one.is_waiting for one in needed)
    is_late = row.due_at is not None and row.due_at <= now
    return EnrolmentState.OVERDUE if is_late and is_left else EnrolmentState.IN_PROGRESS


def percent(parts: Sequence[ToldProgress]) -> Decimal:
    """Return how much of what is mandatory is told as met."""
    needed = [one for one in parts if one.is_mandatory]
    return programmes_rules.percent(sum(one.state is ProgressState.MET for one in needed), len(needed))
