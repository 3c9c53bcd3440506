"""Messages as staff see them: listed and looked up, never with what they said."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from models.messages import Message, MessageChange, MessageEvent, MessageState
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


@dataclass(frozen=True, slots=True)
class Delivery:
    """What happened last to the newest message about an object, when, and what the mail server said."""

    change: MessageChange
    at: datetime
    detail: str | None


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


async def deliveries(work: Work, subject_kind: str, subject_ids: Sequence[UUID]) -> dict[UUID, Delivery]:
    """Return how far the newest message about each of these objects has come; none where none was sent."""
    newest = (
        select(Message.subject_id, MessageEvent.kind, MessageEvent.at, MessageEvent.detail)
        .join(MessageEvent, MessageEvent.message_id == Message.id)
        .where(Message.subject_kind == subject_kind, Message.subject_id.in_(subject_ids))
        .ext(distinct_on(Message.subject_id))
        .order_by(Message.subject_id, Message.id.desc(), MessageEvent.id.desc())
    )
    return {row.subject_id: Delivery(MessageChange(row.kind), row.at, row.detail) for row in await work.rows(newest)}
