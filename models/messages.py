"""Mail: the templates that a tenant has changed, the messages, and what became of each (domain.md section 1)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, Timed, among, index, owner, primary, refer, unique

OF_ITS_UNIT = {"narrow": [Narrowing.UNIT_IF_ANY, Narrowing.STAFF_ONLY]}


class MessageState(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    SENT = "sent"
    BOUNCED = "bounced"
    FAILED = "failed"


class MessageChange(StrEnum):
    """What happened to a message: its states, and `deferred` for an attempt that is made again."""

    QUEUED = "queued"
    DEFERRED = "deferred"
    SENT = "sent"
    BOUNCED = "bounced"
    FAILED = "failed"


class MailTemplate(TenantOwned, Timed, Base):
    """A tenant's own wording of one kind of mail; without a row the shipped wording is used."""

    __tablename__ = "mail_templates"
    __table_args__ = (
        primary(),
        owner(),
        refer("updated_by", "users"),
        unique("key"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    key: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))
    updated_by: Mapped[UUID | None]


class Message(TenantOwned, Timed, Base):
    """One mail to one person. `sealed` holds its variables, encrypted, until it has been sent or has bounced."""

    __tablename__ = "messages"
    __table_args__ = (
        primary(),
        owner(),
        refer("org_unit_id", "org_units"),
        CheckConstraint(among("state", MessageState), "state"),
        index("ix_messages_created", "created_at", "id"),
        index("ix_messages_email", "email"),
        index("ix_messages_subject", "subject_kind", "subject_id"),
        {"info": OF_ITS_UNIT},
    )

    org_unit_id: Mapped[UUID | None]
    template: Mapped[str]
    email: Mapped[str]
    name: Mapped[str]
    subject_kind: Mapped[str | None]
    subject_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(server_default=MessageState.QUEUED)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


class MessageEvent(TenantOwned, Base):
    """One change of a message. Append-only. `provider_id` is what the mail server calls it, `detail` what it said."""

    __tablename__ = "message_events"
    __table_args__ = (
        primary(),
        owner(),
        refer("org_unit_id", "org_units"),
        refer("message_id", "messages"),
        CheckConstraint(among("kind", MessageChange), "kind"),
        index("ix_message_events_message", "message_id", "id"),
        {"info": OF_ITS_UNIT},
    )

    org_unit_id: Mapped[UUID | None]
    message_id: Mapped[UUID]
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))
    provider_id: Mapped[str | None]
    detail: Mapped[str | None]
