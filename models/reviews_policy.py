"""By which rules reviews of an evaluation go: rows that never change; the newest holds (domain.md section 9)."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, primary, refer, refer_within, silo_key, unique


class ReviewPolicy(Resource, Timed, Base):
    """One version of the rules. `seed` decides which reviews make up a sample, and is never shown."""

    __tablename__ = "review_policies"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("evaluation_id", "evaluations"),
        refer("set_by", "users"),
        unique("evaluation_id", "number"),
        CheckConstraint("number > 0", "number"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    evaluation_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    settings: Mapped[dict[str, Any]]
    seed: Mapped[str]
    reason: Mapped[str]
    set_by: Mapped[UUID | None]
