"""Submissions: the durable snapshot, its items, and append-only score versions (domain.md section 8)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, Numeric
from sqlalchemy.dialects.postgresql import JSONB
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
    silo_key,
    unique,
)

SCORED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class Outcome(StrEnum):
    """The result of a score version; pending while a subjective item waits for a person."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


class SubmissionCause(StrEnum):
    """Why the session ended in a submission."""

    SUBMITTED = "submitted"
    EXPIRED = "expired"
    TERMINATED = "terminated"


class ItemState(StrEnum):
    """Whether an item's points are known."""

    SCORED = "scored"
    PENDING = "pending"
    UNANSWERED = "unanswered"
    VOIDED = "voided"


class ScoreCause(StrEnum):
    """Why a score version was written."""

    AUTOMATIC = "automatic"
    GRADED = "graded"
    CORRECTED = "corrected"


class Submission(Resource, Timed, Base):
    """What was handed in, once per session: nothing of it changes but `latest_score_version`, a score version's number.

    `snapshot` holds evaluation version, drawn items, answers, and the frozen policy; no key is in it.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("session_id", "delivery_sessions"),
        refer_within("assignment_id", "assignments"),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer("user_id", "users"),
        unique("session_id"),
        index("ix_submissions_assignment", "assignment_id", "id"),
        index("ix_submissions_evaluation_version", "evaluation_version_id", "id"),
        CheckConstraint(among("cause", SubmissionCause), "cause"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.OWN_SESSION]}},
    )

    session_id: Mapped[UUID]
    assignment_id: Mapped[UUID]
    evaluation_version_id: Mapped[UUID]
    user_id: Mapped[UUID]
    cause: Mapped[str]
    submitted_at: Mapped[datetime]
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSONB, info={"large": True})
    content_hash: Mapped[str]
    latest_score_version: Mapped[int] = mapped_column(Integer)


class SubmissionItem(Resource, Base):
    """One item of a submission: the response as handed in."""

    __tablename__ = "submission_items"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("submission_id", "submissions"),
        refer_within("question_version_id", "question_versions"),
        unique("submission_id", "position"),
        index("ix_submission_items_question_version", "question_version_id"),
        {"info": SCORED},
    )

    submission_id: Mapped[UUID]
    item_id: Mapped[UUID]
    question_version_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(Integer)
    response: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    max_points: Mapped[Decimal] = mapped_column(Numeric(12, 4))


class ScoreVersion(Resource, Timed, Base):
    """One scoring of a submission; corrections append the next number and never change an older one.

    `items` lists position, state, points and what the scorer says; `percent` has two decimals, half up. `source_id` is
    the review task or the correction batch that caused it.
    """

    __tablename__ = "submission_score_versions"
    __table_args__ = (
        primary(),
        refer_within("submission_id", "submissions"),
        unique("submission_id", "number"),
        index("ix_submission_score_versions_outcome", "outcome", "submission_id"),
        index("ix_submission_score_versions_batch", "source_id", "submission_id", where="cause = 'corrected'"),
        CheckConstraint(among("outcome", Outcome), "outcome"),
        CheckConstraint(among("cause", ScoreCause), "cause"),
        CheckConstraint("points between 0 and max_points", "points"),
        CheckConstraint("percent between 0 and 100", "percent"),
        {"info": SCORED},
    )

    submission_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    points: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    max_points: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    outcome: Mapped[str]
    cause: Mapped[str] = mapped_column(server_default=ScoreCause.AUTOMATIC)
    source_id: Mapped[UUID | None]
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    reason: Mapped[str]
    scored_by: Mapped[UUID | None]


class ItemGrade(Resource, Timed, Base):
    """The mark of a person for one item, on which all who had to judge it agreed; the highest number counts.

    `points` are out of `max_points`, what the item was worth when it was graded. `detail` tells how they came about,
    such as the levels of a rubric. Never changed: a later grade has the next number.
    """

    __tablename__ = "item_grades"
    __table_args__ = (
        primary(),
        refer_within("submission_id", "submissions"),
        refer_within("submission_item_id", "submission_items"),
        unique("submission_item_id", "number"),
        index("ix_item_grades_submission", "submission_id"),
        CheckConstraint("points between 0 and max_points", "points"),
        {"info": SCORED},
    )

    submission_id: Mapped[UUID]
    submission_item_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    points: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    max_points: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    detail: Mapped[dict[str, Any]]
    rationale: Mapped[str]
    graded_by: Mapped[UUID | None]
    source_id: Mapped[UUID | None]
