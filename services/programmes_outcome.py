"""What an enrolment becomes of its requirements: completed and certified in one transaction, or open again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.programmes_enrolments import (
    EnrolmentStatus,
    Hold,
    ProgrammeEnrolment,
    ProgrammeEventKind,
    ProgrammeProgress,
    ProgressState,
)
from services import certificates, programmes_enrol, programmes_events
from services.programmes_events import Happened
from services.work import Work

CORRECTED: Final = "A score that it rests on was corrected."


@dataclass(frozen=True, slots=True)
class Stands:
    """How far somebody is with one requirement, and whether it is mandatory."""

    progress: ProgrammeProgress
    is_mandatory: bool


async def settle(
    work: Work, enrolment: ProgrammeEnrolment, stands: Sequence[Stands], now: datetime, reason: str | None = None
) -> None:
    """Count what is mandatory, and let an enrolment that is held be certified by it, or go on again.

    A certificate that somebody has revoked is not issued anew by looking again; `reason` is that of a person who has
    taken a requirement back.
    """
    rows = [one.progress for one in stands if one.is_mandatory]
    met = [one.submission_id for one in rows if one.state == ProgressState.MET and one.submission_id is not None]
    enrolment.met_count = len(met)
    enrolment.failed_count = sum(one.state == ProgressState.FAILED for one in rows)
    enrolment.held_count = sum(one.progress.hold == Hold.HELD for one in stands)
    if len(met) == len(rows):
        if enrolment.status == EnrolmentStatus.IN_PROGRESS:
            enrolment.status, enrolment.completed_at = EnrolmentStatus.COMPLETED, now
            work.record("programme_enrolment.completed", (programmes_enrol.SUBJECT, enrolment.id))
            await programmes_events.append(work, [Happened.to(enrolment, ProgrammeEventKind.COMPLETED)], now)
            await certificates.certify(work, enrolment, met, now)
        elif enrolment.status == EnrolmentStatus.COMPLETED and await certificates.newest(work, enrolment.id) is None:
            await certificates.certify(work, enrolment, met, now)
        return
    if enrolment.status != EnrolmentStatus.IN_PROGRESS:
        await certificates.withdraw(work, enrolment, reason or CORRECTED, now)
        enrolment.status, enrolment.completed_at = EnrolmentStatus.IN_PROGRESS, None
        enrolment.reopened_at = now
        work.record("programme_enrolment.reopened", (programmes_enrol.SUBJECT, enrolment.id), reason=reason)
        await programmes_events.append(work, [Happened.to(enrolment, ProgrammeEventKind.REOPENED)], now)
