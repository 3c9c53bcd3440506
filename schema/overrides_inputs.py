"""Whom an override is for, and what it does."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import strawberry

from models.overrides import OverrideKind
from schema.access import told
from schema.enums import closed_set
from schema.nodes import local_id
from services.overrides import Target
from services.overrides_rows import Change
from services.policy import LARGEST_MULTIPLIER, LONGEST_LIMIT_SECONDS, MOST_ATTEMPTS


class Liftable(StrEnum):
    """Limits that can be lifted altogether."""

    TIME_LIMIT = "time_limit"
    ALLOWED_ATTEMPTS = "allowed_attempts"
    WINDOW_UNTIL = "window_until"


closed_set(
    Liftable,
    "LiftableLimit",
    "A limit that an override can lift.",
    {
        Liftable.TIME_LIMIT: "No time limit.",
        Liftable.ALLOWED_ATTEMPTS: "Any number of attempts.",
        Liftable.WINDOW_UNTIL: "The window does not close.",
    },
)


@strawberry.input(one_of=True, description="Whom an override is for: exactly one of the two.")
class OverrideTargetInput:
    """A person or a group."""

    user_id: strawberry.ID | None = told("Global id of a recipient of the assignment.", default=strawberry.UNSET)
    group_id: strawberry.ID | None = told(
        "Global id of a group: those who are in it and among the recipients, now and at each start.",
        default=strawberry.UNSET,
    )

    def plain(self) -> Target:
        """Return the target as the service reads it."""
        if isinstance(self.user_id, str):
            return Target(user_id=local_id("User", self.user_id, path=["target", "userId"]))
        return Target(group_id=local_id("Group", str(self.group_id), path=["target", "groupId"]))


@strawberry.input(one_of=True, description="What an override does: exactly one of these.")
class OverrideChangeInput:
    """A change of one limit."""

    extension_seconds: int | None = told(
        f"Seconds added to the working time, 1 to {LONGEST_LIMIT_SECONDS}; several extensions add up.",
        default=strawberry.UNSET,
    )
    added_attempts: int | None = told(
        f"Attempts added, 1 to {MOST_ATTEMPTS}; several additions add up.", default=strawberry.UNSET
    )
    time_limit_seconds: int | None = told(
        f"Another time limit in seconds, 1 to {LONGEST_LIMIT_SECONDS}.", default=strawberry.UNSET
    )
    time_multiplier: Decimal | None = told(
        f"Another factor on the time limit, 1 to {LARGEST_MULTIPLIER} with at most four decimals; factors do not "
        "stack, the largest counts.",
        default=strawberry.UNSET,
    )
    allowed_attempts: int | None = told(
        f"Another number of allowed attempts, 1 to {MOST_ATTEMPTS}.", default=strawberry.UNSET
    )
    window_until: datetime | None = told("Another close of the window, still to come.", default=strawberry.UNSET)
    unlimited: Liftable | None = told("The limit to lift.", default=strawberry.UNSET)

    def plain(self, *, restrict: bool) -> Change:
        """Return the change as the service reads it."""
        if isinstance(self.unlimited, Liftable):
            return Change(OverrideKind(self.unlimited.value), is_unlimited=True, restrict=restrict)
        if isinstance(self.window_until, datetime):
            return Change(OverrideKind.WINDOW_UNTIL, instant=self.window_until, restrict=restrict)
        amounts: dict[OverrideKind, Any] = {
            OverrideKind.EXTENSION: self.extension_seconds,
            OverrideKind.ADDED_ATTEMPTS: self.added_attempts,
            OverrideKind.TIME_LIMIT: self.time_limit_seconds,
            OverrideKind.TIME_MULTIPLIER: self.time_multiplier,
            OverrideKind.ALLOWED_ATTEMPTS: self.allowed_attempts,
        }
        kind, amount = next((kind, one) for kind, one in amounts.items() if isinstance(one, (int, Decimal)))
        return Change(kind, amount=Decimal(amount), restrict=restrict)
