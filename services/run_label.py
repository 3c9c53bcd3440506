"""The label of one run of an assessment, such as `Compliance_Q1_2026` (domain.md section 5)."""

import re
import unicodedata
from datetime import date
from enum import StrEnum

from services.refusals import InvalidInput

LONGEST_LABEL = 80

_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_UNNAMED = "Assessment"


class Period(StrEnum):
    """What a label names beside the assessment: how long a time one run stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


def generated(name: str, on: date, period: Period = Period.QUARTER) -> str:
    """Return a label from an evaluation's name and the period of a date, which is the tenant's own (its zone).

    Accents are dropped, anything else that a label cannot hold becomes one underscore, and the name is cut to fit.
    A name without any Latin letter or digit becomes `Assessment`.
    """
    suffix = f"_{_named(on, period)}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9.-]+", "_", plain.replace("'", "")).strip("_.-")
    return (words or _UNNAMED)[: LONGEST_LABEL - len(suffix)].rstrip("_.-") + suffix


def _named(on: date, period: Period) -> str:
    """Return how a period is written: `Q1_2026`, `2026-03`, `2026-W12` (ISO 8601) or `2026-03-16`."""
    if period is Period.QUARTER:
        return f"Q{(on.month + 2) // 3}_{on.year:04}"
    if period is Period.WEEK:
        week = on.isocalendar()
        return f"{week.year:04}-W{week.week:02}"
    return on.isoformat() if period is Period.DAY else on.isoformat()[:7]


def checked(label: str) -> str:
    """Return a label that a person wrote; refuse other characters than letters, digits, `_ - .`, and over 80."""
    if not _LABEL.fullmatch(label):
        raise InvalidInput(
            f"The run label '{label[:LONGEST_LABEL]}' must have 1 to {LONGEST_LABEL} letters, digits, '_', '-' or '.'.",
            path=("runLabel",),
            hint="Leave it out to get one such as 'Compliance_Q1_2026'.",
        )
    return label
