"""Messages and what became of them, by key."""

from uuid import UUID

from models.messages import Message, MessageEvent
from services import messages_history
from services.messages_history import Delivery
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Message | None]:
    """Return the messages with these ids, in order; None where there is none to be seen."""
    found = await messages_history.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def events(work: Work, message_ids: list[UUID]) -> list[list[MessageEvent]]:
    """Return what became of each message, oldest first."""
    found = await messages_history.events_of(work, message_ids)
    return [found.get(one, []) for one in message_ids]


async def of_invitations(work: Work, invitation_ids: list[UUID]) -> list[Delivery | None]:
    """Return how far the newest mail of each invitation has come, in order; None where none was sent."""
    found = await messages_history.deliveries(work, "invitation", invitation_ids)
    return [found.get(one) for one in invitation_ids]
