"""WHERE it is kept: mapped classes, row policies and reusable selects."""

from models import (
    activity,
    assignments,
    attempts,
    authoring,
    idempotency,
    identity,
    messages,
    service_tokens,
    sessions,
    sign_ins,
    submissions,
)
from models.base import Base

__all__ = [
    "Base",
    "activity",
    "assignments",
    "attempts",
    "authoring",
    "idempotency",
    "identity",
    "messages",
    "service_tokens",
    "sessions",
    "sign_ins",
    "submissions",
]
