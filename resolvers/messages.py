"""Mail: what was sent, and how it is worded."""

from collections.abc import Sequence
from uuid import UUID

from dataloaders import messages as loaders
from models.capabilities import Capability
from models.messages import Message, MessageEvent
from resolvers.access import requires
from resolvers.context import Context
from services import messages_history, messages_wording
from services.idempotency import Answer
from services.messages_history import Delivery, Filter
from services.messages_render import Rendered, Wording
from services.messages_wording import Template
from services.paging import Page, PageRequest
from services.work import Work


@requires(Capability.MESSAGES_READ)
async def message(context: Context, message_id: UUID | None) -> Message | None:
    """Return one message; None when it cannot be seen."""
    return None if message_id is None else await context.loaders.of(loaders.by_id).load(message_id)


@requires(Capability.MESSAGES_READ)
async def messages_page(context: Context, wanted: Filter, page: PageRequest) -> Page[Message]:
    """List messages."""
    return await context.read(messages_history.listed, wanted, page)


async def events(context: Context, message_id: UUID) -> list[MessageEvent]:
    """Return what became of a message that the viewer may see."""
    return await context.loaders.of(loaders.events).load(message_id)


async def deliveries(context: Context, invitation_ids: Sequence[UUID]) -> Sequence[Delivery | None]:
    """Return how far the mails of invitations have come, in order; none without the right to see messages."""
    if Capability.MESSAGES_READ not in await context.capabilities():
        return [None] * len(invitation_ids)
    return await context.loaders.of(loaders.of_invitations).load_many(invitation_ids)


@requires(Capability.MESSAGES_READ)
async def mail_templates(context: Context) -> list[Template]:
    """Return every kind of mail with its wording."""
    return await context.read(messages_wording.all_of_them)


@requires(Capability.MESSAGES_READ)
async def mail_template_preview(context: Context, key: str, subject: str | None, body: str | None) -> Rendered:
    """Show a mail of made-up values."""
    return await context.read(messages_wording.preview, key, subject, body)


@requires(Capability.MESSAGES_MANAGE)
async def mail_template_update(context: Context, key: str, wording: Wording, idempotency: str | None) -> Template:
    """Word a kind of mail anew."""

    async def act(work: Work) -> Answer:
        await messages_wording.change(work, key, wording)
        return {}

    given = {"key": key, "subject": wording.subject, "body": wording.body}
    await context.write("mailTemplateUpdate", idempotency, given, act)
    return await context.read(messages_wording.one, key)


@requires(Capability.MESSAGES_MANAGE)
async def mail_template_reset(context: Context, key: str, idempotency: str | None) -> Template:
    """Return to the shipped wording."""

    async def act(work: Work) -> Answer:
        await messages_wording.reset(work, key)
        return {}

    await context.write("mailTemplateReset", idempotency, {"key": key}, act)
    return await context.read(messages_wording.one, key)
