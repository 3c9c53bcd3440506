"""Service tokens: what programs of a tenant show, bounded by capabilities, operations, place and time."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, Timed, index, owner, primary, refer


class ServiceToken(TenantOwned, Timed, Base):
    """A token for a program. The signed token is shown once and not kept; this row decides whether it still counts."""

    __tablename__ = "service_tokens"
    __table_args__ = (
        primary(),
        owner(),
        refer("org_unit_id", "org_units"),
        refer("created_by", "users"),
        CheckConstraint("(revoked_at is null) = (revoke_reason is null)", "revoked_with_reason"),
        index("ix_service_tokens_creator", "created_by"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    name: Mapped[str]
    org_unit_id: Mapped[UUID | None]
    capabilities: Mapped[list[Any]] = mapped_column(JSONB())
    operations: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_by: Mapped[UUID]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]
    revoke_reason: Mapped[str | None]
    last_used_at: Mapped[datetime | None]
