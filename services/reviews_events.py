"""The events of reviews: appended with the change that they tell of; the table is the stream (domain.md section 7)."""

from datetime import datetime
from typing import Any

from models.base import uuid7
from models.reviews import ReviewEvent, ReviewEventKind, ReviewTask
from realtime import topics
from services.work import Work


async def append(
    work: Work,
    task: ReviewTask,
    kind: ReviewEventKind,
    *,
    at: datetime,
    reason: str | None = None,
    payload: dict[str, Any] | None = None,
) -> None:
    """Append an event of a task that is held, and wake whoever follows the queue."""
    work.session.add(
        ReviewEvent(
            id=uuid7(),
            org_unit_id=task.org_unit_id,
            task_id=task.id,
            kind=kind,
            at=at,
            actor_id=work.viewer.user_id,
            reason=reason,
            payload=payload or {},
        )
    )
    await work.session.flush()
    work.touch(topics.reviews(task.tenant_id, task.org_unit_id))
