"""Delivery sessions: frozen policy, the drawn paper, answers, and the events that are the stream (domain.md 6, 7)."""

import secrets
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Integer, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.attention import AttentionLevel
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
from models.lockdown import LockdownCause, LockdownState

OF_SESSION = {"narrow": [Narrowing.ORG_UNIT, Narrowing.OWN_SESSION]}


class SessionState(StrEnum):
    """`created → active ⇄ paused → submitted | expired | terminated`; the last three are never left."""

    CREATED = "created"
    ACTIVE = "active"
    PAUSED = "paused"
    SUBMITTED = "submitted"
    EXPIRED = "expired"
    TERMINATED = "terminated"


TERMINAL = frozenset({SessionState.SUBMITTED, SessionState.EXPIRED, SessionState.TERMINATED})


class EventKind(StrEnum):
    """What happened in a session."""

    CREATED = "created"
    STARTED = "started"
    ITEM_VIEWED = "item_viewed"
    ANSWER_SAVED = "answer_saved"
    FOCUS_LOST = "focus_lost"
    FOCUS_REGAINED = "focus_regained"
    TAB_SWITCH = "tab_switch"
    PASTE_DETECTED = "paste_detected"
    DISCONNECTED = "disconnected"
    RECONNECTED = "reconnected"
    TIME_EXTENDED = "time_extended"
    ATTEMPT_ADDED = "attempt_added"
    LIMITS_CHANGED = "limits_changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    MESSAGE = "message"
    NOTE = "note"
    PROBE_RESULT = "probe_result"
    ATTENTION_RAISED = "attention_raised"
    ATTENTION_CLEARED = "attention_cleared"
    ROOM_CHANGED = "room_changed"
    SUBMITTED = "submitted"
    EXPIRED = "expired"
    TERMINATED = "terminated"


class ReasonCategory(StrEnum):
    """What kind of reason somebody had who interfered with a session; a free text says more."""

    ENVIRONMENT = "environment"
    EXAMINEE = "examinee"
    STAFF = "staff"
    TECHNICAL = "technical"
    OTHER = "other"


class DeliverySession(Resource, Timed, Base):
    """One attempt of one person. Counters are kept on the row, so that the monitor never aggregates events.

    `policy` holds the frozen limits with the source of each value, and `policy_rows` the rows that they follow from, so
    that an override of this person is put beside them without looking at anything else again. `deadline_at` is the
    instant after which the session is over: the close of the window while it is created, the personal deadline once
    it is active. While it is paused, its clock stands at `paused_at`; `paused_seconds` is the sum of the pauses that
    have ended, to the microsecond, and is part of the deadline already.

    `probe_nonce` ties what a lockdown browser proves to this session; it opens nothing. `probe_state` is what the last
    probe found at `probed_at`, and `probe_told_at` when the timeline was told last. `lockdown_exception_at` says since
    when the session goes on without a verified lockdown browser, `lockdown_waived_at` when a proctor allowed that.
    """

    __tablename__ = "delivery_sessions"
    __table_args__ = (
        primary(),
        silo_key(),
        refer_within("assignment_id", "assignments"),
        refer_within("invitation_id", "invitations"),
        refer_within("evaluation_version_id", "evaluation_versions"),
        refer_within("room_id", "rooms"),
        refer("user_id", "users"),
        unique("assignment_id", "user_id", "attempt"),
        index("ix_delivery_sessions_room", "room_id", "id", where="room_id is not null"),
        index("ix_delivery_sessions_due", "deadline_at", where="state in ('created', 'active')"),
        index("ix_delivery_sessions_assignment", "assignment_id", "id"),
        index("ix_delivery_sessions_ended", "ended_at"),
        index("ix_delivery_sessions_newest", "created_at", "id"),
        index("ix_delivery_sessions_probed", "probed_at", where="probe_state = 'verified' and ended_at is null"),
        index("ix_delivery_sessions_attention", "attention_level", "id", where="attention_level <> 'none'"),
        index("ix_delivery_sessions_check", "attention_check_at", where="attention_check_at is not null"),
        index("ix_delivery_sessions_rules", "attention_version", where="ended_at is null"),
        CheckConstraint(among("state", SessionState), "state"),
        CheckConstraint(among("attention_level", AttentionLevel), "attention"),
        CheckConstraint("(attention_level = 'none') = (attention_since is null)", "attention_since"),
        CheckConstraint("absent_until is null or absent_from is not null", "absent"),
        CheckConstraint("(state in ('submitted', 'expired', 'terminated')) = (ended_at is not null)", "ended"),
        CheckConstraint("(state = 'paused') = (paused_at is not null)", "paused"),
        CheckConstraint(among("probe_state", LockdownState), "probe_state"),
        CheckConstraint(among("probe_cause", LockdownCause), "probe_cause"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.SELF_SESSION, Narrowing.IN_ROOM]}},
    )

    assignment_id: Mapped[UUID]
    invitation_id: Mapped[UUID]
    evaluation_version_id: Mapped[UUID]
    user_id: Mapped[UUID]
    room_id: Mapped[UUID | None]
    attempt: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(server_default=SessionState.CREATED)
    seed: Mapped[int] = mapped_column(BigInteger)
    policy: Mapped[dict[str, Any]]
    policy_rows: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True), info={"large": True})
    grace_seconds: Mapped[int] = mapped_column(Integer)
    window_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    paused_seconds: Mapped[Decimal] = mapped_column(Numeric(14, 6), server_default="0")
    ended_at: Mapped[datetime | None]
    last_activity_at: Mapped[datetime | None]
    current_position: Mapped[int | None] = mapped_column(Integer)
    item_count: Mapped[int] = mapped_column(Integer)
    answered_count: Mapped[int] = mapped_column(Integer, server_default="0")
    focus_lost_count: Mapped[int] = mapped_column(Integer, server_default="0")
    focus_lost_at: Mapped[datetime | None]
    tab_switch_count: Mapped[int] = mapped_column(Integer, server_default="0")
    paste_count: Mapped[int] = mapped_column(Integer, server_default="0")
    last_seen_at: Mapped[datetime | None]
    disconnected_at: Mapped[datetime | None]
    probe_nonce: Mapped[str] = mapped_column(
        server_default=text("replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"),
        default=lambda: secrets.token_hex(32),
    )
    probe_state: Mapped[str | None]
    probe_cause: Mapped[str | None]
    probed_at: Mapped[datetime | None]
    probe_told_at: Mapped[datetime | None]
    probe_failed_count: Mapped[int] = mapped_column(Integer, server_default="0")
    probe_signals: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), info={"large": True})
    lockdown_exception_at: Mapped[datetime | None]
    lockdown_waived_at: Mapped[datetime | None]
    disconnect_count: Mapped[int] = mapped_column(Integer, server_default="0")
    disconnected_seconds: Mapped[Decimal] = mapped_column(Numeric(14, 6), server_default="0")
    absent_from: Mapped[datetime | None]
    absent_until: Mapped[datetime | None]
    is_high_stakes: Mapped[bool] = mapped_column(server_default=text("false"))
    focus_loss_limit: Mapped[int | None] = mapped_column(Integer)
    attention_level: Mapped[str] = mapped_column(server_default=AttentionLevel.NONE)
    attention_since: Mapped[datetime | None]
    attention_rules: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    attention_acknowledged: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    attention_version: Mapped[int | None] = mapped_column(Integer)
    attention_check_at: Mapped[datetime | None]
    event_seq: Mapped[int] = mapped_column(BigInteger, server_default="0")
    version: Mapped[int] = mapped_column(Integer, server_default="0")


