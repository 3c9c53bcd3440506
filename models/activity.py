"""The activity ledger's rows: one for each decision, who, when, why and what (domain.md section 11)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, index, owner, position, primary, unique


class Activity(TenantOwned, Base):
    """Append-only. Plain values and no foreign keys to people or objects, so that a row outlives what it names."""

    __tablename__ = "activity"
    __table_args__ = (
        primary(),
        owner(),
        index("ix_activity_subject", "subject_kind", "subject_id", "id"),
        index("ix_activity_position", "xid", "id"),
        index("ix_activity_actor", "actor_id", "xid", "id"),
        index("ix_activity_act", "act", "xid", "id"),
        index("ix_activity_at", "at", "id"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    org_unit_id: Mapped[UUID | None]
    act: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    reason: Mapped[str | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    xid: Mapped[int] = position()


class ActivitySeal(TenantOwned, Base):
    """The place of a ledger row in its tenant's hash chain; its `id` is the row's, so that none is sealed twice."""

    __tablename__ = "activity_seals"
    __table_args__ = (
        primary(),
        ForeignKeyConstraint(["tenant_id", "id"], ["activity.tenant_id", "activity.id"]),
        unique("position"),
        CheckConstraint("position > 0", "position"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    position: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]
    sealed_at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))


class ActivityCheckpoint(TenantOwned, Base):
    """A signed statement of how many rows a chain held, and of the hash of the last one."""

    __tablename__ = "activity_checkpoints"
    __table_args__ = (
        primary(),
        owner(),
        unique("number"),
        unique("count"),
        CheckConstraint("number > 0", "number"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    number: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[str]
    at: Mapped[datetime]
    key_id: Mapped[str]
    signature: Mapped[str]


class LedgerKey(Base):
    """A public key that signs checkpoints, and the key that vouches for it: itself, or one that came after it."""

    __tablename__ = "ledger_keys"
    __table_args__ = (PrimaryKeyConstraint("key_id", "vouched_by"), {"info": {"shared": True}})

    key_id: Mapped[str]
    vouched_by: Mapped[str]
    public: Mapped[str]
    signature: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))
