"""Public links: whoever has one and names themselves may start (domain.md section 5)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, index, primary, refer, refer_within, silo_key


class PublicLink(Resource, Timed, Base):
    """A link to an assignment that is handed out freely. `code_hash` is a keyed hash of its access code, if it has one.

    `cap` is how many sessions may come of it, and `used` how many have.
    """

    __tablename__ = "public_links"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("assignment_id", "assignments"),
        refer("created_by", "users"),
        index("ix_public_links_assignment", "assignment_id", "id"),
        CheckConstraint("cap > 0", "cap"),
        CheckConstraint("used >= 0 and used <= cap", "used"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    assignment_id: Mapped[UUID]
    jti: Mapped[UUID]
    code_hash: Mapped[str | None]
    cap: Mapped[int | None] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer, server_default="0")
    closed_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
