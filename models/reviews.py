"""Review tasks: what waits for the judgement of a person (domain.md section 9)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, among, index, primary, refer, refer_within, silo_key, unique

REVIEWED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class ReviewState(StrEnum):
    """How far a review is."""

    AWAITING_REVIEW = "awaiting_review"
    IN_PROGRESS = "in_progress"
    REQUIRES_SECOND_OPINION = "requires_second_opinion"
    FINALISED = "finalised"


class ReviewTask(Resource, Timed, Base):
    """One submission that waits for a person, from the moment it was handed in; `round` counts its reviews, from 1.

    `pending_count` of its `item_count` subjective items have no final grade yet. `version` counts changes of state.
    """

    __tablename__ = "review_tasks"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("submission_id", "submissions"),
        refer_within("assignment_id", "assignments"),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer("user_id", "users"),
        unique("submission_id", "round"),
        index("ix_review_tasks_open", "org_unit_id", "due_at", "id", where="state <> 'finalised'"),
        index("ix_review_tasks_assignment", "assignment_id", "id"),
        CheckConstraint(among("state", ReviewState), "state"),
        CheckConstraint("(state = 'finalised') = (finalised_at is not null)", "finalised"),
        CheckConstraint("pending_count between 0 and item_count", "pending_count"),
        {"info": REVIEWED},
    )

    submission_id: Mapped[UUID]
    round: Mapped[int] = mapped_column(Integer, server_default="1")
    assignment_id: Mapped[UUID]
    evaluation_version_id: Mapped[UUID]
    user_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(server_default=ReviewState.AWAITING_REVIEW)
    item_count: Mapped[int] = mapped_column(Integer)
    pending_count: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime | None]
    finalised_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, server_default="0")
