"""A session as staff see it, and as its own candidate acts in it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from dataloaders import assignments as assignment_loaders
from dataloaders import identity as identity_loaders
from dataloaders import sessions as loaders
from dataloaders import submissions as submission_loaders
from models.capabilities import Capability
from models.sessions import Answer as AnswerRow
from models.sessions import DeliverySession, SessionPaper
from models.submissions import Submission
from resolvers import lockdown
from resolvers.access import candidate, requires
from resolvers.context import Context
from services import sessions, sessions_expiry
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.refusals import LockdownRequired, Unauthenticated
from services.sessions import Filter, SortedBy
from services.sessions_answers import Saved
from services.sessions_events import Reported
from services.work import Work


@requires(Capability.SESSIONS_READ)
async def session(context: Context, session_id: UUID | None) -> DeliverySession | None:
    """Return one session; None when it cannot be seen."""
    return None if session_id is None else await context.loaders.of(loaders.by_id).load(session_id)


@requires(Capability.SESSIONS_READ)
async def session_in_company(context: Context, session_id: UUID | None) -> DeliverySession | None:
    """Return one session as `session` does, and have its assignment and candidate at hand for whoever may see them."""
    found = None if session_id is None else await context.loaders.of(loaders.in_company).load(session_id)
    if found is None:
        return None
    row, assignment, person = found
    context.loaders.of(loaders.by_id).prime({row.id: row})
    context.loaders.of(assignment_loaders.by_id).prime({row.assignment_id: assignment})
    context.loaders.of(identity_loaders.users).prime({row.user_id: person})
    return row


@requires(Capability.SESSIONS_READ)
async def sessions_page(
    context: Context,
    wanted: Filter,
    order: Sequence[SortedBy],
    page: PageRequest,
    *,
    brief: bool = False,
) -> Page[DeliverySession]:
    """List sessions; brief ones hold what `sessions_status.BRIEF` names."""
    return await context.read(sessions.listed, wanted, order, page, brief=brief)


@requires(Capability.SESSIONS_READ)
async def sessions_at_hand(
    _context: Context, rows: Sequence[DeliverySession | None]
) -> Sequence[DeliverySession | None]:
    """Return sessions that were read in this operation, as the viewer sees them, to who may read sessions."""
    return rows


async def of_events(context: Context, ids: Sequence[UUID]) -> list[DeliverySession | None]:
    """Return the sessions of events, in order; None where one has left the rooms that the viewer sees."""
    return await context.loaders.of(loaders.by_id).load_many(ids)


async def of_event(context: Context, session_id: UUID) -> DeliverySession:
    """Return the session of an event that the viewer may see."""
    found = (await of_events(context, [session_id]))[0]
    if found is None:
        raise LookupError(f"Session {session_id} cannot be seen.")
    return found


async def clock(context: Context) -> datetime:
    """Return the database's clock as of this operation."""
    return await context.loaders.of(loaders.clock).load("now")


@requires(Capability.SUBMISSIONS_READ)
async def submissions_of(context: Context, session_ids: Sequence[UUID]) -> list[Submission | None]:
    """Return what was handed in for sessions, in order."""
    return await context.loaders.of(submission_loaders.by_session).load_many(session_ids)


@candidate
async def my_session(context: Context) -> DeliverySession | None:
    """Return the session of the candidate's token."""
    return await context.loaders.of(loaders.by_id).load(own_id(context))


async def paper(context: Context, session: DeliverySession) -> SessionPaper | None:
    """Return the candidate's paper, once the session was started."""
    return None if session.started_at is None else await context.loaders.of(loaders.papers).load(session.id)


async def answers(context: Context, session_id: UUID) -> list[AnswerRow]:
    """Return the candidate's saved answers."""
    return await context.loaders.of(loaders.answers).load(session_id)


@candidate
async def session_start(context: Context, key: str | None) -> DeliverySession:
    """Start the clock of the candidate's session, with rights that reach the ledger; the session is the token's."""
    session_id = own_id(context)

    async def act(work: Work) -> Answer:
        return await sessions.start(work, session_id)

    try:
        await context.write("sessionStart", key, {}, act, viewer=context.viewer.elevated())
    except LockdownRequired:
        await lockdown.refused_start(context, session_id)
        raise
    return await of_event(context, session_id)


@candidate
async def answer_save(
    context: Context,
    item_id: UUID,
    revision: int,
    response: dict[str, Any] | None,
    key: str | None,
) -> Saved:
    """Save one answer; what is stored comes back, which is another one if a later revision had come before."""
    given = {"item": str(item_id), "revision": revision, "response": response}
    request = await context.writing("answerSave", key, given)
    return await context.house.session_writes.save(context.viewer, item_id, revision, response, request)


@candidate
async def session_events_record(context: Context, batch_id: str, events: Sequence[Reported], key: str | None) -> Answer:
    """Take in a batch of telemetry."""
    request = await context.writing("sessionEventsRecord", key, {"batch": batch_id, "events": events})
    return await context.house.session_writes.report(context.viewer, batch_id, events, request)


@candidate
async def session_submit(context: Context, key: str | None) -> DeliverySession:
    """Hand in, with rights that reach the keys; the session is the token's, whatever the input says."""
    session_id = own_id(context)

    async def act(work: Work) -> Answer:
        return await sessions_expiry.submit(work, session_id)

    await context.write("sessionSubmit", key, {}, act, viewer=context.viewer.elevated())
    return await of_event(context, session_id)


def own_id(context: Context) -> UUID:
    """Return the session that a candidate's token stands for; refuse any other token."""
    if context.viewer.session_id is None:
        raise Unauthenticated("This needs a candidate's session token.")
    return context.viewer.session_id
