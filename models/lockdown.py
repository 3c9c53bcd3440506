"""What a lockdown browser must prove, for each assignment (domain.md section 6, Probe)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, primary, refer_within, unique


class LockdownState(StrEnum):
    """What is known of the lockdown browser of a session."""

    VERIFIED = "verified"
    NOT_DETECTED = "not_detected"
    TAMPERED = "tampered"


class LockdownCause(StrEnum):
    """Why a probe came to its state."""

    MATCHED = "matched"
    NO_SIGNAL = "no_signal"
    NO_KEYS = "no_keys"
    INCOMPLETE = "incomplete"
    WRONG_HASH = "wrong_hash"
    OTHER_SITE = "other_site"
    OTHER_SESSION = "other_session"
    SILENT = "silent"


class AssignmentLockdown(Resource, Base):
    """The keys of Safe Exam Browser that count for one assignment, 64 hexadecimal digits each.

    They are kept as they are, because each probe computes with them; candidates never see the row.
    """

    __tablename__ = "assignment_lockdowns"
    __table_args__ = (
        primary(),
        refer_within("assignment_id", "assignments"),
        unique("assignment_id"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}},
    )

    assignment_id: Mapped[UUID]
    config_keys: Mapped[list[Any]]
    browser_exam_keys: Mapped[list[Any]]
    changed_at: Mapped[datetime] = mapped_column(server_default=text("evalium_now()"))