class SessionPaper(Resource, Base):
    """The questions as drawn for one session, public parts only; its id is the session's. Never changed.

    A copy rather than references: a candidate's token reads this row and needs no right on the question tables.
    `items` is a list in order: position, item_id, question_version_id, section, kind, stem, content, points.
    """

    __tablename__ = "session_papers"
    __table_args__ = (
        primary(),
        refer_within("session_id", "delivery_sessions"),
        unique("session_id"),
        {"info": OF_SESSION},
    )

    session_id: Mapped[UUID]
    title: Mapped[str]
    instructions: Mapped[str]
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Answer(Resource, Base):
    """The newest response to one item of a session's paper; `revision` only grows."""

    __tablename__ = "answers"
    __table_args__ = (
        primary(),
        refer_within("session_id", "delivery_sessions"),
        unique("session_id", "item_id"),
        {"info": OF_SESSION},
    )

    session_id: Mapped[UUID]
    item_id: Mapped[UUID]
    revision: Mapped[int] = mapped_column(BigInteger)
    response: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    saved_at: Mapped[datetime]


class SessionEvent(Resource, Base):
    """Append-only: the table is the stream. `(xid, id)` is the position in commit order, `seq` the one per session.

    `room_id` is the room that the session was in then. Whoever appends holds the session's lock before the first write
    of the transaction, so both orders agree.
    """

    __tablename__ = "session_events"
    __table_args__ = (
        primary(),
        refer_within("session_id", "delivery_sessions"),
        unique("session_id", "seq"),
        index("ix_session_events_assignment", "assignment_id", "xid", "id"),
        index("ix_session_events_session", "session_id", "xid", "id"),
        index("ix_session_events_unit", "org_unit_id", "xid", "id"),
        index("ix_session_events_room", "room_id", "xid", "id", where="room_id is not null"),
        CheckConstraint(among("kind", EventKind), "kind"),
        {"info": {"narrow": [Narrowing.ORG_UNIT, Narrowing.OWN_SESSION, Narrowing.IN_ROOM]}},
    )

    session_id: Mapped[UUID]
    assignment_id: Mapped[UUID]
    room_id: Mapped[UUID | None]
    seq: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    at: Mapped[datetime]
    client_at: Mapped[datetime | None]
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    xid: Mapped[int] = position()


class EventBatch(Resource, Base):
    """A telemetry batch that was taken in: its client-chosen id makes sending it again harmless."""

    __tablename__ = "session_event_batches"
    __table_args__ = (
        primary(),
        refer_within("session_id", "delivery_sessions"),
        unique("session_id", "batch_id"),
        {"info": OF_SESSION},
    )

    session_id: Mapped[UUID]
    batch_id: Mapped[str]
    fingerprint: Mapped[str]
    accepted: Mapped[int] = mapped_column(Integer)
    last_seq: Mapped[int] = mapped_column(BigInteger)
