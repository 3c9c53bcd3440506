"""What enrolling would do now: whom, by which version, and how much is issued; nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.programmes import ProgrammeVersion
from services import assignments_recipients, programmes, programmes_enrol
from services.assignments_recipients import Recipient, Resolved, Row
from services.work import Work


@dataclass(frozen=True, slots=True)
class Preview:
    """Everybody who would be enrolled, how many stay as they are, and what would be issued and be due when."""

    version: ProgrammeVersion
    rows: Sequence[Row]
    new: Sequence[Resolved]
    already_count: int
    assignment_count: int
    due_at: datetime | None


async def preview(work: Work, programme_id: UUID, given: Sequence[Recipient]) -> Preview:
    """Tell what enrolling these recipients would do now; refuses what enrolling them would refuse."""
    programmes_enrol.require_recipients(given)
    rows = await assignments_recipients.look(work, given)
    assignments_recipients.require_somebody(given, rows)
    programme = await programmes.require(work, programme_id)
    version = await programmes_enrol.newest(work, programme)
    asked = (await programmes.requirements_of(work, [version.id]))[version.id]
    people = assignments_recipients.people_of(rows)
    new = await programmes_enrol.unknown(work, programme_id, people)
    programmes_enrol.require_issuable(len(new), len(asked))
    due_at = programmes_enrol.due(version, await work.now())
    return Preview(version, rows, new, len(people) - len(new), len(new) * len(asked), due_at)
