"""What happens to enrolments: appended with the change that it tells of; the table is the stream (domain.md 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from models.programmes_enrolments import ProgrammeEnrolment, ProgrammeEvent, ProgrammeEventKind
from realtime import topics
from services import setwise
from services.work import Work


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened to an enrolment; to one requirement of it where `requirement_id` names one."""

    programme_id: UUID
    enrolment_id: UUID
    org_unit_id: UUID
    kind: ProgrammeEventKind
    requirement_id: UUID | None = None
    reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def to(cls, row: ProgrammeEnrolment, kind: ProgrammeEventKind, **more: Any) -> "Happened":
        """Return what happened to an enrolment that is held."""
        return cls(row.programme_id, row.id, row.org_unit_id, kind, **more)


async def append(work: Work, told: Sequence[Happened], at: datetime) -> None:
    """Append what happened, in order and by one statement, and wake whoever follows the programmes."""
    rows = [
        {
            "org_unit_id": one.org_unit_id,
            "programme_id": one.programme_id,
            "enrolment_id": one.enrolment_id,
            "requirement_id": one.requirement_id,
            "kind": one.kind.value,
            "at": at,
            "actor_id": work.viewer.user_id,
            "reason": one.reason,
            "payload": dict(one.facts),
        }
        for one in told
    ]
    await setwise.insert(work, ProgrammeEvent, rows)
    if work.viewer.tenant_id is not None:
        for programme_id in {one.programme_id for one in told}:
            work.touch(topics.programme(work.viewer.tenant_id, programme_id))
