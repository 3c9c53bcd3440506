"""Exceptions from an assignment's limits, for a person or a group: a ledger of rows that never change (domain.md 5)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Numeric, false
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, among, index, primary, refer, refer_within, silo_key, unique


class OverrideKind(StrEnum):
    """Which limit an override touches. The first two add to it; the others replace what it was."""

    EXTENSION = "extension"
    ADDED_ATTEMPTS = "added_attempts"
    TIME_LIMIT = "time_limit"
    TIME_MULTIPLIER = "time_multiplier"
    ALLOWED_ATTEMPTS = "allowed_attempts"
    WINDOW_UNTIL = "window_until"


class AssignmentOverride(Resource, Timed, Base):
    """One decision about the limits of a person or a group on an assignment: who, when, why, and until when.

    `amount` is seconds, a number of attempts or a factor, by the kind; `instant` is the new close of the window. A
    reversal is a row of its own that names the row which it takes back.
    """

    __tablename__ = "assignment_overrides"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("assignment_id", "assignments"),
        refer("user_id", "users"),
        refer("group_id", "groups"),
        refer("created_by", "users", name="fk_assignment_overrides_created_by"),
        refer_within("reverses", "assignment_overrides"),
        unique("reverses"),
        index("ix_assignment_overrides_assignment", "assignment_id", "id"),
        index("ix_assignment_overrides_user", "user_id", "id"),
        CheckConstraint(among("kind", OverrideKind), "kind"),
        CheckConstraint("(user_id is null) <> (group_id is null)", "target"),
        CheckConstraint(
            "num_nonnulls(amount, instant) + is_unlimited::integer = 1 and "
            "(instant is null or kind = 'window_until') and (amount is null or kind <> 'window_until')",
            "value",
        ),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    assignment_id: Mapped[UUID]
    user_id: Mapped[UUID | None]
    group_id: Mapped[UUID | None]
    kind: Mapped[str]
    amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
    instant: Mapped[datetime | None]
    is_unlimited: Mapped[bool] = mapped_column(server_default=false())
    restrict: Mapped[bool] = mapped_column(server_default=false())
    reason: Mapped[str]
    created_by: Mapped[UUID | None]
    valid_until: Mapped[datetime | None]
    reverses: Mapped[UUID | None]
