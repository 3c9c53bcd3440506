"""What is shown of one session when somebody looks closely."""

from uuid import UUID

from models.sessions import EventKind
from services import sessions_details
from services.sessions_details import Sum
from services.work import Work


async def section(work: Work, places: list[tuple[UUID, int]]) -> list[str | None]:
    """Return the title of the section at each place, a session and a position of its paper, in order."""
    found = await sessions_details.sections(work, places)
    return [found.get(session_id) for session_id, _ in places]


async def telemetry(work: Work, session_ids: list[UUID]) -> list[dict[EventKind, Sum]]:
    """Return what the telemetry of each session adds up to, in order."""
    found = await sessions_details.telemetry(work, session_ids)
    return [found[one] for one in session_ids]
