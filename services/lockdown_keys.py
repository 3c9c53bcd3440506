"""The keys of Safe Exam Browser that count for an assignment: set by staff, told to nobody but whoever may see them."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from models.assignments import Assignment
from models.base import uuid7
from models.lockdown import AssignmentLockdown
from models.schedules import AssignmentScheduleRun
from services.idempotency import Answer
from services.lockdown import Keys
from services.refusals import InvalidInput, NotFound
from services.work import Work

MOST: Final = 20
_KEY: Final = re.compile(r"[0-9a-f]{64}")


def parsed(given: Sequence[str], path: Sequence[str]) -> list[str]:
    """Return keys in lower case, each once, in order; refuse what is no key, without repeating it, and too many."""
    keys = [one.strip().lower() for one in given]
    for n, key in enumerate(keys):
        if not _KEY.fullmatch(key):
            said = f"A key has 64 hexadecimal digits; this one has {len(key)} characters or others among them."
            raise InvalidInput(said, path=[*path, n], hint="Copy the key from the exam settings of Safe Exam Browser.")
    found = list(dict.fromkeys(keys))
    if len(found) > MOST:
        raise InvalidInput(f"{len(found)} keys are given; at most {MOST} count.", path=path)
    return found


async def change(work: Work, assignment_id: UUID, keys: Keys, path: Sequence[str] = ()) -> Answer:
    """Set the keys of an assignment; they count from the next probe on, also in sessions that outlive its closing.

    No key at all takes them away. `path` is where in the input they stand.
    """
    config = parsed(keys.config, [*path, "configKeys"])
    exam = parsed(keys.browser_exam, [*path, "browserExamKeys"])
    wanted = select(Assignment).where(Assignment.id == assignment_id).with_for_update()
    assignment = (await work.session.scalars(wanted)).one_or_none()
    if assignment is None:
        raise NotFound("Assignment", assignment_id, path=["assignmentId"])
    row, now = await of_assignment(work, assignment_id), await work.now()
    before = told_of(row)
    if row is None:
        row = AssignmentLockdown(id=uuid7(), org_unit_id=assignment.org_unit_id, assignment_id=assignment.id)
        work.session.add(row)
    row.config_keys, row.browser_exam_keys, row.changed_at = config, exam, now
    work.record("assignment.lockdown_changed", ("assignment", assignment.id), before=before, after=told_of(row))
    return {"assignment": str(assignment.id)}


async def take_over(work: Work, assignment_id: UUID, schedule_id: UUID) -> None:
    """Give what a schedule has just issued the keys of its newest assignment that has any."""
    run, row = AssignmentScheduleRun, AssignmentLockdown
    wanted = select(row).join(run, run.assignment_id == row.assignment_id).where(run.schedule_id == schedule_id)
    before = (await work.session.scalars(wanted.order_by(run.id.desc()).limit(1))).one_or_none()
    if before is not None and (before.config_keys or before.browser_exam_keys):
        await change(work, assignment_id, Keys(before.config_keys, before.browser_exam_keys))


def fingerprint(key: str) -> str:
    """Return by what the ledger tells keys apart: it does not say what they are."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def told_of(row: AssignmentLockdown | None) -> dict[str, Any] | None:
    """Return what the ledger keeps of an assignment's keys."""
    if row is None:
        return None
    kinds = {"config_keys": row.config_keys, "browser_exam_keys": row.browser_exam_keys}
    return {
        name: {"count": len(keys), "fingerprints": [fingerprint(key) for key in keys]} for name, keys in kinds.items()
    }


async def of_assignment(work: Work, assignment_id: UUID) -> AssignmentLockdown | None:
    """Return the keys of an assignment, if any were ever set and the viewer may see the row."""
    return (await of_assignments(work, [assignment_id])).get(assignment_id)


async def of_assignments(work: Work, assignment_ids: Sequence[UUID]) -> dict[UUID, AssignmentLockdown]:
    """Return the keys of each assignment for which some were set."""
    wanted = select(AssignmentLockdown).where(AssignmentLockdown.assignment_id.in_(assignment_ids))
    return {row.assignment_id: row for row in await work.session.scalars(wanted)}
