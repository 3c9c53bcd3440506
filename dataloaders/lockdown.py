"""The lockdown of assignments and sessions by key."""

from typing import Any
from uuid import UUID

from models.lockdown import AssignmentLockdown
from services import lockdown_keys, lockdown_probe
from services.work import Work


async def keys(work: Work, assignment_ids: list[UUID]) -> list[AssignmentLockdown | None]:
    """Return the keys of each assignment, in order; None where none were ever set."""
    found = await lockdown_keys.of_assignments(work, assignment_ids)
    return [found.get(one) for one in assignment_ids]


async def signals(work: Work, session_ids: list[UUID]) -> list[dict[str, Any] | None]:
    """Return what the browser of each session showed last, in order."""
    found = await lockdown_probe.signals_of(work, session_ids)
    return [found.get(one) for one in session_ids]
