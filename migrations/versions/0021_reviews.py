"""Reviews: claims with fences, drafts, marks, and the events of the queue.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import capabilities
from migrations.capabilities import past_row_policies
from migrations.isolation import append_only, isolate

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
ADDED = {"reviews.reassign": "Take over a review that somebody else has in hand, with a reason."}
HELD = {"reviews.reassign": ["tenant_admin"]}
XID = "pg_current_xact_id()::text::bigint"


def upgrade() -> None:
    """Create the tables; every task is due some day."""
    with past_row_policies("review_tasks"):
        op.execute("update review_tasks set due_at = created_at + interval '7 days' where due_at is null")
    op.alter_column("review_tasks", "due_at", nullable=False)
    capabilities.add(ADDED, HELD)
    create_claims()
    create_drafts()
    create_marks()
    create_events()
    for table in ("review_claims", "review_drafts"):
        isolate(table, "org_unit", "staff_only")
    for table in ("review_marks", "review_events"):
        isolate(table, "org_unit", "staff_only", allow="select, insert")
        append_only(table)


def downgrade() -> None:
    """Take it back."""
    capabilities.remove(*ADDED)
    for table in ("review_events", "review_marks", "review_drafts", "review_claims"):
        op.drop_table(table)
    op.alter_column("review_tasks", "due_at", nullable=True)


def create_claims() -> None:
    """Create the table of who has what in hand."""
    op.create_table(
        "review_claims",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "task_id"],
            ["review_tasks.tenant_id", "review_tasks.org_unit_id", "review_tasks.id"],
            name=op.f("fk_review_claims_review_tasks"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "holder_id"], ["users.tenant_id", "users.id"], name=op.f("fk_review_claims_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_review_claims")),
        sa.UniqueConstraint("tenant_id", "task_id", name=op.f("uq_review_claims_tenant_id_task_id")),
    )
    op.create_index("ix_review_claims_holder", "review_claims", ["tenant_id", "holder_id", "leased_until"])


def create_drafts() -> None:
    """Create the table of what is not final."""
    op.create_table(
        "review_drafts",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("submission_item_id", sa.Uuid(), nullable=False),
        sa.Column("marker_id", sa.Uuid(), nullable=False),
        sa.Column("points", sa.Numeric(12, 4), nullable=True),
        sa.Column("levels", postgresql.JSONB(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "task_id"],
            ["review_tasks.tenant_id", "review_tasks.org_unit_id", "review_tasks.id"],
            name=op.f("fk_review_drafts_review_tasks"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_item_id"],
            ["submission_items.tenant_id", "submission_items.org_unit_id", "submission_items.id"],
            name=op.f("fk_review_drafts_submission_items"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "marker_id"], ["users.tenant_id", "users.id"], name=op.f("fk_review_drafts_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_review_drafts")),
        sa.UniqueConstraint(
            "tenant_id",
            "task_id",
            "submission_item_id",
            "marker_id",
            name=op.f("uq_review_drafts_tenant_id_task_id_submission_item_id_marker_id"),
        ),
    )


def create_marks() -> None:
    """Create the table of final marks of each reviewer."""
    op.create_table(
        "review_marks",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("submission_item_id", sa.Uuid(), nullable=False),
        sa.Column("marker_id", sa.Uuid(), nullable=False),
        sa.Column("points", sa.Numeric(12, 4), nullable=False),
        sa.Column("max_points", sa.Numeric(12, 4), nullable=False),
        sa.Column("levels", postgresql.JSONB(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("points between 0 and max_points", name=op.f("ck_review_marks_points")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "task_id"],
            ["review_tasks.tenant_id", "review_tasks.org_unit_id", "review_tasks.id"],
            name=op.f("fk_review_marks_review_tasks"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_item_id"],
            ["submission_items.tenant_id", "submission_items.org_unit_id", "submission_items.id"],
            name=op.f("fk_review_marks_submission_items"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "marker_id"], ["users.tenant_id", "users.id"], name=op.f("fk_review_marks_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_review_marks")),
        sa.UniqueConstraint(
            "tenant_id",
            "task_id",
            "submission_item_id",
            name=op.f("uq_review_marks_tenant_id_task_id_submission_item_id"),
        ),
    )


def create_events() -> None:
    """Create the table of what happened to tasks."""
    op.create_table(
        "review_events",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("xid", sa.BigInteger(), server_default=sa.text(XID), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind in ('opened', 'claimed', 'released', 'stolen', 'item_finalised', 'finalised')",
            name=op.f("ck_review_events_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "task_id"],
            ["review_tasks.tenant_id", "review_tasks.org_unit_id", "review_tasks.id"],
            name=op.f("fk_review_events_review_tasks"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_review_events")),
    )
    op.create_index("ix_review_events_unit", "review_events", ["tenant_id", "org_unit_id", "xid", "id"])
    op.create_index("ix_review_events_task", "review_events", ["tenant_id", "task_id", "xid", "id"])
