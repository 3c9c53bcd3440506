"""From when on signals in a session need attention: the thresholds that a tenant sets (domain.md section 6)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, owner, primary, refer, unique


class AttentionLevel(StrEnum):
    """How much attention a session needs, from none on."""

    NONE = "none"
    NOTICE = "notice"
    WARNING = "warning"
    URGENT = "urgent"


class AttentionRules(TenantOwned, Base):
    """The one row of a tenant that has set anything; without it Evalium's own thresholds hold.

    `standard` and `high_stakes` hold, for each signal, the values at which it is worth a notice, a warning and urgent
    attention; null where it never is.
    """

    __tablename__ = "attention_rules"
    __table_args__ = (
        primary(),
        owner(),
        refer("changed_by", "users"),
        unique(),
        CheckConstraint("disconnected_after_seconds between 10 and 600", "silence"),
        CheckConstraint("version > 0", "version"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    standard: Mapped[dict[str, Any]]
    high_stakes: Mapped[dict[str, Any]]
    disconnected_after_seconds: Mapped[int] = mapped_column(Integer)
    changed_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer)
