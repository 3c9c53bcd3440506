"""Answers kept for idempotency keys (domain.md section 12)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped

from models.base import Base, Narrowing, TenantOwned, index, owner, primary, unique


class IdempotencyKey(TenantOwned, Base):
    """The answer to one request, written in the transaction of its effect and kept for 24 hours.

    `principal` and `operation` scope the key; `session_id` is set for a candidate's requests.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        primary(),
        owner(),
        unique("principal", "operation", "key"),
        index("ix_idempotency_keys_expires", "expires_at"),
        {"info": {"narrow": [Narrowing.OWN_SESSION]}},
    )

    principal: Mapped[str]
    operation: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[str]
    answer: Mapped[dict[str, Any]]
    session_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]
