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
    changed,
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
    GROUP = "group_id"
    PUBLIC_LINK = "public_link"


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
        CheckConstraint("remind_before_start_seconds between 300 and 2592000", "remind_before_start"),
        CheckConstraint("remind_before_deadline_seconds between 300 and 2592000", "remind_before_deadline"),
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
    remind_before_start_seconds: Mapped[int | None] = mapped_column(Integer)
    remind_before_deadline_seconds: Mapped[int | None] = mapped_column(Integer)
    template: Mapped[dict[str, Any] | None]
    """What the template said when this was issued from it: its id and name, what it set, and who had set it."""

    closed_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    changed_xid: Mapped[int] = changed()


class AssignmentTarget(Resource, Base):
    """One recipient as named by whoever issued: an address or a person; resolved to a person at once.

    Somebody who was invited as a member of a group is a recipient for as long as they are in a group that the
    assignment addresses, and stays one in the monitor once they have begun.
    """

    __tablename__ = "assignment_targets"
    __table_args__ = (
        primary(),
        refer_within("assignment_id", "assignments"),
        refer("user_id", "users"),
        unique("assignment_id", "user_id"),
        index("ix_assignment_targets_user", "user_id", "assignment_id"),
        CheckConstraint(among("kind", TargetKind), "kind"),
        {"info": ISSUED},
    )

    assignment_id: Mapped[UUID]
    kind: Mapped[str]
    ref: Mapped[str]
    user_id: Mapped[UUID]


class AssignmentGroup(Resource, Base):
    """A group that an assignment addresses: whoever is in it when they start may start."""

    __tablename__ = "assignment_groups"
    __table_args__ = (
        primary(),
        refer_within("assignment_id", "assignments"),
        refer("group_id", "groups"),
        unique("assignment_id", "group_id"),
        index("ix_assignment_groups_group", "group_id"),
        {"info": ISSUED},
    )

    assignment_id: Mapped[UUID]
    group_id: Mapped[UUID]


class AssignmentDraft(Resource, Timed, Base):
    """What may become an assignment: as much of its terms as is known, and recipients as they were named."""

    __tablename__ = "assignment_drafts"
    __table_args__ = (
        primary(),
        silo(),
        refer("created_by", "users"),
        index("ix_assignment_drafts_changed", "changed_at", "id"),
        {"info": ISSUED},
    )

    name: Mapped[str]
    terms: Mapped[dict[str, Any]]
    recipients: Mapped[list[Any]] = mapped_column(info={"large": True})
    recipient_count: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer, server_default="1")


class AssignmentTemplate(Resource, Timed, Base):
    """Terms under a name, to issue from again and again; whatever was issued keeps what the template said then."""

    __tablename__ = "assignment_templates"
    __table_args__ = (
        primary(),
        silo(),
        refer("created_by", "users", name="fk_assignment_templates_created_by"),
        refer("changed_by", "users", name="fk_assignment_templates_changed_by"),
        unique("org_unit_id", "name"),
        CheckConstraint("window_seconds > 0", "window"),
        {"info": ISSUED},
    )

    name: Mapped[str]
    terms: Mapped[dict[str, Any]]
    window_seconds: Mapped[int | None] = mapped_column(Integer)
    created_by: Mapped[UUID | None]
    changed_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer, server_default="1")


class Invitation(Resource, Timed, Base):
    """Permission for one person to start; `jti` is the only one of its tokens that is alive.

    One with `public_link_id` was made when somebody used that link and named themselves; nobody has proven the address.
    `ordinal` counts the invitations of one person to one assignment. `nonce_hash` is the SHA-256 of the browser's
    nonce at redeem, so that a retry after a lost response finds its session again.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("assignment_id", "assignments"),
        refer("user_id", "users"),
        refer_within("public_link_id", "public_links"),
        unique("assignment_id", "user_id", "ordinal"),
        unique("jti"),
        index("ix_invitations_assignment", "assignment_id", "id"),
        index("ix_invitations_changed", "assignment_id", "changed_xid"),
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
    start_reminded_at: Mapped[datetime | None]
    deadline_reminded_at: Mapped[datetime | None]
    public_link_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    changed_xid: Mapped[int] = changed()
