"""What a programme issues: for each person and requirement an assignment of their own, for one attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from models.programmes_enrolments import ProgrammeAttempt
from services import assignments_issue, setwise
from services.assignments_issue import Link
from services.assignments_recipients import Resolved
from services.assignments_terms import Terms
from services.work import Work

_NEEDED: Final = """
select e.id, greatest(e.due_at, c.renewal_ends_at) as until
from programme_enrolments e
left join certificates c on c.tenant_id = e.tenant_id and c.enrolment_id = e.renewal_of_id and c.revoked_at is null
where e.id = any($1::uuid[])"""


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
    if not due:
        return
    until = await _needed(work, list({one.enrolment_id for one in due}))
    together: dict[tuple[UUID, str], list[Due]] = {}
    for one in due:
        together.setdefault((one.evaluation_version_id, one.name), []).append(one)
    for (version_id, name), some in together.items():
        terms = Terms(evaluation_version_id=version_id, name=name, allowed_attempts=1)
        needed = [until.get(one.enrolment_id) for one in some]
        ids = await assignments_issue.issue_each(work, terms, [one.person for one in some], needed, link)
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


async def _needed(work: Work, enrolment_ids: Sequence[UUID]) -> dict[UUID, datetime | None]:
    """Return until when each enrolment needs an invitation: when it is due, and to renew, until the grace is over."""
    return {row["id"]: row["until"] for row in await work.fetch(_NEEDED, enrolment_ids)}
