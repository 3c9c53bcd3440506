"""The limits that a tenant sets for whatever says nothing of its own (domain.md section 5, "Effective policy")."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, changed, owner, primary, refer, unique


class PolicyDefaults(TenantOwned, Base):
    """The one row of a tenant; NULL means that Evalium's own default holds."""

    __tablename__ = "policy_defaults"
    __table_args__ = (
        primary(),
        owner(),
        refer("changed_by", "users"),
        unique(),
        CheckConstraint("time_limit_seconds > 0", "time_limit"),
        CheckConstraint("allowed_attempts > 0", "attempts"),
        CheckConstraint("network_grace_seconds between 0 and 600", "grace"),
        CheckConstraint("idle_threshold_seconds between 5 and 3600", "idle"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    time_limit_seconds: Mapped[int | None] = mapped_column(Integer)
    allowed_attempts: Mapped[int | None] = mapped_column(Integer)
    feedback_mode: Mapped[str | None]
    security_config: Mapped[dict[str, Any] | None]
    network_grace_seconds: Mapped[int | None] = mapped_column(Integer)
    idle_threshold_seconds: Mapped[int | None] = mapped_column(Integer)
    changed_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    changed_xid: Mapped[int] = changed()
