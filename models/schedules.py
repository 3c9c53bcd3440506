"""Schedules: what is issued again and again, and what became of each occurrence (domain.md section 5)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.assignments import ISSUED
from models.base import Base, Resource, Timed, among, index, primary, refer, refer_within, silo, silo_key, unique


class ScheduleStatus(StrEnum):
    """What somebody has decided about a schedule; that it has run out follows from `next_run_at`."""

    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class RunOutcome(StrEnum):
    """What became of an occurrence."""

    ISSUED = "issued"
    FAILED = "failed"
    SKIPPED = "skipped"


class AssignmentSchedule(Resource, Timed, Base):
    """Terms and recipients that are issued whenever a rule says so; `local_start` is a time of the clock there."""

    __tablename__ = "assignment_schedules"
    __table_args__ = (
        primary(),
        silo(),
        silo_key(),
        refer("created_by", "users"),
        index("ix_assignment_schedules_due", "next_run_at", where="status = 'active'"),
        index("ix_assignment_schedules_changed", "changed_at", "id"),
        CheckConstraint(among("status", ScheduleStatus), "status"),
        CheckConstraint("window_seconds > 0", "window"),
        CheckConstraint("ends_count > 0", "ends"),
        {"info": ISSUED},
    )

    name: Mapped[str]
    terms: Mapped[dict[str, Any]]
    recipients: Mapped[list[Any]] = mapped_column(info={"large": True})
    recipient_count: Mapped[int] = mapped_column(Integer)
    rule: Mapped[str]
    local_start: Mapped[str]
    time_zone: Mapped[str]
    window_seconds: Mapped[int | None] = mapped_column(Integer)
    ends_count: Mapped[int | None] = mapped_column(Integer)
    ends_on: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=ScheduleStatus.ACTIVE)
    next_run_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer, server_default="1")


class AssignmentScheduleRun(Resource, Timed, Base):
    """One occurrence that has been dealt with: the key lets it be issued once, whoever comes to do it."""

    __tablename__ = "assignment_schedule_runs"
    __table_args__ = (
        primary(),
        refer_within("schedule_id", "assignment_schedules"),
        refer_within("assignment_id", "assignments"),
        refer("created_by", "users"),
        unique("schedule_id", "occurrence"),
        unique("assignment_id"),
        CheckConstraint(among("outcome", RunOutcome), "outcome"),
        {"info": ISSUED},
    )

    schedule_id: Mapped[UUID]
    occurrence: Mapped[datetime]
    outcome: Mapped[str]
    run_label: Mapped[str | None]
    assignment_id: Mapped[UUID | None]
    invited: Mapped[int] = mapped_column(Integer, server_default="0")
    problem: Mapped[dict[str, Any] | None]
    is_manual: Mapped[bool] = mapped_column(server_default="false")
    created_by: Mapped[UUID | None]
