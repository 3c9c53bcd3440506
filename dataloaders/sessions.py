"""Sessions, their papers and answers, and the clock they are shown by."""

from datetime import datetime
from uuid import UUID

from models.sessions import Answer, DeliverySession, SessionEvent, SessionPaper
from services import plain, sessions, sessions_answers, sessions_messages
from services.sessions import Company
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[DeliverySession | None]:
    """Return the sessions with these ids, in order; None where there is none to be seen."""
    found = await sessions.by_ids(work, ids)
    return [found.get(session_id) for session_id in ids]


async def in_company(work: Work, ids: list[UUID]) -> list[Company | None]:
    """Return the sessions with these ids, each with assignment and candidate, in order; None where there is none."""
    found = await sessions.in_company(work, ids)
    return [found.get(session_id) for session_id in ids]


async def papers(work: Work, session_ids: list[UUID]) -> list[SessionPaper | None]:
    """Return the paper of each session, in order."""
    found = await sessions.papers(work, session_ids)
    return [found.get(session_id) for session_id in session_ids]


async def answers(work: Work, session_ids: list[UUID]) -> list[list[Answer]]:
    """Return the saved answers of each session, in order."""
    found = await sessions_answers.answers_of(work, session_ids)
    return [found[session_id] for session_id in session_ids]


async def messages(work: Work, session_ids: list[UUID]) -> list[list[SessionEvent]]:
    """Return what the candidate of each session was written, oldest first, in order."""
    found = await sessions_messages.received(work, session_ids)
    return [found[session_id] for session_id in session_ids]


async def clock(work: Work, keys: list[str]) -> list[datetime]:
    """Return the database's clock, once for a whole operation: what is shown together is true at one instant."""
    now = await plain.now(work)
    return [now for _ in keys]
