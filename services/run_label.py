"""The label of one run of an assessment, such as `Compliance_Q1_2026` (domain.md section 5)."""

import re
import unicodedata
from datetime import date

from services.refusals import InvalidInput

LONGEST_LABEL = 80

_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_UNNAMED = "Assessment"


def generated(name: str, on: date) -> str:
    """Return a label from an evaluation's name and the quarter of a date, which is the tenant's own (its zone).

    Accents are dropped, anything else that a label cannot hold becomes one underscore, and the name is cut to fit.
    A name without any Latin letter or digit becomes `Assessment`.
    """
    period = f"_Q{(on.month + 2) // 3}_{on.year:04}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9.-]+", "_", plain.replace("'", "")).strip("_.-")
    return (words or _UNNAMED)[: LONGEST_LABEL - len(period)].rstrip("_.-") + period


def checked(label: str) -> str:
    """Return a label that a person wrote; refuse other characters than letters, digits, `_ - .`, and over 80."""
    if not _LABEL.fullmatch(label):
        raise InvalidInput(
            f"The run label '{label[:LONGEST_LABEL]}' must have 1 to {LONGEST_LABEL} letters, digits, '_', '-' or '.'.",
            path=("runLabel",),
            hint="Leave it out to get one such as 'Compliance_Q1_2026'.",
        )
    return label
