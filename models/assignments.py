"""Assignments, whom they address, and invitations (domain.md section 5)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Narrowing,
    Resource,
    Timed,
    among,
    index,
    primary,
    refer,
    refer_within,
    silo,
    silo_key,
    unique,
)

ISSUED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class AssignmentStatus(StrEnum):
    """Only an active assignment can be redeemed."""

    ACTIVE = "active"
    CLOSED = "closed"


class TargetKind(StrEnum):
    """How a recipient was named."""

    EMAIL = "email"
    USER = "user_id"


class InvitationStatus(StrEnum):
    """Where an invitation stands; expiry follows from `expires_at` and is derived when read."""

    SENT = "sent"
    ACCEPTED = "accepted"
    STARTED = "started"
    SUBMITTED = "submitted"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Assignment(Resource, Timed, Base):
    """Who may take an evaluation version, when, and under which limits. NULL means "not set here"."""

    __tablename__ = "assignments"
    __table_args__ = (
        primary(),
        silo(),
        silo_key(),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer("created_by", "users"),
        index("ix_assignments_created", "created_at", "id"),
        CheckConstraint(among("status", AssignmentStatus), "status"),
        CheckConstraint("valid_from < valid_until", "window"),
        CheckConstraint("allowed_attempts > 0", "attempts"),
        CheckConstraint("time_limit_seconds > 0", "time_limit"),
        {"info": ISSUED},
    )

    evaluation_version_id: Mapped[UUID]
    name: Mapped[str]
    run_label: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=AssignmentStatus.ACTIVE)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    allowed_attempts: Mapped[int | None] = mapped_column(Integer)
    time_limit_seconds: Mapped[int | None] = mapped_column(Integer)
    feedback_mode: Mapped[str | None]
    security_config: Mapped[dict[str, Any] | None]
    closed_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]


class AssignmentTarget(Resource, Base):
    """One recipient as named by whoever issued: an address or a person; resolved to a person at once."""

    __tablename__ = "assignment_targets"
    __table_args__ = (
        primary(),
        refer_within("assignment_id", "assignments"),
        refer("user_id", "users"),
        unique("assignment_id", "user_id"),
        CheckConstraint(among("kind", TargetKind), "kind"),
        {"info": ISSUED},
    )

    assignment_id: Mapped[UUID]
    kind: Mapped[str]
    ref: Mapped[str]
    user_id: Mapped[UUID]


class Invitation(Resource, Timed, Base):
    """Permission for one person to start; `jti` is the only one of its tokens that is alive.

    `ordinal` counts the invitations of one person to one assignment. `nonce_hash` is the SHA-256 of the browser's
    nonce at redeem, so that a retry after a lost response finds its session again.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("assignment_id", "assignments"),
        refer("user_id", "users"),
        unique("assignment_id", "user_id", "ordinal"),
        unique("jti"),
        index("ix_invitations_assignment", "assignment_id", "id"),
        CheckConstraint(among("status", InvitationStatus), "status"),
        {"info": ISSUED},
    )

    assignment_id: Mapped[UUID]
    user_id: Mapped[UUID]
    ordinal: Mapped[int] = mapped_column(Integer, server_default="1")
    jti: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default=InvitationStatus.SENT)
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    nonce_hash: Mapped[str | None]
    session_id: Mapped[UUID | None]
