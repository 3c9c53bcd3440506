"""A person's own programmes, newest first, with their requirements as they are told of them (decisions 20 and 24)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import select

from models.certificates import Certificate
from models.programmes import ProgrammeVersion
from models.programmes_enrolments import ProgrammeEnrolment
from models.sessions import DeliverySession
from models.submissions import Submission
from services import (
    assignments_mine,
    certificates_read,
    plain,
    programmes,
    programmes_read,
    programmes_told,
    results,
)
from services.assignments_mine import Own
from services.paging import Order, Page, PageRequest, paged
from services.programmes_read import EnrolmentState, Progress
from services.programmes_told import HandedIn, ToldProgress
from services.results import ResultState
from services.work import Work

_COMPLETED: Final = (EnrolmentState.COMPLETED, EnrolmentState.CERTIFIED, EnrolmentState.EXPIRED)


@dataclass(frozen=True, slots=True)
class OwnRequirement:
    """A requirement with its current attempt alone; the attempt is None where it is not to be seen any more."""

    told: ToldProgress
    attempt: Own | None


@dataclass(frozen=True, slots=True)
class OwnProgramme:
    """An enrolment as its person sees it."""

    row: ProgrammeEnrolment
    version: ProgrammeVersion
    requirements: Sequence[OwnRequirement]
    state: EnrolmentState
    percent: Decimal
    certificate: Certificate | None

    @property
    def completed_at(self) -> datetime | None:
        """When it was completed, once that is told."""
        return self.row.completed_at if self.state in _COMPLETED else None


async def listed(work: Work, user_id: UUID, page: PageRequest) -> Page[OwnProgramme]:
    """List a person's programmes, the last enrolled first; as many statements for one as for many."""
    row = ProgrammeEnrolment
    orders = [Order(row.created_at, descending=True), Order(row.id, descending=True)]
    found = await paged(work, select(row).where(row.user_id == user_id), orders, page)
    shown = await _shown(work, user_id, found.rows)
    return Page(shown, found.cursors, found.has_next, found.has_previous, found.total)


async def _shown(work: Work, user_id: UUID, rows: Sequence[ProgrammeEnrolment]) -> list[OwnProgramme]:
    if not rows:
        return []
    versions = await programmes.versions_by_ids(work, list({row.version_id for row in rows}))
    progress = await programmes_read.progress_of(work, [row.id for row in rows])
    parts = [one for of_one in progress.values() for one in of_one]
    handed_in = await _handed_in(work, user_id, parts)
    newest = [one.attempts[-1].assignment_id for one in parts if one.attempts]
    attempts, now = await assignments_mine.by_ids(work, user_id, newest), await plain.now(work)
    certificates = await _certificates(work, [row.id for row in rows])
    found: list[OwnProgramme] = []
    for row in rows:
        told = [programmes_told.progress(one, handed_in[one.row.id]) for one in progress[row.id]]
        requirements = [OwnRequirement(one, _current(one.progress, attempts)) for one in told]
        certificate, percent = certificates.get(row.id), programmes_told.percent(told)
        state = programmes_told.state(row, told, now, is_certificate_told=certificate is not None)
        found.append(OwnProgramme(row, versions[row.version_id], requirements, state, percent, certificate))
    return found


async def _certificates(work: Work, enrolment_ids: Sequence[UUID]) -> dict[UUID, Certificate]:
    """Return the newest certificate of each enrolment, once no result that it rests on is kept back."""
    newest = await certificates_read.newest_of(work, enrolment_ids)
    kept = await results.kept_back(work, {one for row in newest.values() for one in certificates_read.grounds(row)})
    return {key: row for key, row in newest.items() if kept.isdisjoint(certificates_read.grounds(row))}


def _current(one: Progress, attempts: dict[UUID, Own]) -> Own | None:
    return attempts.get(one.attempts[-1].assignment_id) if one.attempts else None


async def _handed_in(work: Work, user_id: UUID, parts: Sequence[Progress]) -> dict[UUID, list[HandedIn]]:
    """Return what a person has handed in for each requirement, and whether they are told the result."""
    found: dict[UUID, list[HandedIn]] = {one.row.id: [] for one in parts}
    issued_for = {attempt.assignment_id: one.row.id for one in parts for attempt in one.attempts}
    wanted = select(Submission.id, Submission.assignment_id, Submission.session_id)
    mine = wanted.where(Submission.assignment_id.in_(list(issued_for)), Submission.user_id == user_id)
    rows = await work.rows(mine.order_by(Submission.submitted_at, Submission.id))
    sessions = await plain.by(work, DeliverySession, "id", [row.session_id for row in rows])
    known = await results.of_sessions(work, sessions)
    for row in rows:
        is_told = known[row.session_id].state is ResultState.TOLD
        found[issued_for[row.assignment_id]].append(HandedIn(row.id, row.assignment_id, is_told))
    return found
