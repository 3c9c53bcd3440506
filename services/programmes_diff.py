"""What differs between two versions of a programme, or between one and the draft: a pure rule.

Requirements are the same when they have the same key, whatever else changed of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, cast
from uuid import UUID

from models.programmes import Programme, ProgrammeDraftRequirement, ProgrammeRequirement, ProgrammeVersion

RULES: Final = (
    "due_days",
    "validity_months",
    "expiry_anchor",
    "lead_days",
    "grace_days",
    "reminder_days",
    "remediation",
)
PUBLISHED: Final = (*RULES, "badge_id")
REQUIRED: Final = ("name", "evaluation_id", "min_percent", "is_mandatory", "attempts", "cooling_off_days")
_TEXTS: Final = ("name", "description")


class ChangeKind(StrEnum):
    """What became of a requirement, or of a rule."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `key` is None for what is said of the programme as a whole; values are as people read them."""

    kind: ChangeKind
    key: UUID | None
    name: str
    field: str | None = None
    before: str | None = None
    after: str | None = None

    def told(self) -> dict[str, str | None]:
        """Return it as the ledger keeps it."""
        key = None if self.key is None else str(self.key)
        return {
            "kind": self.kind.value,
            "key": key,
            "name": self.name,
            "field": self.field,
            "before": self.before,
            "after": self.after,
        }


Fields = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Said:
    """All that a version says: of the whole, and by key of each requirement, in order."""

    whole: Fields
    requirements: Mapping[UUID, Fields]


NOTHING: Final = Said({}, {})


def said(
    whole: Programme | ProgrammeVersion,
    requirements: Sequence[ProgrammeDraftRequirement] | Sequence[ProgrammeRequirement],
) -> Said:
    """Return what a draft or a version says."""
    fields = {name: _word(getattr(whole, name)) for name in (*_TEXTS, *PUBLISHED)}
    below = {
        getattr(one, "key", one.id): {name: _word(getattr(one, name)) for name in REQUIRED} for one in requirements
    }
    return Said(fields, below)


def between(before: Said, after: Said) -> list[Change]:
    """Return what differs, first of the whole, then of each requirement in the order of `after`, then what is gone."""
    changes = _changed(None, after.whole.get("name") or "", before.whole, after.whole)
    kept = [key for key in after.requirements if key in before.requirements]
    moved = _moved([key for key in before.requirements if key in after.requirements], kept)
    for key, fields in after.requirements.items():
        name = fields["name"] or ""
        if key not in before.requirements:
            changes.append(Change(ChangeKind.ADDED, key, name))
            continue
        if key in moved:
            changes.append(Change(ChangeKind.MOVED, key, name, "position", *moved[key]))
        changes += _changed(key, name, before.requirements[key], fields)
    gone = [(key, fields) for key, fields in before.requirements.items() if key not in after.requirements]
    return changes + [Change(ChangeKind.REMOVED, key, fields["name"] or "") for key, fields in gone]


def _changed(key: UUID | None, name: str, before: Fields, after: Fields) -> list[Change]:
    names = dict.fromkeys((*before, *after))
    return [
        Change(ChangeKind.CHANGED, key, name, _field(one), before.get(one), after.get(one))
        for one in names
        if before.get(one) != after.get(one)
    ]


def _moved(before: Sequence[UUID], after: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return those whose place among the kept ones is another, with both places."""
    was = {key: place for place, key in enumerate(before, 1)}
    return {key: (f"{was[key]}", f"{place}") for place, key in enumerate(after, 1) if was[key] != place}


def _field(name: str) -> str:
    """Return how the API calls a column."""
    first, *rest = name.removesuffix("_id").split("_")
    return first + "".join(word.title() for word in rest)


def _word(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        return ", ".join(str(one) for one in cast("list[object]", value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.2f}" if isinstance(value, Decimal) else f"{value}"
