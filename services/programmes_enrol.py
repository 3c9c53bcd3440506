"""Enrolling people in a programme, and ending an enrolment (domain.md section 10).

Whoever enrols holds the programme, so that nobody is enrolled twice; what is issued is one transaction with the
enrolment, so that a retry after any loss finds all of it or nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from models.assignments import Assignment, AssignmentStatus
from models.authoring import EvaluationVersion
from models.base import uuid7
from models.programmes import Programme, ProgrammeRequirement, ProgrammeStatus, ProgrammeVersion
from models.programmes_enrolments import (
    EnrolmentStatus,
    ProgrammeAttempt,
    ProgrammeEnrolment,
    ProgrammeEventKind,
    ProgrammeProgress,
)
from services import (
    assignments,
    assignments_issue,
    assignments_recipients,
    authoring,
    programmes,
    programmes_events,
    programmes_issue,
    setwise,
    words,
)
from services.assignments_issue import Link
from services.assignments_recipients import Addressed, Recipient, Resolved, Row
from services.idempotency import Answer
from services.programmes_events import Happened
from services.programmes_issue import Due
from services.refusals import InvalidInput, NotFound, Refusal, StateDrift
from services.setwise import Told
from services.work import Work

MOST_ISSUED: Final = 5_000
"""Assignments that one request may issue."""

SUBJECT: Final = "programme_enrolment"


@dataclass(frozen=True, slots=True)
class Renews:
    """An enrolment that is renewed, and when its certificate ends."""

    enrolment_id: UUID
    due_at: datetime


async def enrol(work: Work, programme_id: UUID, given: Sequence[Recipient], link: Link | None) -> Answer:
    """Enrol people and the members of groups by the newest version, and issue all that it asks for at once.

    Answers for each row, in order. Whoever is enrolled already, or holds a certificate that counts, stays as they are,
    and is answered with that. Those who cannot be enrolled are reported; when nobody can be, nothing is done.
    """
    require_recipients(given)
    rows = await assignments_recipients.look(work, given)
    assignments_recipients.require_somebody(given, rows)
    programme = await programmes.held(work, programme_id)
    version = await newest(work, programme)
    asked = (await programmes.requirements_of(work, [version.id]))[version.id]
    rows = await assignments_recipients.create(work, rows)
    known = await _known(work, programme_id, _ids(assignments_recipients.people_of(rows)))
    new = [one for one in assignments_recipients.people_of(rows) if one.user_id not in known]
    require_issuable(len(new), len(asked))
    made = await make(work, programme, version, asked, new, link)
    return {
        "programme": str(programme_id),
        "rows": [_answered(one, row, made, known) for one, row in zip(given, rows, strict=True)],
    }


def require_recipients(given: Sequence[Recipient]) -> None:
    """Refuse to enrol nobody."""
    if not given:
        raise InvalidInput("There is nobody to enrol.", path=["recipients"], hint="Name people, addresses or groups.")


def require_issuable(people: int, asked: int) -> None:
    """Refuse more assignments than one request may issue."""
    if people * asked > MOST_ISSUED:
        raise InvalidInput(
            f"That would issue {people * asked} assignments; a request issues at most {MOST_ISSUED}.",
            path=["recipients"],
            hint="Send several requests.",
        )


async def newest(work: Work, programme: Programme) -> ProgrammeVersion:
    """Return the version by which people are enrolled now; refuse a programme that has none, or is archived."""
    if programme.status == ProgrammeStatus.ARCHIVED:
        raise StateDrift("The programme is archived.", current_state="ARCHIVED", current_version=programme.version)
    if programme.latest_number == 0:
        raise StateDrift("The programme has no version yet.", current_state="DRAFT", current_version=programme.version)
    return (await programmes.versions_of(work, [programme.id]))[programme.id][0]


async def unknown(work: Work, programme_id: UUID, people: Sequence[Resolved]) -> list[Resolved]:
    """Return those of these people who are neither enrolled nor hold a certificate that counts, in order."""
    known = await _known(work, programme_id, _ids(people))
    return [one for one in people if one.user_id is None or one.user_id not in known]


async def cancel(work: Work, enrolment_id: UUID, reason: str) -> Answer:
    """End an enrolment that is in progress; what it has issued and nobody can need any more is closed."""
    why, row, now = words.reason(reason), await held(work, enrolment_id), await work.now()
    if row.status != EnrolmentStatus.IN_PROGRESS:
        raise StateDrift(f"The enrolment is {row.status}.", current_state=row.status.upper())
    row.status, row.cancel_reason, row.cancelled_at = EnrolmentStatus.CANCELLED, why, now
    await stop(work, [enrolment_id], why)
    work.record("programme_enrolment.cancelled", (SUBJECT, enrolment_id), reason=why)
    await programmes_events.append(work, [Happened.to(row, ProgrammeEventKind.CANCELLED, reason=why)], now)
    return {"enrolment": str(enrolment_id)}


async def held(work: Work, enrolment_id: UUID) -> ProgrammeEnrolment:
    """Lock an enrolment; refuse one that cannot be seen."""
    wanted = select(ProgrammeEnrolment).where(ProgrammeEnrolment.id == enrolment_id).with_for_update()
    row = (await work.session.scalars(wanted.execution_options(populate_existing=True))).one_or_none()
    if row is None:
        raise NotFound("ProgrammeEnrolment", enrolment_id)
    return row


async def stop(work: Work, enrolment_ids: Sequence[UUID], why: str) -> None:
    """Issue nothing more for enrolments that were ended, and close what nobody can need any more."""
    waiting = select(ProgrammeProgress).where(ProgrammeProgress.enrolment_id.in_(enrolment_ids))
    for row in await work.session.scalars(waiting.where(ProgrammeProgress.next_at.is_not(None))):
        row.next_at = None
    of_them = select(ProgrammeAttempt.assignment_id).where(ProgrammeAttempt.enrolment_id.in_(enrolment_ids))
    open_ones = select(Assignment.id).where(Assignment.id.in_(of_them), Assignment.status == AssignmentStatus.ACTIVE)
    for assignment_id in list(await work.session.scalars(open_ones.order_by(Assignment.id))):
        await assignments.close(work, assignment_id, why)


async def _known(work: Work, programme_id: UUID, user_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the enrolment of each of these people that goes on, or whose certificate counts, the latest one."""
    row = ProgrammeEnrolment
    wanted = select(row.user_id, row.id).where(row.programme_id == programme_id, row.user_id.in_(user_ids))
    counts = or_(row.expires_at.is_(None), row.expires_at > func.evalium_now())
    is_known = or_(row.status == EnrolmentStatus.IN_PROGRESS, and_(row.status == EnrolmentStatus.CERTIFIED, counts))
    wanted = wanted.where(is_known).order_by(row.id)
    return {one.user_id: one.id for one in await work.rows(wanted)}


