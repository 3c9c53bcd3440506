"""Overrides as the policy resolver reads them: which are in force, and what each of them sets or adds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import aliased

from models.overrides import AssignmentOverride, OverrideKind
from services.policy import (
    FINEST_MULTIPLIER,
    LARGEST_MULTIPLIER,
    LONGEST_LIMIT_SECONDS,
    MOST_ATTEMPTS,
    UNLIMITED,
    Row,
    Settings,
    Source,
    SourceKind,
)
from services.refusals import InvalidInput
from services.work import Work

ADDING = frozenset({OverrideKind.EXTENSION, OverrideKind.ADDED_ATTEMPTS})
"""Kinds that add to a limit; the others replace it."""

_NAMES = {
    OverrideKind.EXTENSION: "extensionSeconds",
    OverrideKind.ADDED_ATTEMPTS: "addedAttempts",
    OverrideKind.TIME_LIMIT: "timeLimitSeconds",
    OverrideKind.TIME_MULTIPLIER: "timeMultiplier",
    OverrideKind.ALLOWED_ATTEMPTS: "allowedAttempts",
    OverrideKind.WINDOW_UNTIL: "windowUntil",
}
_BOUNDS: dict[OverrideKind, tuple[int, int]] = {
    OverrideKind.EXTENSION: (1, LONGEST_LIMIT_SECONDS),
    OverrideKind.ADDED_ATTEMPTS: (1, MOST_ATTEMPTS),
    OverrideKind.TIME_LIMIT: (1, LONGEST_LIMIT_SECONDS),
    OverrideKind.TIME_MULTIPLIER: (1, LARGEST_MULTIPLIER),
    OverrideKind.ALLOWED_ATTEMPTS: (1, MOST_ATTEMPTS),
}
_BOUNDLESS = frozenset({OverrideKind.TIME_LIMIT, OverrideKind.ALLOWED_ATTEMPTS, OverrideKind.WINDOW_UNTIL})


@dataclass(frozen=True, slots=True)
class Change:
    """What an override does. `amount` is seconds, attempts or a factor by the kind; `instant` a close of the window.

    With `restrict`, a value that replaces another may be stricter than it; without, whichever is kinder holds.
    """

    kind: OverrideKind
    amount: Decimal | None = None
    instant: datetime | None = None
    is_unlimited: bool = False
    restrict: bool = False

    def checked(self) -> "Change":
        """Return it as it is; refuse a value out of bounds, and a stricter addition."""
        name = _NAMES[self.kind]
        if self.is_unlimited and self.kind not in _BOUNDLESS:
            raise InvalidInput(f"{name} cannot be unlimited.", path=["change", "unlimited"])
        if self.restrict and (self.kind in ADDING or self.is_unlimited):
            raise InvalidInput(
                "What adds to a limit or lifts it cannot restrict.",
                path=["restrict"],
                hint="Leave `restrict` out, or set a limit instead.",
            )
        if self.amount is not None:
            least, most = _BOUNDS[self.kind]
            if not least <= self.amount <= most or self.amount % FINEST_MULTIPLIER:
                raise InvalidInput(f"{name} is {self.amount}; it must be {least} to {most}.", path=["change", name])
        if self.instant is not None and self.instant.tzinfo is None:
            raise InvalidInput(
                f"'{self.instant.isoformat()}' names no time zone.",
                path=["change", name],
                hint="Write it in UTC, ending in 'Z'.",
            )
        return self

    def row(self, source: Source) -> Row:
        """Return it as the policy resolver reads it."""
        whole = int(self.amount or 0)
        if self.kind is OverrideKind.EXTENSION:
            return Row(source=source, extension_seconds=whole)
        if self.kind is OverrideKind.ADDED_ATTEMPTS:
            return Row(source=source, added_attempts=whole)
        value: Any = self.instant if self.kind is OverrideKind.WINDOW_UNTIL else whole
        if self.kind is OverrideKind.TIME_MULTIPLIER:
            value = self.amount
        field = {OverrideKind.TIME_LIMIT: "time_limit_seconds"}.get(self.kind, str(self.kind))
        setting = Settings.model_validate({field: UNLIMITED if self.is_unlimited else value})
        return Row(source=source, settings=setting, restrict=self.restrict)


def change_of(row: AssignmentOverride) -> Change:
    """Return what a row of the ledger does."""
    return Change(OverrideKind(row.kind), row.amount, row.instant, row.is_unlimited, row.restrict)


def as_row(row: AssignmentOverride) -> Row:
    """Return an override as the policy resolver reads it, its author and reason with it."""
    who = None if row.created_by is None else str(row.created_by)
    return change_of(row).row(source(row.id, who, row.reason, of_group=row.group_id is not None))


def source(row_id: UUID, who: str | None, why: str, *, of_group: bool) -> Source:
    """Return where the value of an override comes from."""
    kind = SourceKind.GROUP_OVERRIDE if of_group else SourceKind.USER_OVERRIDE
    return Source(kind=kind, id=str(row_id), who=who, why=why)


async def in_force(
    work: Work, assignment_ids: Sequence[UUID], now: datetime, user_ids: Sequence[UUID]
) -> Sequence[AssignmentOverride]:
    """Return the overrides of assignments that count now, for these people and for groups, oldest first.

    A row that was reversed does not count, nor does its reversal, nor one whose time is over.
    """
    row, reversal = AssignmentOverride, aliased(AssignmentOverride)
    wanted = select(row).where(
        row.assignment_id.in_(assignment_ids),
        or_(row.group_id.is_not(None), row.user_id.in_(user_ids)),
        row.reverses.is_(None),
        or_(row.valid_until.is_(None), row.valid_until > now),
        ~exists().where(reversal.reverses == row.id),
    )
    return (await work.session.scalars(wanted.order_by(row.id))).all()
