"""Correction batches: what was wrong with an evaluation version's keys or points, and what shall hold (domain.md 8)."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, among, index, primary, refer, refer_within, silo_key, unique

OF_STAFF = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class CorrectionKind(StrEnum):
    """What a correction does to one question of an evaluation version."""

    VOID = "void"
    ACCEPT = "accept"
    KEY = "key"
    POINTS = "points"


class CorrectionBatch(Resource, Timed, Base):
    """Corrections that were applied together, for a reason; never changed. `undoes_id` is the batch that it takes back.

    A batch is in force unless a batch in force undoes it. `affected_count` submissions had one of the questions; the
    scores of `changed_count` of them changed, each by one further score version. The percentage of `raised_count` went
    up and that of `lowered_count` down; `passed_count` had failed and passed then, `failed_count` the reverse.
    """

    __tablename__ = "correction_batches"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer_within("undoes_id", "correction_batches"),
        refer("created_by", "users"),
        unique("undoes_id"),
        index("ix_correction_batches_version", "evaluation_version_id", "id"),
        {"info": OF_STAFF},
    )

    evaluation_version_id: Mapped[UUID]
    reason: Mapped[str]
    created_by: Mapped[UUID | None]
    undoes_id: Mapped[UUID | None]
    affected_count: Mapped[int] = mapped_column(Integer)
    changed_count: Mapped[int] = mapped_column(Integer)
    raised_count: Mapped[int] = mapped_column(Integer, server_default="0")
    lowered_count: Mapped[int] = mapped_column(Integer, server_default="0")
    passed_count: Mapped[int] = mapped_column(Integer, server_default="0")
    failed_count: Mapped[int] = mapped_column(Integer, server_default="0")


class Correction(Resource, Base):
    """One line of a batch: a question version, and what shall hold for it. `value` is as the kind demands."""

    __tablename__ = "corrections"
    __table_args__ = (
        primary(),
        refer_within("batch_id", "correction_batches"),
        refer_within("question_version_id", "question_versions"),
        unique("batch_id", "position"),
        CheckConstraint(among("kind", CorrectionKind), "kind"),
        {"info": OF_STAFF},
    )

    batch_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(Integer)
    question_version_id: Mapped[UUID]
    kind: Mapped[str]
    value: Mapped[dict[str, Any]]
