"""Evidence: files on their way, files that were recorded, and what was decided about them (domain.md section 9)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Integer, text
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

OF_SESSION = {"narrow": [Narrowing.ORG_UNIT, Narrowing.OWN_SESSION]}


class UploadState(StrEnum):
    """Whether all of a file is there."""

    OPEN = "open"
    FINISHED = "finished"


class Upload(Resource, Timed, Base):
    """A file that somebody sends, as they announced it.

    A candidate's belongs to a session and an item of its paper, staff's to a submission or one of its items. A row that
    becomes no evidence is removed together with its bytes. `owner` is who may send it: a principal.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        primary(),
        silo(),
        silo_key(),
        refer_within("session_id", "delivery_sessions"),
        refer_within("submission_id", "submissions"),
        refer_within("submission_item_id", "submission_items"),
        index("ix_uploads_session", "session_id", "item_id"),
        index("ix_uploads_owner", "owner", where="state = 'open'"),
        index("ix_uploads_expires", "expires_at"),
        CheckConstraint(among("state", UploadState), "state"),
        CheckConstraint("size > 0", "size"),
        {"info": OF_SESSION},
    )

    session_id: Mapped[UUID | None]
    item_id: Mapped[UUID | None]
    submission_id: Mapped[UUID | None]
    submission_item_id: Mapped[UUID | None]
    owner: Mapped[str]
    file_name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    object_key: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=UploadState.OPEN)
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class EvidenceItem(Resource, Timed, Base):
    """The facts of a file that was recorded, never changed: on a submission as a whole, or on one of its items.

    `session_id` is set where the candidate handed it in, who then may see it. `replaces_id` is what it was recorded in
    the place of.
    """

    __tablename__ = "evidence_items"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("submission_id", "submissions"),
        refer_within("submission_item_id", "submission_items"),
        refer_within("session_id", "delivery_sessions"),
        refer_within("upload_id", "uploads"),
        refer_within("replaces_id", "evidence_items"),
        refer("recorded_by", "users"),
        unique("upload_id"),
        unique("replaces_id"),
        index("ix_evidence_items_submission", "submission_id", "id"),
        index("ix_evidence_items_item", "submission_item_id", "id"),
        {"info": OF_SESSION},
    )

    submission_id: Mapped[UUID]
    submission_item_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    upload_id: Mapped[UUID]
    replaces_id: Mapped[UUID | None]
    object_key: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str]
    sha256: Mapped[str]
    file_name: Mapped[str]
    recorded_by: Mapped[UUID | None]


class EvidenceEventKind(StrEnum):
    """What happened to evidence."""

    RECORDED = "recorded"
    AMENDED = "amended"
    APPROVED = "approved"
    REJECTED = "rejected"
    VERIFY_REQUESTED = "verify_requested"
    VERIFIED = "verified"
    VERIFY_FAILED = "verify_failed"
    VERIFY_UNKNOWN = "verify_unknown"
    VOIDED = "voided"


class EvidenceEvent(Resource, Base):
    """Append-only: all that is known of evidence beside its file follows from its events, in the order of `seq`.

    `prior_id` is the event that an act knew as the latest one.
    """

    __tablename__ = "evidence_events"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("evidence_id", "evidence_items"),
        refer_within("prior_id", "evidence_events"),
        refer("actor_id", "users"),
        unique("evidence_id", "seq"),
        CheckConstraint(among("kind", EvidenceEventKind), "kind"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    evidence_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    prior_id: Mapped[UUID | None]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
