"""Results that are kept back and released, and regrades that candidates ask for.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

from migrations import capabilities
from migrations.isolation import append_only, isolate

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
ADDED = {"results.release": "Keep results back from candidates, and release them."}
HELD = {"results.release": ["tenant_admin", "programme_manager"]}


def upgrade() -> None:
    """Create the tables."""
    capabilities.add(ADDED, HELD)
    create_holds()
    create_inquiries()
    isolate("result_holds", "org_unit", "staff_only", allow="select, insert")
    append_only("result_holds")
    isolate("inquiries", "org_unit", "staff_only")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("inquiries")
    op.drop_table("result_holds")
    capabilities.remove(*ADDED)


def within(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    """Refer to a row of the same org unit."""
    return sa.ForeignKeyConstraint(
        ["tenant_id", "org_unit_id", column],
        [f"{other}.tenant_id", f"{other}.org_unit_id", f"{other}.id"],
        name=f"fk_{table}_{other}",
    )


def owned() -> list[sa.Column[object]]:
    """Return the columns of every table of an org unit."""
    return [
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
    ]


def create_holds() -> None:
    """Create the table of decisions."""
    table = "result_holds"
    op.create_table(
        table,
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=True),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        *owned(),
        sa.CheckConstraint("is_held or until is null", name="ck_result_holds_until"),
        within(table, "assignment_id", "assignments"),
        within(table, "submission_id", "submissions"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "decided_by"], ["users.tenant_id", "users.id"], name="fk_result_holds_users"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_result_holds"),
        sa.UniqueConstraint(
            "tenant_id", "assignment_id", "number", name="uq_result_holds_tenant_id_assignment_id_number"
        ),
    )
    op.create_index("ix_result_holds_submission", table, ["tenant_id", "submission_id", "number"])


def create_inquiries() -> None:
    """Create the table of regrades."""
    table = "inquiries"
    op.create_table(
        table,
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        *owned(),
        sa.CheckConstraint("state in ('open', 'answered')", name="ck_inquiries_state"),
        sa.CheckConstraint("outcome in ('upheld', 'changed')", name="ck_inquiries_outcome"),
        sa.CheckConstraint(
            "(state = 'answered') = (num_nonnulls(outcome, answer, answered_at) = 3)", name="ck_inquiries_answered"
        ),
        within(table, "submission_id", "submissions"),
        within(table, "task_id", "review_tasks"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "answered_by"], ["users.tenant_id", "users.id"], name="fk_inquiries_users"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_inquiries"),
        sa.UniqueConstraint("tenant_id", "submission_id", name="uq_inquiries_tenant_id_submission_id"),
        sa.UniqueConstraint("tenant_id", "task_id", name="uq_inquiries_tenant_id_task_id"),
    )
