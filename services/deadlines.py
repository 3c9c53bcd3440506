"""When a session's time is over (domain.md section 5, "Time"). Limits are whole seconds, instants exact."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Limits:
    """A person's working time: the limit in seconds (None is unlimited), its multiplier, and the sum of extensions."""

    limit_seconds: int | None
    multiplier: Decimal = Decimal(1)
    extension_seconds: int = 0

    @property
    def my_limit_seconds(self) -> int | None:
        """Return `limit * multiplier + sum of extensions`; a part of a second is given to the candidate."""
        if self.limit_seconds is None:
            return None
        return max(0, math.ceil(self.limit_seconds * Fraction(self.multiplier)) + self.extension_seconds)

    @property
    def added_seconds(self) -> int:
        """Return by how much the end of the window moves: what this person has over the plain limit."""
        mine = self.my_limit_seconds
        if mine is None or self.limit_seconds is None:
            return self.extension_seconds
        return mine - self.limit_seconds


def deadline(
    limits: Limits, *, started_at: datetime, window_until: datetime | None, paused_seconds: Decimal | int = 0
) -> datetime | None:
    """Return `min(started_at + my_limit + paused, window_end + added + paused)`; None when neither bound exists.

    Example of the rule: a window until 11:00, 60 minutes, multiplier 1.5, started at 10:20, ends at 11:30.
    """
    mine, paused = limits.my_limit_seconds, span(paused_seconds)
    by_limit = None if mine is None else started_at + timedelta(seconds=mine) + paused
    if window_until is None:
        return by_limit
    by_window = window_until + timedelta(seconds=limits.added_seconds) + paused
    return by_window if by_limit is None else min(by_limit, by_window)


def span(seconds: Decimal | int) -> timedelta:
    """Return a number of seconds as a span, exact to the microsecond, which is as exact as an instant is."""
    return timedelta(microseconds=int(seconds * 1_000_000))


def seconds_of(length: timedelta) -> Decimal:
    """Return a span as a number of seconds, exact to the microsecond."""
    return Decimal(length // timedelta(microseconds=1)).scaleb(-6)


def seconds_remaining(deadline_at: datetime | None, as_of: datetime) -> int | None:
    """Return the whole seconds left, never below 0; None without a deadline.

    `as_of` is now, or the instant of the pause while a session is paused: its clock stands still.
    """
    if deadline_at is None:
        return None
    return max(0, (deadline_at - as_of) // timedelta(seconds=1))
