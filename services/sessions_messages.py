"""What proctors write: to a candidate, who is shown it at once, or as a note that only staff see (domain.md 6)."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from models.sessions import DeliverySession, EventKind, SessionEvent, SessionState
from services.refusals import Refusal
from services.sessions_events import append_to_each
from services.sessions_hold import drifted, over
from services.sessions_policy import is_open
from services.sessions_sheet import Happening
from services.sessions_status import is_over
from services.work import Work


async def message(work: Work, held: Sequence[DeliverySession], text: str) -> dict[UUID, Refusal | None]:
    """Write to the candidates of these sessions, all of them held; return by id why one was not told, or None.

    Refuses a session that has ended: nobody sits there any more.
    """
    now = await work.now()
    refused: dict[UUID, Refusal | None] = {}
    for session in held:
        refused[session.id] = None
        if session.state == SessionState.EXPIRED or is_over(session, now):
            refused[session.id] = over(session, now)
        elif not is_open(session):
            refused[session.id] = drifted(session)
    reached = [session for session in held if refused[session.id] is None]
    await _written(work, reached, text, (EventKind.MESSAGE, "session.messaged"))
    return refused


async def note(work: Work, held: Sequence[DeliverySession], text: str) -> dict[UUID, Refusal | None]:
    """Note something at these sessions, all of them held; it is refused for none of them."""
    await _written(work, held, text, (EventKind.NOTE, "session.noted"))
    return {session.id: None for session in held}


async def received(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, list[SessionEvent]]:
    """Return the messages to the candidate of each of these sessions, oldest first."""
    found: dict[UUID, list[SessionEvent]] = {session_id: [] for session_id in session_ids}
    event = SessionEvent
    wanted = select(event).where(event.session_id.in_(session_ids), event.kind == EventKind.MESSAGE)
    for row in await work.session.scalars(wanted.order_by(event.session_id, event.seq)):
        found[row.session_id].append(row)
    return found


async def _written(work: Work, held: Sequence[DeliverySession], text: str, named: tuple[EventKind, str]) -> None:
    kind, act = named
    if not held:
        return
    for session in held:
        work.record(act, ("session", session.id), after={"text": text})
    told = [(session, Happening(kind, {"text": text})) for session in held]
    await append_to_each(work, told, at=await work.now(), actor_id=work.viewer.user_id)
