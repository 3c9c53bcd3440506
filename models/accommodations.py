"""What a person needs in every assessment: more time, time for breaks (domain.md section 5)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, TenantOwned, Timed, owner, primary, refer, unique


class AccommodationProfile(TenantOwned, Timed, Base):
    """The profile of one person, kept as a multiplier. Sessions that exist keep what was frozen into them."""

    __tablename__ = "accommodation_profiles"
    __table_args__ = (
        primary(),
        owner(),
        refer("user_id", "users"),
        refer("changed_by", "users", name="fk_accommodation_profiles_changed_by"),
        unique("user_id"),
        CheckConstraint("time_multiplier between 1 and 10", "time_multiplier"),
        CheckConstraint("break_seconds between 0 and 86400", "break_seconds"),
        {"info": {"narrow": [Narrowing.STAFF_ONLY]}},
    )

    user_id: Mapped[UUID]
    time_multiplier: Mapped[Decimal] = mapped_column(Numeric(6, 4))
    break_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    notes: Mapped[str]
    valid_until: Mapped[datetime | None]
    changed_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer, server_default="1")
