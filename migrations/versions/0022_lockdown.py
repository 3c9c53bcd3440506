"""Keys of Safe Exam Browser for each assignment, and what is known of the lockdown browser of each session.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.isolation import isolate

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
NONCE = "replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"
CHECKS = {
    "probe_state": "probe_state in ('verified', 'not_detected', 'tampered')",
    "probe_cause": (
        "probe_cause in ('matched', 'no_signal', 'no_keys', 'incomplete', 'wrong_hash', 'other_site', "
        "'other_session', 'silent')"
    ),
}
INSTANTS = ("probed_at", "probe_told_at", "lockdown_exception_at", "lockdown_waived_at")


def upgrade() -> None:
    """Create the table of keys; give each session that exists a nonce of its own."""
    op.create_table(
        "assignment_lockdowns",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("config_keys", postgresql.JSONB(), nullable=False),
        sa.Column("browser_exam_keys", postgresql.JSONB(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_assignment_lockdowns_assignments"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_lockdowns")),
        sa.UniqueConstraint("tenant_id", "assignment_id", name=op.f("uq_assignment_lockdowns_tenant_id_assignment_id")),
    )
    isolate("assignment_lockdowns", "org_unit", "staff_only", allow="select, insert, update")
    add_to_sessions()


def add_to_sessions() -> None:
    """Add what is known of a session's lockdown browser."""
    table = "delivery_sessions"
    op.add_column(table, sa.Column("probe_nonce", sa.Text(), server_default=sa.text(NONCE), nullable=False))
    for name in ("probe_state", "probe_cause"):
        op.add_column(table, sa.Column(name, sa.Text(), nullable=True))
    for name in INSTANTS:
        op.add_column(table, sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column(table, sa.Column("probe_failed_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column(table, sa.Column("probe_signals", postgresql.JSONB(), nullable=True))
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_delivery_sessions_{name}"), table, rule)
    op.create_index(
        "ix_delivery_sessions_probed",
        table,
        ["tenant_id", "probed_at"],
        postgresql_where=sa.text("probe_state = 'verified' and ended_at is null"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_delivery_sessions_probed", "delivery_sessions")
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_delivery_sessions_{name}"), "delivery_sessions")
    for name in ("probe_nonce", "probe_state", "probe_cause", *INSTANTS, "probe_failed_count", "probe_signals"):
        op.drop_column("delivery_sessions", name)
    op.drop_table("assignment_lockdowns")
