"""Questions and evaluations: containers, immutable versions, and the answer keys kept apart (domain.md section 4)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, Numeric
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

AUTHORED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class VersionStatus(StrEnum):
    """A draft is editable; publishing freezes a version for ever."""

    DRAFT = "draft"
    PUBLISHED = "published"


class EvaluationKind(StrEnum):
    """What is assessed; the kinds that are not questions come with their own subjects."""

    KNOWLEDGE = "knowledge"


class Question(Resource, Timed, Base):
    """Container of a question's versions. `reference` is the author's own name for it, e.g. its id in a pool."""

    __tablename__ = "questions"
    __table_args__ = (
        primary(),
        silo(),
        silo_key(),
        unique("org_unit_id", "reference"),
        refer("created_by", "users"),
        {"info": AUTHORED},
    )

    reference: Mapped[str]
    created_by: Mapped[UUID | None]


class QuestionVersion(Resource, Timed, Base):
    """One wording of a question: what a candidate may see of it. `content` is the public part for its kind."""

    __tablename__ = "question_versions"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("question_id", "questions"),
        refer("created_by", "users"),
        unique("question_id", "number"),
        CheckConstraint(among("status", VersionStatus), "status"),
        CheckConstraint("(status = 'published') = (published_at is not null)", "published"),
        {"info": AUTHORED},
    )

    question_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=VersionStatus.DRAFT)
    stem: Mapped[str]
    content: Mapped[dict[str, Any]]
    group: Mapped[str] = mapped_column(server_default="")
    references: Mapped[str] = mapped_column(server_default="")
    content_hash: Mapped[str | None]
    published_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]


class QuestionKey(Resource, Base):
    """The secret part of a question version: key, scoring rule, explanation. Its id is the version's id.

    It lives in a table of its own so that the database itself keeps it from a candidate's session.
    """

    __tablename__ = "question_keys"
    __table_args__ = (primary(), refer_within("id", "question_versions"), {"info": AUTHORED})

    key: Mapped[dict[str, Any]]


class Evaluation(Resource, Timed, Base):
    """Container of an evaluation's versions."""

    __tablename__ = "evaluations"
    __table_args__ = (
        primary(),
        silo(),
        silo_key(),
        refer("created_by", "users"),
        unique("org_unit_id", "name"),
        CheckConstraint(among("kind", EvaluationKind), "kind"),
        {"info": AUTHORED},
    )

    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=EvaluationKind.KNOWLEDGE)
    created_by: Mapped[UUID | None]


class EvaluationVersion(Resource, Timed, Base):
    """What is issued: title, instructions, pass mark, default limits, feedback, security. Frozen when published.

    Exactly one of `pass_percent` (0 to 100, two decimals) and `pass_points` is set on a published version.
    """

    __tablename__ = "evaluation_versions"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("evaluation_id", "evaluations"),
        refer("created_by", "users"),
        unique("evaluation_id", "number"),
        CheckConstraint(among("status", VersionStatus), "status"),
        CheckConstraint("(status = 'published') = (published_at is not null)", "published"),
        CheckConstraint("pass_percent between 0 and 100", "pass_percent"),
        CheckConstraint("pass_points >= 0", "pass_points"),
        {"info": AUTHORED},
    )

    evaluation_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(server_default=VersionStatus.DRAFT)
    title: Mapped[str]
    instructions: Mapped[str] = mapped_column(server_default="")
    pass_percent: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    pass_points: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
    time_limit_seconds: Mapped[int | None] = mapped_column(Integer)
    allowed_attempts: Mapped[int | None] = mapped_column(Integer)
    feedback_mode: Mapped[str | None]
    security_config: Mapped[dict[str, Any] | None]
    content_hash: Mapped[str | None]
    published_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]


class EvaluationSection(Resource, Base):
    """A part of an evaluation version: all of its items, or a number drawn from them for each session."""

    __tablename__ = "evaluation_sections"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("evaluation_version_id", "evaluation_versions"),
        unique("evaluation_version_id", "position"),
        CheckConstraint("draw is null or draw > 0", "draw"),
        CheckConstraint("not (draw_per_group and draw is not null)", "one_draw_rule"),
        {"info": AUTHORED},
    )

    evaluation_version_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(Integer)
    title: Mapped[str]
    draw: Mapped[int | None] = mapped_column(Integer)
    draw_per_group: Mapped[bool] = mapped_column(server_default="false")
    shuffle_items: Mapped[bool] = mapped_column(server_default="false")
    shuffle_options: Mapped[bool] = mapped_column(server_default="false")


class EvaluationItem(Resource, Base):
    """One question version in an evaluation version, with its points (four decimals)."""

    __tablename__ = "evaluation_items"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer_within("section_id", "evaluation_sections"),
        refer_within("question_version_id", "question_versions"),
        unique("section_id", "position"),
        index("ix_evaluation_items_version", "evaluation_version_id"),
        index("ix_evaluation_items_question_version", "question_version_id"),
        CheckConstraint("points > 0", "points"),
        {"info": AUTHORED},
    )

    evaluation_version_id: Mapped[UUID]
    section_id: Mapped[UUID]
    question_version_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(Integer)
    points: Mapped[Decimal] = mapped_column(Numeric(12, 4))
