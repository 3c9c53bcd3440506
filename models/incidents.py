"""Incidents: one command to many sessions, and what became of each of them (domain.md section 5)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, among, index, primary, refer, refer_within, silo_key, unique
from models.sessions import ReasonCategory


class IncidentKind(StrEnum):
    """What was commanded."""

    PAUSE = "pause"
    RESUME = "resume"
    COMPENSATE = "compensate"


class Incident(Resource, Timed, Base):
    """A command to many sessions of one org unit at once: what, why, who and when, and how they were chosen.

    `seconds`, or the span from `lost_from` to `lost_until`, is what a compensation makes up for; what the command
    `pause_id` has given already is deducted.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        primary(),
        silo_key(),
        refer("created_by", "users"),
        refer_within("pause_id", "incidents"),
        CheckConstraint(among("kind", IncidentKind), "kind"),
        CheckConstraint(among("category", ReasonCategory), "category"),
        CheckConstraint(
            "(kind = 'compensate') = (num_nonnulls(seconds, lost_from) = 1) and "
            "(lost_from is null) = (lost_until is null)",
            "lost",
        ),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    kind: Mapped[str]
    category: Mapped[str]
    reason: Mapped[str]
    created_by: Mapped[UUID | None]
    chosen: Mapped[dict[str, Any]]
    chosen_count: Mapped[int] = mapped_column(Integer)
    done_count: Mapped[int] = mapped_column(Integer)
    seconds: Mapped[int | None] = mapped_column(Integer)
    lost_from: Mapped[datetime | None]
    lost_until: Mapped[datetime | None]
    pause_id: Mapped[UUID | None]


class IncidentSession(Resource, Base):
    """One session that an incident's command was for: what it was given, or the code of the refusal."""

    __tablename__ = "incident_sessions"
    __table_args__ = (
        primary(),
        refer_within("incident_id", "incidents"),
        refer_within("session_id", "delivery_sessions"),
        refer_within("override_id", "assignment_overrides"),
        unique("incident_id", "session_id"),
        index("ix_incident_sessions_session", "session_id", "incident_id"),
        CheckConstraint("(override_id is null) = (seconds is null)", "given"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    incident_id: Mapped[UUID]
    session_id: Mapped[UUID]
    override_id: Mapped[UUID | None]
    seconds: Mapped[int | None] = mapped_column(Integer)
    refusal: Mapped[str | None]
