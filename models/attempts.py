"""How often something was tried lately: counters of fixed windows that know their targets by hash alone."""

from datetime import datetime

from sqlalchemy import Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped

from models.base import Base


class AttemptCounter(Base):
    """What was tried at one target in one window. It belongs to no tenant: a target may be an address of nobody."""

    __tablename__ = "attempt_counters"
    __table_args__ = (
        PrimaryKeyConstraint("target"),
        Index("ix_attempt_counters_ends", "ends_at"),
        {"info": {"shared": True}},
    )

    target: Mapped[str]
    ends_at: Mapped[datetime]
    count: Mapped[int]
