"""Reviews: what waits for a person, who has it in hand, drafts, marks and events (domain.md section 9)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Integer, Numeric, false, text
from sqlalchemy.dialects.postgresql import JSONB
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

REVIEWED = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class ReviewState(StrEnum):
    """How far a review is. Whether somebody has it in hand is told by its claim.

    Awaiting a decision is what was observed: all marks are given, and somebody has to approve or reject.
    """

    AWAITING_REVIEW = "awaiting_review"
    REQUIRES_SECOND_OPINION = "requires_second_opinion"
    REQUIRES_ADJUDICATION = "requires_adjudication"
    AWAITING_DECISION = "awaiting_decision"
    CHANGES_REQUESTED = "changes_requested"
    FINALISED = "finalised"


class MarkRole(StrEnum):
    """In which turn a mark was given: first, second by another person, or by the one who decides between them."""

    FIRST = "first"
    SECOND = "second"
    ADJUDICATOR = "adjudicator"


class SecondOpinionReason(StrEnum):
    """Why a second person is asked."""

    MANUAL = "manual"
    NEAR_BOUNDARY = "near_boundary"
    HIGH_STAKES = "high_stakes"
    SAMPLE = "sample"


class ReviewDecision(StrEnum):
    """What became of what was observed."""

    APPROVED = "approved"
    REJECTED = "rejected"


class ReviewTask(Resource, Timed, Base):
    """One submission that waits for a person, from the moment it was handed in; `round` counts its reviews, from 1.

    `pending_count` of its `item_count` subjective items have no mark yet from whoever's turn it is. `version` counts
    changes of state. `policy_id` names the rules it goes by, those in force when it was opened; without one Evalium's
    own. `reasons` say why a second person is asked. `is_observed` asks for a decision after the marks, and
    `is_independent` for people who never marked the submission before. `first_marker_id` completed the first marks.
    """

    __tablename__ = "review_tasks"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("submission_id", "submissions"),
        refer_within("assignment_id", "assignments"),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer("user_id", "users"),
        refer("first_marker_id", "users", name="fk_review_tasks_first_marker"),
        refer_within("policy_id", "review_policies"),
        unique("submission_id", "round"),
        index("ix_review_tasks_open", "org_unit_id", "due_at", "id", where="state <> 'finalised'"),
        index("ix_review_tasks_assignment", "assignment_id", "id"),
        index("ix_review_tasks_sample", "first_marker_id", "policy_id"),
        CheckConstraint(among("state", ReviewState), "state"),
        CheckConstraint(among("decision", ReviewDecision), "decision"),
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
    due_at: Mapped[datetime]
    policy_id: Mapped[UUID | None]
    reasons: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    note: Mapped[str | None]
    is_observed: Mapped[bool] = mapped_column(server_default=false())
    is_independent: Mapped[bool] = mapped_column(server_default=false())
    first_marker_id: Mapped[UUID | None]
    decision: Mapped[str | None]
    finalised_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, server_default="0")


class ReviewEventKind(StrEnum):
    """What happened to a review task."""

    OPENED = "opened"
    CLAIMED = "claimed"
    RELEASED = "released"
    STOLEN = "stolen"
    ITEM_FINALISED = "item_finalised"
    SECOND_OPINION_REQUIRED = "second_opinion_required"
    ADJUDICATION_REQUIRED = "adjudication_required"
    DECISION_REQUIRED = "decision_required"
    FINDING_RAISED = "finding_raised"
    FINDING_CLOSED = "finding_closed"
    CHANGES_REQUESTED = "changes_requested"
    RESUMED = "resumed"
    FINALISED = "finalised"


class ReviewClaim(Resource, Base):
    """Who has a task in hand, and until when. `fence` grows whenever the task changes hands, and never falls back.

    A task that was released or whose lease has run out is free; the row stays, for its fence.
    """

    __tablename__ = "review_claims"
    __table_args__ = (
        primary(),
        refer_within("task_id", "review_tasks"),
        refer("holder_id", "users"),
        unique("task_id"),
        index("ix_review_claims_holder", "holder_id", "leased_until"),
        {"info": REVIEWED},
    )

    task_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    fence: Mapped[int] = mapped_column(BigInteger)
    claimed_at: Mapped[datetime]
    leased_until: Mapped[datetime]


class ReviewDraft(Resource, Base):
    """What one reviewer has in mind for one item and has not finalised; nobody overwrites another's.

    `lost_at` is when a version of it came from somebody who no longer had the task in hand.
    """

    __tablename__ = "review_drafts"
    __table_args__ = (
        primary(),
        refer_within("task_id", "review_tasks"),
        refer_within("submission_item_id", "submission_items"),
        refer("marker_id", "users"),
        unique("task_id", "submission_item_id", "marker_id"),
        {"info": REVIEWED},
    )

    task_id: Mapped[UUID]
    submission_item_id: Mapped[UUID]
    marker_id: Mapped[UUID]
    points: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
    levels: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    comment: Mapped[str]
    revision: Mapped[int] = mapped_column(Integer)
    fence: Mapped[int] = mapped_column(BigInteger)
    saved_at: Mapped[datetime]
    lost_at: Mapped[datetime | None]


class ReviewMark(Resource, Timed, Base):
    """The final mark for an item by whoever had the task in hand, one in each turn; never changed."""

    __tablename__ = "review_marks"
    __table_args__ = (
        primary(),
        refer_within("task_id", "review_tasks"),
        refer_within("submission_item_id", "submission_items"),
        refer("marker_id", "users"),
        unique("task_id", "submission_item_id", "role"),
        CheckConstraint("points between 0 and max_points", "points"),
        CheckConstraint(among("role", MarkRole), "role"),
        {"info": REVIEWED},
    )

    task_id: Mapped[UUID]
    submission_item_id: Mapped[UUID]
    role: Mapped[str]
    marker_id: Mapped[UUID]
    points: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    max_points: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    levels: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    comment: Mapped[str]
    rationale: Mapped[str]
    fence: Mapped[int] = mapped_column(BigInteger)


class ReviewEvent(Resource, Base):
    """Append-only: the table is the stream of the queue. `(xid, id)` is the position in commit order."""

    __tablename__ = "review_events"
    __table_args__ = (
        primary(),
        refer_within("task_id", "review_tasks"),
        index("ix_review_events_unit", "org_unit_id", "xid", "id"),
        index("ix_review_events_task", "task_id", "xid", "id"),
        CheckConstraint(among("kind", ReviewEventKind), "kind"),
        {"info": REVIEWED},
    )

    task_id: Mapped[UUID]
    kind: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    xid: Mapped[int] = position()
