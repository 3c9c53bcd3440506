"""When candidates are told their results, and the regrades that they ask for (domain.md sections 8, 9)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, among, index, primary, refer, refer_within, unique

DECIDED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class ResultHold(Resource, Timed, Base):
    """One decision to keep results back, or to release them; the highest number of an assignment counts.

    One that names a submission counts for that one alone, and above what is decided for the assignment. `until` is
    when what is kept back is told by itself; null: when somebody releases it.
    """

    __tablename__ = "result_holds"
    __table_args__ = (
        primary(),
        refer_within("assignment_id", "assignments"),
        refer_within("submission_id", "submissions"),
        refer("decided_by", "users"),
        unique("assignment_id", "number"),
        index("ix_result_holds_submission", "submission_id", "number"),
        CheckConstraint("is_held or until is null", "until"),
        {"info": DECIDED},
    )

    assignment_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    submission_id: Mapped[UUID | None]
    is_held: Mapped[bool]
    until: Mapped[datetime | None]
    reason: Mapped[str]
    decided_by: Mapped[UUID | None]


class InquiryState(StrEnum):
    """How far a candidate's request for a regrade is."""

    OPEN = "open"
    ANSWERED = "answered"


class InquiryOutcome(StrEnum):
    """What came of it."""

    UPHELD = "upheld"
    CHANGED = "changed"


class Inquiry(Resource, Timed, Base):
    """A candidate's request for a regrade: at most one for a submission, answered by another assessor's review."""

    __tablename__ = "inquiries"
    __table_args__ = (
        primary(),
        refer_within("submission_id", "submissions"),
        refer_within("task_id", "review_tasks"),
        refer("answered_by", "users"),
        unique("submission_id"),
        unique("task_id"),
        CheckConstraint(among("state", InquiryState), "state"),
        CheckConstraint(among("outcome", InquiryOutcome), "outcome"),
        CheckConstraint("(state = 'answered') = (num_nonnulls(outcome, answer, answered_at) = 3)", "answered"),
        {"info": DECIDED},
    )

    submission_id: Mapped[UUID]
    task_id: Mapped[UUID]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=InquiryState.OPEN)
    outcome: Mapped[str | None]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
