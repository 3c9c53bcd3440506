"""What anybody may read without a token: by pages of any origin, and at addresses that are spelled in one way."""

from typing import Final
from uuid import UUID

ANYWHERE: Final = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def as_written(value: str) -> UUID | None:
    """Return a UUID in its usual form; None for anything else."""
    try:
        found = UUID(value)
    except ValueError:
        return None
    return found if str(found) == value else None
