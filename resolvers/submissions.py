"""What was handed in, its items and its scores."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dataloaders import sessions as session_loaders
from dataloaders import submissions as loaders
from models.capabilities import Capability
from models.sessions import DeliverySession
from models.submissions import ScoreVersion, Submission, SubmissionItem
from resolvers.access import requires
from resolvers.context import Context
from services import submissions
from services.paging import Page, PageRequest
from services.submissions import Filter, SortedBy


@requires(Capability.SUBMISSIONS_READ)
async def submission(context: Context, submission_id: UUID | None) -> Submission | None:
    """Return one submission; None when it cannot be seen."""
    return None if submission_id is None else await context.loaders.of(loaders.by_id).load(submission_id)


@requires(Capability.SUBMISSIONS_READ)
async def submissions_page(
    context: Context,
    wanted: Filter,
    order: Sequence[SortedBy],
    page: PageRequest,
) -> Page[Submission]:
    """List submissions."""
    return await context.read(submissions.listed, wanted, order, page)


@requires(Capability.SESSIONS_READ)
async def session(context: Context, row: Submission) -> DeliverySession | None:
    """Return the session that handed it in."""
    return await context.loaders.of(session_loaders.by_id).load(row.session_id)


@requires(Capability.SUBMISSIONS_READ)
async def item(context: Context, item_id: UUID) -> SubmissionItem | None:
    """Return one item of a submission."""
    return await context.loaders.of(loaders.item_by_id).load(item_id)


@requires(Capability.SUBMISSIONS_READ)
async def score_version(context: Context, score_id: UUID) -> ScoreVersion | None:
    """Return one score of a submission."""
    return await context.loaders.of(loaders.score_by_id).load(score_id)


async def snapshot(context: Context, submission_id: UUID) -> dict[str, Any]:
    """Return the snapshot of a submission that the viewer may see."""
    return await context.loaders.of(loaders.snapshots).load(submission_id)


async def items(context: Context, submission_id: UUID) -> list[SubmissionItem]:
    """Return the items of a submission that the viewer may see."""
    return await context.loaders.of(loaders.items).load(submission_id)


async def score_versions(context: Context, submission_id: UUID) -> list[ScoreVersion]:
    """Return all scores of a submission that the viewer may see, oldest first."""
    return await context.loaders.of(loaders.scores).load(submission_id)


async def latest_score(context: Context, submission_id: UUID) -> ScoreVersion | None:
    """Return the score that counts of a submission that the viewer may see."""
    return await context.loaders.of(loaders.latest_score).load(submission_id)