def _ids(people: Sequence[Resolved]) -> list[UUID]:
    return [one.user_id for one in people if one.user_id is not None]


async def make(
    work: Work,
    programme: Programme,
    version: ProgrammeVersion,
    asked: Sequence[ProgrammeRequirement],
    people: Sequence[Resolved],
    link: Link | None,
    renews: Renews | None = None,
) -> dict[UUID, UUID]:
    """Write enrolments and progress, and issue the first attempts; return the enrolment of each person.

    The programme is held, and nobody of them is enrolled in it.
    """
    now = await work.now()
    made = {user_id: uuid7() for user_id in _ids(people)}
    common = {
        "org_unit_id": programme.org_unit_id,
        "programme_id": programme.id,
        "version_id": version.id,
        "created_at": now,
        "due_at": due(version, now) if renews is None else renews.due_at,
        "renewal_of_id": None if renews is None else renews.enrolment_id,
        "mandatory_count": sum(one.is_mandatory for one in asked),
        "enrolled_by": work.viewer.user_id,
    }
    rows = [{"id": made[user_id], "user_id": user_id, **common} for user_id in made]
    await setwise.insert(work, ProgrammeEnrolment, rows)
    sat = await authoring.newest(work, EvaluationVersion, [one.evaluation_id for one in asked], published=True)
    attempts = [
        Due(
            programme.org_unit_id,
            programme.id,
            made[person.user_id],
            uuid7(),
            sat[one.evaluation_id].id,
            one.name,
            1,
            person,
        )
        for person in people
        if person.user_id is not None
        for one in asked
    ]
    progress = [
        {
            "id": one.progress_id,
            "org_unit_id": one.org_unit_id,
            "enrolment_id": one.enrolment_id,
            "requirement_id": asked[place % len(asked)].id,
            "evaluation_version_id": one.evaluation_version_id,
        }
        for place, one in enumerate(attempts)
    ]
    await setwise.insert(work, ProgrammeProgress, progress)
    await programmes_issue.issue(work, attempts, link)
    told = {"programme_id": str(programme.id), "number": version.number}
    if renews is not None:
        told |= {"renewal_of": str(renews.enrolment_id)}
    told_each = [Told((SUBJECT, one), told | {"user_id": str(user_id)}) for user_id, one in made.items()]
    await setwise.record(work, "programme_enrolment.created", told_each)
    unit, enrolled = programme.org_unit_id, ProgrammeEventKind.ENROLLED
    facts = {} if renews is None else {"renewal_of": str(renews.enrolment_id)}
    await programmes_events.append(
        work, [Happened(programme.id, one, unit, enrolled, facts=facts) for one in made.values()], now
    )
    return made


def due(version: ProgrammeVersion, now: datetime) -> datetime | None:
    """Return when an enrolment that is made now is to be completed; None when nothing is due."""
    return None if version.due_days is None else now + timedelta(days=version.due_days)


def _answered(given: Recipient, row: Row, made: Mapping[UUID, UUID], known: Mapping[UUID, UUID]) -> dict[str, Any]:
    """Return what a row is answered: the enrolment, how many people it enrolled and found, or why nobody."""
    answer: dict[str, Any] = {"ref": given.ref, "enrolment": None, "enrolled": 0, "known": 0, "problem": None}
    if isinstance(row, Refusal):
        return answer | {"problem": assignments_issue.problem(row)}
    ids = _ids(row.people if isinstance(row, Addressed) else [row])
    counts = {"enrolled": sum(one in made for one in ids), "known": sum(one in known for one in ids)}
    one = None if isinstance(row, Addressed) else str(made.get(ids[0]) or known[ids[0]])
    return answer | counts | {"enrolment": one}
