"""Messages as staff see them: listed and looked up, never with what they said."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.messages import Message, MessageEvent, MessageState
from services import plain
from services.paging import Order, Page, PageRequest, paged
from services.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which messages are wanted; what is None does not narrow. `email` is a whole address."""

    state: Sequence[MessageState] | None = None
    template: str | None = None
    email: str | None = None
    subject_id: UUID | None = None


async def listed(work: Work, wanted: Filter, page: PageRequest) -> Page[Message]:
    """List the messages that the viewer may see, newest first."""
    row = Message
    statement = select(row)
    if wanted.state is not None:
        statement = statement.where(row.state.in_(wanted.state))
    if wanted.template is not None:
        statement = statement.where(row.template == wanted.template)
    if wanted.email is not None:
        statement = statement.where(row.email == wanted.email.strip().casefold())
    if wanted.subject_id is not None:
        statement = statement.where(row.subject_id == wanted.subject_id)
    return await paged(work, statement, [Order(row.created_at, True), Order(row.id, True)], page)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Message]:
    """Return the messages with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, Message, "id", ids)}


async def events_of(work: Work, message_ids: Sequence[UUID]) -> dict[UUID, list[MessageEvent]]:
    """Return what became of each message, oldest first."""
    found: dict[UUID, list[MessageEvent]] = defaultdict(list)
    for event in sorted(await plain.by(work, MessageEvent, "message_id", message_ids), key=lambda row: row.id):
        found[event.message_id].append(event)
    return found
