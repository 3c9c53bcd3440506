"""A session's row without the ORM."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(slots=True)
class Held:
    """What a session's row says of its course, without the ORM: read and written for many sessions at once."""

    id: UUID
    org_unit_id: UUID
    assignment_id: UUID
    user_id: UUID
    state: str
    version: int
    started_at: datetime | None
    deadline_at: datetime | None
    paused_at: datetime | None
    resumed_at: datetime | None
    ended_at: datetime | None
    grace_seconds: int
    item_count: int
    event_seq: int
    answered_count: int
    current_position: int | None
    focus_lost_count: int
    focus_lost_at: datetime | None
    tab_switch_count: int
    paste_count: int
    last_activity_at: datetime | None
    last_seen_at: datetime | None
    disconnected_at: datetime | None
    disconnect_count: int
    disconnected_seconds: Decimal
    absent_from: datetime | None
    absent_until: datetime | None
    is_high_stakes: bool
    focus_loss_limit: int | None
    attention_level: str
    attention_since: datetime | None
    attention_rules: list[Any] | None
    attention_acknowledged: dict[str, Any] | None
    attention_version: int | None
    attention_check_at: datetime | None


HELD_COLUMNS = tuple(field.name for field in fields(Held))
"""The columns of `delivery_sessions` that `Held` takes, in its order."""
