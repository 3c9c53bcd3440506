"""Who is enrolled in a programme, how far they are, and what was issued to them for it (domain.md section 10)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Narrowing,
    Resource,
    Timed,
    among,
    index,
    position,
    primary,
    refer,
    refer_within,
    silo_key,
    unique,
)

_GOES_ON = "status = 'in_progress'"
FOLLOWED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class EnrolmentStatus(StrEnum):
    """Where an enrolment stands; overdue, failed and expired are derived.

    One that is completed and not certified has had its certificate revoked by somebody.
    """

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CERTIFIED = "certified"
    CANCELLED = "cancelled"


class ProgressState(StrEnum):
    """Where a requirement stands for one person."""

    PENDING = "pending"
    MET = "met"
    FAILED = "failed"


class Hold(StrEnum):
    """A met requirement whose score was corrected and would not meet it: it waits for a person, or one kept it."""

    HELD = "held"
    KEPT = "kept"


class ProgrammeEventKind(StrEnum):
    """What happened to an enrolment, or to one requirement of it."""

    ENROLLED = "enrolled"
    ATTEMPT_HANDED_IN = "attempt_handed_in"
    ATTEMPT_SCHEDULED = "attempt_scheduled"
    ATTEMPT_ISSUED = "attempt_issued"
    REQUIREMENT_MET = "requirement_met"
    REQUIREMENT_FAILED = "requirement_failed"
    REQUIREMENT_HELD = "requirement_held"
    REQUIREMENT_KEPT = "requirement_kept"
    REQUIREMENT_REOPENED = "requirement_reopened"
    COMPLETED = "completed"
    CERTIFIED = "certified"
    CERTIFICATE_REVOKED = "certificate_revoked"
    REOPENED = "reopened"
    TRANSFERRED = "transferred"
    CANCELLED = "cancelled"


class ProgrammeEnrolment(Resource, Timed, Base):
    """One person under one version of a programme. The counts are of mandatory requirements.

    `certified_at` and `expires_at` are those of the certificate that counts; `renewal_of_id` is the enrolment whose
    certificate this one is to renew. One that a correction has opened again has `reopened_at`.
    """

    __tablename__ = "programme_enrolments"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("programme_id", "programmes"),
        refer_within("version_id", "programme_versions"),
        refer("user_id", "users", name="fk_programme_enrolments_user"),
        refer("enrolled_by", "users", name="fk_programme_enrolments_enrolled_by"),
        index("ix_programme_enrolments_programme", "programme_id", "created_at", "id"),
        index("ix_programme_enrolments_user", "user_id", "created_at", "id"),
        Index(
            "uq_programme_enrolments_open",
            "tenant_id",
            "programme_id",
            "user_id",
            unique=True,
            postgresql_where=text("status = 'in_progress' and reopened_at is null"),
        ),
        refer_within("renewal_of_id", "programme_enrolments"),
        unique("renewal_of_id"),
        index("ix_programme_enrolments_expires", "programme_id", "expires_at", where="expires_at is not null"),
        index("ix_programme_enrolments_held", "programme_id", "created_at", "id", where="held_count > 0"),
        index(
            "ix_programme_enrolments_failed",
            "programme_id",
            "created_at",
            "id",
            where=f"{_GOES_ON} and failed_count > 0",
        ),
        index(
            "ix_programme_enrolments_due",
            "programme_id",
            "due_at",
            where=f"{_GOES_ON} and failed_count = 0 and due_at is not null",
        ),
        CheckConstraint(among("status", EnrolmentStatus), "status"),
        CheckConstraint("(status in ('completed', 'certified')) = (completed_at is not null)", "completed"),
        CheckConstraint("(status = 'certified') = (certified_at is not null)", "certified"),
        CheckConstraint("expires_at is null or certified_at is not null", "expires"),
        CheckConstraint("(status = 'cancelled') = (num_nonnulls(cancelled_at, cancel_reason) = 2)", "cancelled"),
        {"info": FOLLOWED},
    )

    programme_id: Mapped[UUID]
    version_id: Mapped[UUID]
    user_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default=EnrolmentStatus.IN_PROGRESS)
    due_at: Mapped[datetime | None]
    mandatory_count: Mapped[int] = mapped_column(Integer)
    met_count: Mapped[int] = mapped_column(Integer, server_default="0")
    failed_count: Mapped[int] = mapped_column(Integer, server_default="0")
    held_count: Mapped[int] = mapped_column(Integer, server_default="0")
    completed_at: Mapped[datetime | None]
    certified_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    reopened_at: Mapped[datetime | None]
    renewal_of_id: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]
    enrolled_by: Mapped[UUID | None]


class ProgrammeProgress(Resource, Base):
    """How far one person is with one requirement.

    `evaluation_version_id` is what they sit, however often; `next_at` is when the next attempt is issued.
    """

    __tablename__ = "programme_progress"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("enrolment_id", "programme_enrolments"),
        refer_within("requirement_id", "programme_requirements"),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer_within("submission_id", "submissions"),
        unique("enrolment_id", "requirement_id"),
        index("ix_programme_progress_next", "next_at", where="next_at is not null"),
        CheckConstraint(among("state", ProgressState), "state"),
        CheckConstraint(among("hold", Hold), "hold"),
        CheckConstraint("(state = 'met') = (submission_id is not null)", "met"),
        CheckConstraint("(state = 'pending') = (completed_at is null)", "completed"),
        CheckConstraint("hold is null or state = 'met'", "held"),
        {"info": FOLLOWED},
    )

    enrolment_id: Mapped[UUID]
    requirement_id: Mapped[UUID]
    evaluation_version_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(server_default=ProgressState.PENDING)
    submission_id: Mapped[UUID | None]
    attempts_used: Mapped[int] = mapped_column(Integer, server_default="0")
    hold: Mapped[str | None]
    next_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class ProgrammeAttempt(Resource, Timed, Base):
    """An assignment that was issued to one person for a requirement; `ordinal` counts them. Never changed."""

    __tablename__ = "programme_attempts"
    __table_args__ = (
        primary(),
        refer_within("programme_id", "programmes"),
        refer_within("enrolment_id", "programme_enrolments"),
        refer_within("progress_id", "programme_progress"),
        refer_within("assignment_id", "assignments"),
        unique("progress_id", "ordinal"),
        unique("assignment_id"),
        index("ix_programme_attempts_enrolment", "enrolment_id"),
        index("ix_programme_attempts_programme", "programme_id", "assignment_id"),
        {"info": FOLLOWED},
    )

    programme_id: Mapped[UUID]
    enrolment_id: Mapped[UUID]
    progress_id: Mapped[UUID]
    ordinal: Mapped[int] = mapped_column(Integer)
    assignment_id: Mapped[UUID]


class ProgrammeEvent(Resource, Base):
    """Append-only: the table is the stream of a programme. `(xid, id)` is the position in commit order."""

    __tablename__ = "programme_events"
    __table_args__ = (
        primary(),
        refer_within("programme_id", "programmes"),
        refer_within("enrolment_id", "programme_enrolments"),
        refer_within("requirement_id", "programme_requirements"),
        index("ix_programme_events_programme", "programme_id", "xid", "id"),
        CheckConstraint(among("kind", ProgrammeEventKind), "kind"),
        {"info": FOLLOWED},
    )

    programme_id: Mapped[UUID]
    enrolment_id: Mapped[UUID]
    requirement_id: Mapped[UUID | None]
    kind: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    xid: Mapped[int] = position()
