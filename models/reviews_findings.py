"""Findings: what a reviewer objects to in what was observed (domain.md section 9)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, among, index, primary, refer, refer_within


class FindingSeverity(StrEnum):
    """How grave a finding is. While a blocking one is open, nothing is approved."""

    MINOR = "minor"
    MAJOR = "major"
    BLOCKING = "blocking"


class FindingState(StrEnum):
    """What became of a finding."""

    OPEN = "open"
    RESOLVED = "resolved"
    WAIVED = "waived"


class ReviewFinding(Resource, Timed, Base):
    """One finding of one review, on one of its items or on the whole. It is closed once, with a reason."""

    __tablename__ = "review_findings"
    __table_args__ = (
        primary(),
        refer_within("task_id", "review_tasks"),
        refer_within("submission_item_id", "submission_items"),
        refer("raised_by", "users"),
        refer("closed_by", "users", name="fk_review_findings_closed_by"),
        index("ix_review_findings_task", "task_id", "id"),
        CheckConstraint(among("severity", FindingSeverity), "severity"),
        CheckConstraint(among("state", FindingState), "state"),
        CheckConstraint("(state = 'open') = (closed_at is null)", "closed"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    task_id: Mapped[UUID]
    submission_item_id: Mapped[UUID | None]
    severity: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=FindingState.OPEN)
    text: Mapped[str]
    raised_by: Mapped[UUID]
    closed_by: Mapped[UUID | None]
    closed_at: Mapped[datetime | None]
    closing_reason: Mapped[str | None]
