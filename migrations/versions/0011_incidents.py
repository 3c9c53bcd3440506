"""Pauses of sessions, exact to the microsecond, and incidents: one command to many sessions.

Revision ID: 0011
Revises: 0010
"""

from decimal import Decimal

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.isolation import append_only, isolate

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
KINDS = (
    "created", "started", "item_viewed", "answer_saved", "focus_lost", "focus_regained", "tab_switch",
    "paste_detected", "disconnected", "reconnected", "time_extended", "attempt_added", "limits_changed",
    "submitted", "expired",
)  # fmt: skip
NEW_KINDS = ("paused", "resumed")


def upgrade() -> None:
    """Let sessions be paused, and create the tables of incidents."""
    op.add_column("delivery_sessions", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery_sessions", sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True))
    change_paused_seconds(sa.Numeric(14, 6))
    op.create_check_constraint(
        op.f("ck_delivery_sessions_paused"), "delivery_sessions", "(state = 'paused') = (paused_at is not null)"
    )
    know_kinds(KINDS[:13] + NEW_KINDS + KINDS[13:])
    create_incidents()
    create_incident_sessions()
    for table in ("incidents", "incident_sessions"):
        isolate(table, "org_unit", "staff_only", allow="select, insert")
        append_only(table)


def downgrade() -> None:
    """Take it back. A session that was paused keeps it from happening: events are never removed."""
    op.drop_table("incident_sessions")
    op.drop_table("incidents")
    know_kinds(KINDS)
    op.drop_constraint(op.f("ck_delivery_sessions_paused"), "delivery_sessions")
    change_paused_seconds(sa.Integer())
    op.drop_column("delivery_sessions", "resumed_at")
    op.drop_column("delivery_sessions", "paused_at")


def change_paused_seconds(type_: sa.Integer | sa.Numeric[Decimal]) -> None:
    """Keep pauses as this type."""
    op.alter_column("delivery_sessions", "paused_seconds", type_=type_, existing_nullable=False)


def know_kinds(kinds: tuple[str, ...]) -> None:
    """Let session events be of these kinds."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_session_events_kind"), "session_events")
    op.create_check_constraint(op.f("ck_session_events_kind"), "session_events", f"kind in ({listed})")


def create_incidents() -> None:
    """Create the table with one row for each command."""
    op.create_table(
        "incidents",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("chosen", postgresql.JSONB(), nullable=False),
        sa.Column("chosen_count", sa.Integer(), nullable=False),
        sa.Column("done_count", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("lost_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lost_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_id", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("kind in ('pause', 'resume', 'compensate')", name=op.f("ck_incidents_kind")),
        sa.CheckConstraint(
            "category in ('environment', 'examinee', 'staff', 'technical', 'other')", name=op.f("ck_incidents_category")
        ),
        sa.CheckConstraint(
            "(kind = 'compensate') = (num_nonnulls(seconds, lost_from) = 1) and (lost_from is null) = (lost_until is null)",
            name=op.f("ck_incidents_lost"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_incidents_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "pause_id"],
            ["incidents.tenant_id", "incidents.org_unit_id", "incidents.id"],
            name=op.f("fk_incidents_incidents"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_incidents_tenant_id_org_unit_id_id")),
    )


def create_incident_sessions() -> None:
    """Create the table with one row for each session that a command was for."""
    op.create_table(
        "incident_sessions",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("override_id", sa.Uuid(), nullable=True),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(override_id is null) = (seconds is null)", name=op.f("ck_incident_sessions_given")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "incident_id"],
            ["incidents.tenant_id", "incidents.org_unit_id", "incidents.id"],
            name=op.f("fk_incident_sessions_incidents"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "session_id"],
            ["delivery_sessions.tenant_id", "delivery_sessions.org_unit_id", "delivery_sessions.id"],
            name=op.f("fk_incident_sessions_delivery_sessions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "override_id"],
            ["assignment_overrides.tenant_id", "assignment_overrides.org_unit_id", "assignment_overrides.id"],
            name=op.f("fk_incident_sessions_assignment_overrides"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_incident_sessions")),
        sa.UniqueConstraint(
            "tenant_id", "incident_id", "session_id", name=op.f("uq_incident_sessions_tenant_id_incident_id_session_id")
        ),
    )
    op.create_index("ix_incident_sessions_session", "incident_sessions", ["tenant_id", "session_id", "incident_id"])
