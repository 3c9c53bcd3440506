"""What proctors do in a session, and what is found out about it, as kinds of events.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

BEFORE = (
    "created", "started", "item_viewed", "answer_saved", "focus_lost", "focus_regained", "tab_switch",
    "paste_detected", "disconnected", "reconnected", "time_extended", "attempt_added", "limits_changed",
    "paused", "resumed",
)  # fmt: skip
NEW = ("message", "note", "probe_result", "attention_raised", "attention_cleared", "room_changed")


def upgrade() -> None:
    """Know the new kinds."""
    know_kinds((*BEFORE, *NEW, "submitted", "expired", "terminated"))


def downgrade() -> None:
    """Know the old kinds only; a session that has events of the new ones keeps it from happening."""
    know_kinds((*BEFORE, "submitted", "expired"))


def know_kinds(kinds: tuple[str, ...]) -> None:
    """Let session events be of these kinds."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_session_events_kind"), "session_events")
    op.create_check_constraint(op.f("ck_session_events_kind"), "session_events", f"kind in ({listed})")
