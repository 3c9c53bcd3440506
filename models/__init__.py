"""WHERE it is kept: mapped classes, row policies and reusable selects."""

from models import (
    accommodations,
    activity,
    assignments,
    attempts,
    authoring,
    idempotency,
    identity,
    incidents,
    messages,
    overrides,
    policy,
    public_links,
    schedules,
    service_tokens,
    sessions,
    sign_ins,
    submissions,
)
from models.base import Base

__all__ = [
    "Base",
    "accommodations",
    "activity",
    "assignments",
    "attempts",
    "authoring",
    "idempotency",
    "identity",
    "incidents",
    "messages",
    "overrides",
    "policy",
    "public_links",
    "schedules",
    "service_tokens",
    "sessions",
    "sign_ins",
    "submissions",
]
