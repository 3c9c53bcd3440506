"""Submissions, by their own id or their session's, with their items and scores."""

from typing import Any
from uuid import UUID

from models.submissions import ScoreVersion, Submission, SubmissionItem
from services import plain, submissions
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Submission | None]:
    """Return the submissions with these ids, in order; None where there is none to be seen."""
    found = await submissions.by_ids(work, ids)
    return [found.get(submission_id) for submission_id in ids]


async def snapshots(work: Work, ids: list[UUID]) -> list[dict[str, Any]]:
    """Return the snapshots of these submissions, in order."""
    found = await submissions.snapshots_of(work, ids)
    return [found[submission_id] for submission_id in ids]


async def by_session(work: Work, session_ids: list[UUID]) -> list[Submission | None]:
    """Return the submission of each session, in order; None where nothing was handed in."""
    found = {row.session_id: row for row in await plain.by(work, Submission, "session_id", session_ids)}
    return [found.get(session_id) for session_id in session_ids]


async def item_by_id(work: Work, ids: list[UUID]) -> list[SubmissionItem | None]:
    """Return the items with these ids, in order; None where there is none to be seen."""
    found = await submissions.items_by_ids(work, ids)
    return [found.get(item_id) for item_id in ids]


async def score_by_id(work: Work, ids: list[UUID]) -> list[ScoreVersion | None]:
    """Return the score versions with these ids, in order; None where there is none to be seen."""
    found = await submissions.scores_by_ids(work, ids)
    return [found.get(score_id) for score_id in ids]


async def items(work: Work, submission_ids: list[UUID]) -> list[list[SubmissionItem]]:
    """Return the items of each submission, in order."""
    found = await submissions.items_of(work, submission_ids)
    return [found[submission_id] for submission_id in submission_ids]


async def scores(work: Work, submission_ids: list[UUID]) -> list[list[ScoreVersion]]:
    """Return all score versions of each submission, oldest first."""
    found = await submissions.scores_of(work, submission_ids)
    return [found[submission_id] for submission_id in submission_ids]


async def latest_score(work: Work, submission_ids: list[UUID]) -> list[ScoreVersion | None]:
    """Return the score version that counts for each submission."""
    found = await submissions.latest_scores(work, submission_ids)
    return [found.get(submission_id) for submission_id in submission_ids]
