"""The ledger of an object together with that of its sessions: what proctors did is found where its effect is seen.

So is a correction: its one row stands in the ledger of each submission whose score it changed.
"""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, literal, select, union_all

from models.sessions import DeliverySession
from models.submissions import ScoreCause, ScoreVersion, Submission
from services import activity
from services.paging import Page, PageRequest
from services.work import Work


async def of_assignment(work: Work, assignment_id: UUID, page: PageRequest) -> Page[Any]:
    """List what the ledger tells of an assignment and of its sessions, the newest rows first."""
    sessions = select(literal("session"), DeliverySession.id).where(DeliverySession.assignment_id == assignment_id)
    return await _listed(work, ("assignment", assignment_id), [cast("Select[Any]", sessions)], page)


async def of_submission(work: Work, submission_id: UUID, page: PageRequest) -> Page[Any]:
    """List what the ledger tells of a submission, its session and the corrections of its score, the newest first."""
    sessions = select(literal("session"), Submission.session_id).where(Submission.id == submission_id)
    score = ScoreVersion
    corrections = select(literal("correction_batch"), score.source_id).where(
        score.submission_id == submission_id, score.cause == ScoreCause.CORRECTED
    )
    about = [cast("Select[Any]", sessions), cast("Select[Any]", corrections)]
    return await _listed(work, ("submission", submission_id), about, page)


async def _listed(work: Work, itself: tuple[str, UUID], about: Sequence[Select[Any]], page: PageRequest) -> Page[Any]:
    both = union_all(select(literal(itself[0]), literal(itself[1])), *about).subquery()
    return await activity.of_subjects(work, cast("Select[Any]", select(*both.c)), page)
