"""Transferring an enrolment to the newest version of its programme (domain.md section 10).

What was met and is asked for alike stays met. Progress by the version before stays as it was, as history; attempts
count on where the same is sat for the same requirement.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

from models.assignments import Assignment, AssignmentStatus
from models.authoring import EvaluationVersion
from models.base import uuid7
from models.programmes import ProgrammeRequirement, ProgrammeVersion
from models.programmes_enrolments import (
    EnrolmentStatus,
    ProgrammeAttempt,
    ProgrammeEnrolment,
    ProgrammeEventKind,
    ProgrammeProgress,
    ProgressState,
)
from models.submissions import Submission
from services import (
    assignments,
    authoring,
    programmes,
    programmes_enrol,
    programmes_events,
    programmes_follow,
    setwise,
    words,
)
from services.assignments_issue import Link
from services.idempotency import Answer
from services.programmes_events import Happened
from services.programmes_rules import Same, same
from services.refusals import StateDrift
from services.work import Work

By = dict[Same, tuple[ProgrammeProgress, ProgrammeRequirement]]


async def transfer(work: Work, enrolment_id: UUID, reason: str, link: Link | None) -> Answer:
    """Let an enrolment that is in progress go on by the newest version; its due date stays.

    A requirement that asks for the same evaluation keeps its attempts and what its person sits; with the same mark it
    stands as it did, with another its scores are judged by that. What is asked for anew is issued, and what nobody
    can need any more is closed.
    """
    why, row = words.reason(reason), await programmes_enrol.held(work, enrolment_id)
    if row.status != EnrolmentStatus.IN_PROGRESS:
        raise StateDrift(f"The enrolment is {row.status}.", current_state=row.status.upper())
    versions = {one.id: one for one in (await programmes.versions_of(work, [row.programme_id]))[row.programme_id]}
    old, new = versions[row.version_id], next(iter(versions.values()))
    if old.id == new.id:
        raise StateDrift(f"The enrolment is by the newest version, {new.number}, already.", current_state="NEWEST")
    stood = await _stood(work, row)
    asked = (await programmes.requirements_of(work, [new.id]))[new.id]
    told = {"from": old.number, "to": new.number, "kept": [str(one.key) for one in asked if same(one) in stood]}
    work.record("programme_enrolment.transferred", (programmes_enrol.SUBJECT, row.id), reason=why, after=told)
    happened = Happened.to(row, ProgrammeEventKind.TRANSFERRED, reason=why, facts=told)
    await programmes_events.append(work, [happened], await work.now())
    await _move(work, row, new, asked, stood)
    open_ones = await _open(work, row)
    unissued = [one.id for key, (one, _) in (await _stood(work, row)).items() if key not in open_ones.values()]
    await programmes_follow.look(work, row, link, unissued, why)
    await _close(work, row, open_ones, why)
    return {"enrolment": str(row.id)}


async def _stood(work: Work, row: ProgrammeEnrolment) -> By:
    """Return how far somebody is by the version of their enrolment, by what attempts count for."""
    progress, asked = ProgrammeProgress, ProgrammeRequirement
    wanted = select(progress, asked).join(asked, asked.id == progress.requirement_id)
    wanted = wanted.where(progress.enrolment_id == row.id, asked.version_id == row.version_id)
    return {same(needed): (one, needed) for one, needed in (await work.session.execute(wanted)).all()}


async def _move(
    work: Work, row: ProgrammeEnrolment, new: ProgrammeVersion, asked: Sequence[ProgrammeRequirement], stood: By
) -> None:
    sat = await authoring.newest(work, EvaluationVersion, [one.evaluation_id for one in asked], published=True)
    for one, _ in stood.values():
        one.next_at = None
    row.version_id, row.mandatory_count = new.id, sum(one.is_mandatory for one in asked)
    rows = [
        {
            "id": uuid7(),
            "org_unit_id": row.org_unit_id,
            "enrolment_id": row.id,
            "requirement_id": one.id,
            "evaluation_version_id": sat[one.evaluation_id].id,
            **_carried(one, stood.get(same(one))),
        }
        for one in asked
    ]
    await setwise.insert(work, ProgrammeProgress, rows)


def _carried(asked: ProgrammeRequirement, was: tuple[ProgrammeProgress, ProgrammeRequirement] | None) -> dict[str, Any]:
    fresh: dict[str, Any] = {
        "state": ProgressState.PENDING.value,
        "submission_id": None,
        "attempts_used": 0,
        "hold": None,
        "completed_at": None,
    }
    if was is None:
        return fresh
    progress, needed = was
    kept = {"evaluation_version_id": progress.evaluation_version_id}
    if needed.min_percent != asked.min_percent:
        return fresh | kept
    return kept | {name: getattr(progress, name) for name in fresh}


async def _open(work: Work, row: ProgrammeEnrolment) -> dict[UUID, Same]:
    """Return the assignments of an enrolment that are open and not handed in, each with what it counts for."""
    attempt, progress, asked = ProgrammeAttempt, ProgrammeProgress, ProgrammeRequirement
    is_handed_in = exists().where(Submission.assignment_id == Assignment.id)
    wanted = (
        select(Assignment.id, asked.key, asked.evaluation_id)
        .join(attempt, attempt.assignment_id == Assignment.id)
        .join(progress, progress.id == attempt.progress_id)
        .join(asked, asked.id == progress.requirement_id)
        .where(attempt.enrolment_id == row.id, Assignment.status == AssignmentStatus.ACTIVE, ~is_handed_in)
        .order_by(Assignment.id)
    )
    return {one.id: (one.key, one.evaluation_id) for one in await work.rows(wanted)}


async def _close(work: Work, row: ProgrammeEnrolment, open_ones: dict[UUID, Same], why: str) -> None:
    """Close what is asked for no more, or is met."""
    stands = await _stood(work, row)
    needed = {key for key, (one, _) in stands.items() if one.state != ProgressState.MET}
    for assignment_id, key in open_ones.items():
        if key not in needed:
            await assignments.close(work, assignment_id, why)
