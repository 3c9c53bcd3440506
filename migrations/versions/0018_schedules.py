"""Schedules of assignments, their runs, and the right to manage them.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import capabilities
from migrations.isolation import isolate

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
ADDED = {"schedules.manage": "Plan what is issued again and again, and pause, skip or run it."}
HELD = {"schedules.manage": ["tenant_admin", "programme_manager"]}


def upgrade() -> None:
    """Create both tables, and grant the new capability."""
    op.create_table(
        "assignment_schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("recipients", postgresql.JSONB(), nullable=False),
        sa.Column("recipient_count", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("local_start", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("window_seconds", sa.Integer(), nullable=True),
        sa.Column("ends_count", sa.Integer(), nullable=True),
        sa.Column("ends_on", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        *_of_a_resource(),
        sa.CheckConstraint("ends_count > 0", name=op.f("ck_assignment_schedules_ends")),
        sa.CheckConstraint("status in ('active', 'paused', 'archived')", name=op.f("ck_assignment_schedules_status")),
        sa.CheckConstraint("window_seconds > 0", name=op.f("ck_assignment_schedules_window")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_assignment_schedules_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"],
            ["org_units.tenant_id", "org_units.id"],
            name=op.f("fk_assignment_schedules_org_units"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_schedules")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_assignment_schedules_tenant_id_org_unit_id_id")
        ),
    )
    op.create_index(
        "ix_assignment_schedules_due",
        "assignment_schedules",
        ["tenant_id", "next_run_at"],
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index("ix_assignment_schedules_changed", "assignment_schedules", ["tenant_id", "changed_at", "id"])
    create_runs()
    isolate("assignment_schedules", "org_unit", "staff_only")
    isolate("assignment_schedule_runs", "org_unit", "staff_only", allow="select, insert")
    capabilities.add(ADDED, HELD)


def downgrade() -> None:
    """Take it back."""
    capabilities.remove(*ADDED)
    op.drop_table("assignment_schedule_runs")
    op.drop_table("assignment_schedules")


def create_runs() -> None:
    """Create the table with one row for each occurrence that has been dealt with."""
    op.create_table(
        "assignment_schedule_runs",
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("occurrence", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("run_label", sa.Text(), nullable=True),
        sa.Column("assignment_id", sa.Uuid(), nullable=True),
        sa.Column("invited", sa.Integer(), server_default="0", nullable=False),
        sa.Column("problem", postgresql.JSONB(), nullable=True),
        sa.Column("is_manual", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        *_of_a_resource(),
        sa.CheckConstraint(
            "outcome in ('issued', 'failed', 'skipped')", name=op.f("ck_assignment_schedule_runs_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_assignment_schedule_runs_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_assignment_schedule_runs_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "schedule_id"],
            ["assignment_schedules.tenant_id", "assignment_schedules.org_unit_id", "assignment_schedules.id"],
            name=op.f("fk_assignment_schedule_runs_assignment_schedules"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_schedule_runs")),
        sa.UniqueConstraint(
            "tenant_id", "assignment_id", name=op.f("uq_assignment_schedule_runs_tenant_id_assignment_id")
        ),
        sa.UniqueConstraint(
            "tenant_id",
            "schedule_id",
            "occurrence",
            name=op.f("uq_assignment_schedule_runs_tenant_id_schedule_id_occurrence"),
        ),
    )


def _of_a_resource() -> list[sa.Column[object]]:
    return [
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
    ]
