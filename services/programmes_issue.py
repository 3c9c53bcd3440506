"""What a programme issues: for each person and requirement an assignment of their own, for one attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.programmes_enrolments import ProgrammeAttempt
from services import assignments_issue, setwise
from services.assignments_issue import Link
from services.assignments_recipients import Resolved
from services.assignments_terms import Terms
from services.work import Work


@dataclass(frozen=True, slots=True)
class Due:
    """An attempt to be issued: to whom, for what, and which one it is."""

    org_unit_id: UUID
    programme_id: UUID
    enrolment_id: UUID
    progress_id: UUID
    evaluation_version_id: UUID
    name: str
    ordinal: int
    person: Resolved


async def issue(work: Work, due: Sequence[Due], link: Link | None) -> None:
    """Issue attempts of enrolments that are held; a number of statements that depends on what is sat alone."""
    together: dict[tuple[UUID, str], list[Due]] = {}
    for one in due:
        together.setdefault((one.evaluation_version_id, one.name), []).append(one)
    for (version_id, name), some in together.items():
        terms = Terms(evaluation_version_id=version_id, name=name, allowed_attempts=1)
        ids = await assignments_issue.issue_each(work, terms, [one.person for one in some], link)
        rows = [
            {
                "org_unit_id": one.org_unit_id,
                "programme_id": one.programme_id,
                "enrolment_id": one.enrolment_id,
                "progress_id": one.progress_id,
                "ordinal": one.ordinal,
                "assignment_id": assignment_id,
            }
            for one, assignment_id in zip(some, ids, strict=True)
        ]
        await setwise.insert(work, ProgrammeAttempt, rows)
