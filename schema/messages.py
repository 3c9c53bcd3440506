"""Mail: messages with what became of them, and the templates of a tenant."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import strawberry

from models.messages import Message as MessageRow
from models.messages import MessageChange, MessageState
from models.messages import MessageEvent as EventRow
from resolvers import identity, messages
from schema.access import Info, act, ask, says, told
from schema.connections import Connection, connect
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, looked_for
from schema.problems import Problem, attempt
from services.messages_history import Filter
from services.messages_render import LONGEST_BODY, LONGEST_SUBJECT, Wording
from services.messages_wording import Template
from services.paging import PageRequest

KEY = "Makes sending the request again harmless, for 24 hours: 1 to 255 characters, a new random UUID for each request."


class MailTemplateKey(StrEnum):
    """The kinds of mail there are."""

    MAGIC_LINK = "magic_link"
    INVITATION = "invitation"
    WELCOME = "welcome"
    REMINDER = "reminder"
    CERTIFICATE = "certificate"
    CERTIFICATE_ENDING = "certificate_ending"


closed_set(
    MailTemplateKey,
    "MailTemplateKey",
    "The kinds of mail there are.",
    {
        MailTemplateKey.MAGIC_LINK: "The link by which a person signs in.",
        MailTemplateKey.INVITATION: "An invitation to an assessment.",
        MailTemplateKey.WELCOME: "The first mail to somebody who was added to the staff.",
        MailTemplateKey.REMINDER: "A reminder before an assessment opens, or before it closes.",
        MailTemplateKey.CERTIFICATE: "What a holder is told when a certificate was issued.",
        MailTemplateKey.CERTIFICATE_ENDING: "A reminder that a certificate is about to end.",
    },
)
closed_set(
    MessageState,
    "MessageState",
    "Where a message stands.",
    {
        MessageState.QUEUED: "Waits to be sent, for the first time or again.",
        MessageState.SENT: "The mail server has taken it.",
        MessageState.BOUNCED: "The mail server will not take it for this recipient.",
        MessageState.FAILED: "It was tried in vain too often; the job can be tried again.",
    },
)
closed_set(
    MessageChange,
    "MessageChange",
    "What happened to a message.",
    {
        MessageChange.QUEUED: "It was asked for.",
        MessageChange.DEFERRED: "The mail server was not ready to take it; it is tried again.",
        MessageChange.SENT: "The mail server took it.",
        MessageChange.BOUNCED: "The mail server refused it for good.",
        MessageChange.FAILED: "It was given up.",
    },
)


@strawberry.type(description="One change of a message. None is ever altered.")
class MessageEvent:
    """A change."""

    kind: MessageChange = told("What happened.")
    at: datetime = told("When.")
    provider_id: str | None = told("What the mail server knows the mail by (its Message-ID); null unless sent.")
    detail: str | None = told("What the mail server said, or why it was given up; at most 500 characters.")

    @classmethod
    def of(cls, row: EventRow) -> "MessageEvent":
        """Show a change."""
        return cls(kind=MessageChange(row.kind), at=row.at, provider_id=row.provider_id, detail=row.detail)


@strawberry.type(description="A mail to one person. What it said is not kept.")
class Message(Node):
    """A message."""

    template: MailTemplateKey = told("Which kind of mail it is.")
    email: str = told("The address it goes to.")
    name: str = told("The name before that address; may be empty.")
    state: MessageState = told("Where it stands.")
    created_at: datetime = told("When it was asked for.")
    subject_kind: str | None = told("What it is about, such as 'invitation'.")
    subject_uuid: UUID | None = told("The UUID of what it is about.")

    @strawberry.field(description="What became of it, oldest first.")
    async def events(self, info: Info) -> list[MessageEvent]:
        """Show the history."""
        return [MessageEvent.of(row) for row in await messages.events(info.context, self.uuid)]

    @classmethod
    def of(cls, row: MessageRow) -> "Message":
        """Show a message."""
        return cls(
            id=global_id("Message", row.id),
            uuid=row.id,
            template=MailTemplateKey(row.template),
            email=row.email,
            name=row.name,
            state=MessageState(row.state),
            created_at=row.created_at,
            subject_kind=row.subject_kind,
            subject_uuid=row.subject_id,
        )


@strawberry.type(description="A value that a template can speak of, as `{{ name }}`.")
class MailVariable:
    """A variable."""

    name: str = told("How it is written.")
    description: str = told("What it stands for.")


@strawberry.type(description="How one kind of mail is worded in this tenant.")
class MailTemplate:
    """A template."""

    template: strawberry.Private[Template]
    key: MailTemplateKey = told("The kind of mail.")
    title: str = told("The kind of mail, in words.")
    subject: str = told("The subject, with variables.")
    body: str = told("The body in Markdown, with variables and `{% if %}`.")
    is_custom: bool = told("Whether the tenant has worded it itself.")
    updated_at: datetime | None = told("When it was worded anew; null while it is as shipped.")
    variables: list[MailVariable] = told("What it can speak of.")

    @strawberry.field(description="Who worded it anew; null while it is as shipped.")
    async def updated_by(self, info: Info) -> User | None:
        """Show who."""
        by = self.template.updated_by
        person = None if by is None else await identity.person(info.context, by)
        return person and User.of(person)

    @classmethod
    def of(cls, template: Template) -> "MailTemplate":
        """Show a template."""
        kind = template.kind
        same = {name: f"The same as {other}." for name, other in kind.same.items()}
        return cls(
            template=template,
            key=MailTemplateKey(kind.key),
            title=kind.title,
            subject=template.wording.subject,
            body=template.wording.body,
            is_custom=template.updated_at is not None,
            updated_at=template.updated_at,
            variables=[MailVariable(name=n, description=d) for n, d in {**kind.variables, **same}.items()],
        )


@strawberry.type(description="A mail as a recipient would see it, with made-up values, or why there is none.")
class MailPreview:
    """A preview."""

    subject: str | None = told("The subject; null when the wording cannot be sent.")
    text: str | None = told("The plain text.")
    html: str | None = told("The HTML: sanitised, without images and scripts.")
    problems: list[Problem] = told("Why the wording cannot be sent, such as a variable that does not exist.")


@strawberry.input(description="Which messages are wanted; what is left out does not narrow.")
class MessageFilter:
    """Filter of `messages`."""

    state: list[MessageState] | None = told("Only messages in one of these states.", default=None)
    template: MailTemplateKey | None = told("Only messages of this kind.", default=None)
    email: str | None = told("Only messages to this address.", default=None)
    subject_uuid: UUID | None = told("Only messages about the object with this UUID.", default=None)

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        return Filter(
            state=self.state,
            template=None if self.template is None else self.template.value,
            email=self.email,
            subject_id=self.subject_uuid,
        )


@strawberry.type
class MessagesQuery:
    """Queries about mail."""

    @ask(messages.message, "One message; null when there is none to be seen.")
    async def message(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the message.")]
    ) -> Message | None:
        """Show a message."""
        row = await messages.message(info.context, looked_for("Message", id))
        return row and Message.of(row)

    @ask(messages.mail_templates, "Every kind of mail, as this tenant words it.")
    async def mail_templates(self, info: Info) -> list[MailTemplate]:
        """Show the templates."""
        return [MailTemplate.of(template) for template in await messages.mail_templates(info.context)]

    @ask(messages.mail_template_preview, "A mail with made-up values, in given words or in those that are in use.")
    async def mail_template_preview(
        self,
        info: Info,
        key: Annotated[MailTemplateKey, says("The kind of mail.")],
        subject: Annotated[str | None, says("A subject to try; the one in use when left out.")] = None,
        body: Annotated[str | None, says("A body to try; the one in use when left out.")] = None,
    ) -> MailPreview:
        """Show a preview."""
        made, problems = await attempt(messages.mail_template_preview(info.context, key.value, subject, body))
        if made is None:
            return MailPreview(subject=None, text=None, html=None, problems=problems)
        return MailPreview(subject=made.subject, text=made.text, html=made.html, problems=problems)

    @ask(messages.messages_page, "Messages of the org unit and of the whole tenant, newest first.")
    async def messages(
        self,
        info: Info,
        filter: Annotated[MessageFilter | None, says("Which are wanted.")] = None,
        first: Annotated[int | None, says("At most this many, 0 to 100; 50 when left out.")] = None,
        after: Annotated[str | None, says("Behind this cursor.")] = None,
        last: Annotated[int | None, says("At most this many from the end, 0 to 100.")] = None,
        before: Annotated[str | None, says("Before this cursor.")] = None,
    ) -> Connection[Message]:
        """List messages."""
        page = PageRequest(first=first, after=after, last=last, before=before)
        wanted = (filter or MessageFilter()).plain()
        return connect(await messages.messages_page(info.context, wanted, page), Message.of)


@strawberry.input(description="A new wording of one kind of mail.")
class MailTemplateUpdateInput:
    """What to change."""

    key: MailTemplateKey = told("The kind of mail.")
    subject: str = told(f"The subject, 1 to {LONGEST_SUBJECT} characters in one line.")
    body: str = told(f"The body in Markdown, 1 to {LONGEST_BODY} characters.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A kind of mail to word as shipped again.")
class MailTemplateResetInput:
    """What to reset."""

    key: MailTemplateKey = told("The kind of mail.")
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A template as it is now.")
class MailTemplatePayload:
    """Answer of `mailTemplateUpdate` and `mailTemplateReset`."""

    template: MailTemplate | None = told("The template; null when it was not changed.")
    problems: list[Problem] = told("Why it was not changed.")


@strawberry.type
class MessagesMutation:
    """Acts on mail."""

    @act(messages.mail_template_update, "Word a kind of mail anew; mails that are queued already are worded so, too.")
    async def mail_template_update(
        self, info: Info, input: Annotated[MailTemplateUpdateInput, says("Which kind, and the words.")]
    ) -> MailTemplatePayload:
        """Change a template."""
        wording = Wording(input.subject, input.body)
        changed = messages.mail_template_update(info.context, input.key.value, wording, input.idempotency_key)
        template, problems = await attempt(changed)
        return MailTemplatePayload(template=template and MailTemplate.of(template), problems=problems)

    @act(messages.mail_template_reset, "Return to the shipped wording of a kind of mail.")
    async def mail_template_reset(
        self, info: Info, input: Annotated[MailTemplateResetInput, says("Which kind.")]
    ) -> MailTemplatePayload:
        """Reset a template."""
        changed = messages.mail_template_reset(info.context, input.key.value, input.idempotency_key)
        template, problems = await attempt(changed)
        return MailTemplatePayload(template=template and MailTemplate.of(template), problems=problems)
