"""What can be followed, as opaque keys: whoever listens on the channel learns nothing from them."""

import hashlib
from functools import lru_cache
from typing import Final, NewType
from uuid import UUID

Topic = NewType("Topic", str)

KEPT: Final = 4096
"""How many topics of each kind are remembered: those of a running examination are rung for again and again."""


def _topic(kind: str, *ids: UUID) -> Topic:
    text = "/".join([kind, *map(str, ids)])
    return Topic(hashlib.sha256(text.encode()).hexdigest()[:32])


@lru_cache(maxsize=KEPT)
def assignment_sessions(tenant_id: UUID, assignment_id: UUID) -> Topic:
    """Everything that happens in the sessions of one assignment."""
    return _topic("assignment-sessions", tenant_id, assignment_id)


@lru_cache(maxsize=KEPT)
def room_sessions(tenant_id: UUID, room_id: UUID) -> Topic:
    """Everything that happens in the sessions of one room."""
    return _topic("room-sessions", tenant_id, room_id)


@lru_cache(maxsize=KEPT)
def unit_sessions(tenant_id: UUID, org_unit_id: UUID) -> Topic:
    """Everything that happens in the sessions of one org unit."""
    return _topic("unit-sessions", tenant_id, org_unit_id)


@lru_cache(maxsize=KEPT)
def session_timeline(tenant_id: UUID, session_id: UUID) -> Topic:
    """Everything that happens in one session."""
    return _topic("session-timeline", tenant_id, session_id)


@lru_cache(maxsize=KEPT)
def reviews(tenant_id: UUID, org_unit_id: UUID) -> Topic:
    """Everything that happens to the review tasks of one org unit."""
    return _topic("reviews", tenant_id, org_unit_id)


@lru_cache(maxsize=KEPT)
def programme(tenant_id: UUID, programme_id: UUID) -> Topic:
    """Everything that happens to the enrolments of one programme."""
    return _topic("programme", tenant_id, programme_id)


def rights(tenant_id: UUID) -> Topic:
    """Who may do what in a tenant: rung whenever roles, grants or people change."""
    return _topic("rights", tenant_id)


def jobs() -> Topic:
    """Everything that waits in the queue of background jobs."""
    return _topic("jobs")
