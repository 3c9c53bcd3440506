"""The way of one message: opened for the job that sends it, and what became of it written down."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import orjson
from sqlalchemy import func, select, update

from models.messages import MailTemplate, Message, MessageChange, MessageEvent, MessageState
from services import messages_templates
from services.messages_render import Rendered, Wording, render, shipped
from services.refusals import InvalidInput
from services.vault import BrokenSeal
from services.work import Work

LONGEST_DETAIL = 500

KEPT = timedelta(days=7)
"""How long the variables of a message that could not be sent are kept, so that it can be tried again."""


class Unsendable(Exception):  # noqa: N818 - named for what is wrong
    """The message can never be sent: its seal does not open."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to be handed over."""

    message_id: UUID
    email: str
    name: str
    content: Rendered


async def prepared(work: Work, message_id: UUID) -> Outgoing | None:
    """Return a message as it is to be sent; None when it has been sent, or has bounced, already.

    A tenant's own wording that fails on the values of this message gives way to the shipped one: a sign-in link has
    to arrive.
    """
    message = (await work.session.scalars(select(Message).where(Message.id == message_id))).one_or_none()
    if message is None or message.state in (MessageState.SENT, MessageState.BOUNCED):
        return None
    if message.sealed is None:
        raise Unsendable("its variables are not kept any more")
    try:
        opened = work.vault.open(message.tenant_id, message.id, message.sealed)
    except BrokenSeal as error:
        raise Unsendable("its variables were sealed with another signing key") from error
    kind = messages_templates.kind(message.template)
    variables: dict[str, str] = orjson.loads(opened)
    own = await wording(work, message.template)
    try:
        content = render(kind, own or shipped(kind.key), variables)
    except InvalidInput:
        content = render(kind, shipped(kind.key), variables)
    return Outgoing(message.id, message.email, message.name, content)


async def wording(work: Work, key: str) -> Wording | None:
    """Return the tenant's own wording of a kind of mail, if it has one."""
    row = (await work.session.scalars(select(MailTemplate).where(MailTemplate.key == key))).one_or_none()
    return None if row is None else Wording(row.subject, row.body)


async def note(
    work: Work,
    message_id: UUID,
    change: MessageChange,
    *,
    provider_id: str | None = None,
    detail: str | None = None,
) -> bool:
    """Write down what became of a message, once; false when it had come to its end before.

    The variables are wiped when the message is sent or has bounced. One that has failed keeps them for a while.
    """
    wanted = select(Message).where(Message.id == message_id).with_for_update()
    message = (await work.session.scalars(wanted)).one_or_none()
    if message is None or message.state in (MessageState.SENT, MessageState.BOUNCED):
        return False
    if change is MessageChange.FAILED and message.state == MessageState.FAILED:
        return False
    state = MessageState.QUEUED if change is MessageChange.DEFERRED else MessageState(change)
    message.state = state
    if state in (MessageState.SENT, MessageState.BOUNCED):
        message.sealed = None
    work.session.add(
        MessageEvent(
            org_unit_id=message.org_unit_id,
            message_id=message.id,
            kind=change,
            provider_id=provider_id,
            detail=None if detail is None else detail[:LONGEST_DETAIL],
        )
    )
    return True


async def wipe(work: Work) -> int:
    """Wipe the variables of messages that are too old to be tried again; return of how many."""
    old = select(Message.id).where(Message.sealed.is_not(None), Message.created_at < func.evalium_now() - KEPT)
    wiped = await work.rows(
        update(Message)
        .where(Message.id.in_(old.limit(1000)))
        .values(sealed=None, state=MessageState.FAILED)
        .returning(Message.id)
    )
    return len(wiped)
