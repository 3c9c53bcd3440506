"""Attention that sessions need, under the thresholds of their tenant, and how their connection has been.

Revision ID: 0023
Revises: 0022
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.capabilities import past_row_policies
from migrations.isolation import isolate

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"

WATCHED = """
update delivery_sessions set
 is_high_stakes = policy #>> '{security,value,lockdown_browser}' = 'required'
  or policy #>> '{security,value,proctoring}' = 'live',
 focus_loss_limit = (policy #>> '{security,value,focus_loss_limit}')::integer,
 attention_version = case when started_at is not null and ended_at is null then 0 end,
 attention_check_at = case when started_at is not null and ended_at is null then evalium_now() end
"""

COUNTED = """
update delivery_sessions s set tab_switch_count = n.switches, paste_count = n.pastes, disconnect_count = n.cuts
from (select tenant_id, session_id, count(*) filter (where kind = 'tab_switch') as switches,
  count(*) filter (where kind = 'paste_detected') as pastes, count(*) filter (where kind = 'disconnected') as cuts
 from session_events where kind in ('tab_switch', 'paste_detected', 'disconnected') group by 1, 2) n
where n.tenant_id = s.tenant_id and n.session_id = s.id
"""


def columns() -> list[sa.Column[Any]]:
    """Return the columns that a session is given."""
    instant = sa.DateTime(timezone=True)
    return [
        sa.Column("tab_switch_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paste_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_seen_at", instant, nullable=True),
        sa.Column("disconnect_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("disconnected_seconds", sa.Numeric(14, 6), server_default="0", nullable=False),
        sa.Column("absent_from", instant, nullable=True),
        sa.Column("absent_until", instant, nullable=True),
        sa.Column("is_high_stakes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("focus_loss_limit", sa.Integer(), nullable=True),
        sa.Column("attention_level", sa.Text(), server_default="none", nullable=False),
        sa.Column("attention_since", instant, nullable=True),
        sa.Column("attention_rules", postgresql.JSONB(), nullable=True),
        sa.Column("attention_acknowledged", postgresql.JSONB(), nullable=True),
        sa.Column("attention_version", sa.Integer(), nullable=True),
        sa.Column("attention_check_at", instant, nullable=True),
    ]


CHECKS = {
    "attention": "attention_level in ('none', 'notice', 'warning', 'urgent')",
    "attention_since": "(attention_level = 'none') = (attention_since is null)",
    "absent": "absent_until is null or absent_from is not null",
}

INDEXES = {
    "ix_delivery_sessions_attention": (["attention_level", "id"], "attention_level <> 'none'"),
    "ix_delivery_sessions_check": (["attention_check_at"], "attention_check_at is not null"),
    "ix_delivery_sessions_rules": (["attention_version"], "ended_at is null"),
}


def upgrade() -> None:
    """Create the table of thresholds; count what sessions have had, and have those that run looked at."""
    for column in columns():
        op.add_column("delivery_sessions", column)
    with past_row_policies("delivery_sessions", "session_events"):
        op.execute(WATCHED)
        op.execute(COUNTED)
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_delivery_sessions_{name}"), "delivery_sessions", rule)
    for name, (keys, where) in INDEXES.items():
        op.create_index(name, "delivery_sessions", ["tenant_id", *keys], postgresql_where=sa.text(where))
    create_rules()
    isolate("attention_rules", "staff_only")


def downgrade() -> None:
    """Take it back; the thresholds that tenants have set are lost."""
    op.drop_table("attention_rules")
    for name in reversed(INDEXES):
        op.drop_index(name, "delivery_sessions")
    for name in reversed(CHECKS):
        op.drop_constraint(op.f(f"ck_delivery_sessions_{name}"), "delivery_sessions")
    for column in reversed(columns()):
        op.drop_column("delivery_sessions", column.name)


def create_rules() -> None:
    """Create the table with at most one row for each tenant."""
    op.create_table(
        "attention_rules",
        sa.Column("standard", postgresql.JSONB(), nullable=False),
        sa.Column("high_stakes", postgresql.JSONB(), nullable=False),
        sa.Column("disconnected_after_seconds", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("disconnected_after_seconds between 10 and 600", name=op.f("ck_attention_rules_silence")),
        sa.CheckConstraint("version > 0", name=op.f("ck_attention_rules_version")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "changed_by"], ["users.tenant_id", "users.id"], name=op.f("fk_attention_rules_users")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_attention_rules_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_attention_rules")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_attention_rules_tenant_id")),
    )
