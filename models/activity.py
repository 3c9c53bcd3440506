"""The activity ledger's rows: one for each decision, who, when, why and what (domain.md section 11)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, index, owner, position, primary


class Activity(TenantOwned, Base):
    """Append-only. Plain values and no foreign keys to people or objects, so that a row outlives what it names."""

    __tablename__ = "activity"
    __table_args__ = (
        primary(),
        owner(),
        index("ix_activity_subject", "subject_kind", "subject_id", "id"),
        index("ix_activity_position", "xid", "id"),
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
