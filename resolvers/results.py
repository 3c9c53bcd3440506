"""Telling results to candidates, and the regrades that they ask for."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from dataloaders import assignments as assignment_loaders
from dataloaders import results as loaders
from models.assignments import Assignment
from models.capabilities import Capability
from models.results import Inquiry, ResultHold
from models.sessions import DeliverySession
from resolvers.access import candidate, requires
from resolvers.context import Context
from resolvers.sessions import of_event, own_id
from services import inquiries, policy, results
from services.idempotency import Answer
from services.policy import FeedbackMode
from services.results import ResultState, Told
from services.work import Work


@requires(Capability.ASSIGNMENTS_MONITOR)
async def of_assignment(context: Context, assignment_id: UUID) -> ResultHold | None:
    """Return what was decided last for an assignment as a whole."""
    return await context.loaders.of(loaders.of_assignment).load(assignment_id)


async def of_submissions(context: Context, ids: Sequence[UUID]) -> list[ResultHold | None]:
    """Return what decides for submissions that the viewer may see, in order."""
    return await context.loaders.of(loaders.of_submission).load_many(ids)


async def inquiry(context: Context, submission_ids: Sequence[UUID]) -> list[Inquiry | None]:
    """Return the inquiries about submissions that the viewer may see, in order."""
    return await context.loaders.of(loaders.inquiry).load_many(submission_ids)


@requires(Capability.RESULTS_RELEASE)
async def hold(
    context: Context,
    assignment_id: UUID,
    submission_ids: Sequence[UUID],
    until: datetime | None,
    reason: str,
    key: str | None,
) -> Assignment:
    """Keep results back."""

    async def act(work: Work) -> Answer:
        return await results.hold(work, assignment_id, submission_ids, until, reason)

    given = {
        "assignment": str(assignment_id),
        "submissions": [str(one) for one in submission_ids],
        "until": None if until is None else until.isoformat(),
        "reason": reason,
    }
    await context.write("resultsHold", key, given, act)
    return await _assignment(context, assignment_id)


@requires(Capability.RESULTS_RELEASE)
async def release(
    context: Context, assignment_id: UUID, submission_ids: Sequence[UUID], reason: str, key: str | None
) -> Assignment:
    """Release results."""

    async def act(work: Work) -> Answer:
        return await results.release(work, assignment_id, submission_ids, reason)

    given = {
        "assignment": str(assignment_id),
        "submissions": [str(one) for one in submission_ids],
        "reason": reason,
    }
    await context.write("resultsRelease", key, given, act)
    return await _assignment(context, assignment_id)


async def told(context: Context, session: DeliverySession) -> Told:
    """Return what the candidate can know of the result.

    The database hides scores from a candidate's token, so these reads are elevated: for the session in the token.
    """
    async with context.house.office.snapshot(context.viewer.elevated()) as work:
        return await results.of_session(work, own_id(context), _mode(session))


async def my_inquiry(context: Context, session: DeliverySession) -> tuple[Inquiry, bool] | None:
    """Return the regrade that the candidate asked for, and whether its answer can be known: as the result can."""
    async with context.house.office.snapshot(context.viewer.elevated()) as work:
        row = await inquiries.of_session(work, own_id(context))
        if row is None:
            return None
        told = await results.of_session(work, own_id(context), _mode(session))
        return row, told.state is ResultState.TOLD


async def inquiry_until(context: Context, session: DeliverySession) -> datetime | None:
    """Return until when the candidate can ask for a regrade; None when that cannot be done."""
    async with context.house.office.snapshot(context.viewer.elevated()) as work:
        return await inquiries.until(work, own_id(context), _mode(session))


@candidate
async def inquiry_open(context: Context, reason: str, key: str | None) -> DeliverySession:
    """Ask for a regrade of what the token's session handed in."""
    session = await of_event(context, own_id(context))
    session_id, mode = session.id, _mode(session)

    async def act(work: Work) -> Answer:
        return await inquiries.open_(work, session_id, mode, reason)

    await context.write("inquiryOpen", key, {"reason": reason}, act, viewer=context.viewer.elevated())
    return await of_event(context, session_id)


def _mode(session: DeliverySession) -> FeedbackMode:
    return policy.from_json(session.policy).feedback_mode.value


async def _assignment(context: Context, assignment_id: UUID) -> Assignment:
    row = await context.loaders.of(assignment_loaders.by_id).load(assignment_id)
    if row is None:
        raise LookupError(f"assignment {assignment_id} cannot be read back")
    return row
