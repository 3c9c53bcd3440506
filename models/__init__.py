"""WHERE it is kept: mapped classes, row policies and reusable selects."""

from models import activity, assignments, authoring, idempotency, identity, messages, sessions, submissions
from models.base import Base

__all__ = [
    "Base",
    "activity",
    "assignments",
    "authoring",
    "idempotency",
    "identity",
    "messages",
    "sessions",
    "submissions",
]
