"""What was decided about telling results, and inquiries."""

from uuid import UUID

from models.results import Inquiry, ResultHold
from services import inquiries, results
from services import submissions as submitted
from services.work import Work


async def of_assignment(work: Work, ids: list[UUID]) -> list[ResultHold | None]:
    """Return what was decided last for each assignment, in order."""
    found = await results.of_assignments(work, ids)
    return [found.get(one) for one in ids]


async def of_submission(work: Work, ids: list[UUID]) -> list[ResultHold | None]:
    """Return what decides for each submission, in order."""
    rows = list((await submitted.by_ids(work, ids)).values())
    found = await results.of_submissions(work, rows)
    return [found.get(one) for one in ids]


async def inquiry(work: Work, submission_ids: list[UUID]) -> list[Inquiry | None]:
    """Return the inquiry about each submission, in order; None where there is none."""
    found = await inquiries.of_submissions(work, submission_ids)
    return [found.get(one) for one in submission_ids]
