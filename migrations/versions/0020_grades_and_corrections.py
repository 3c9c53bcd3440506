"""Grades of items, corrections of keys and points, what caused a score, and tasks for those who review.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.capabilities import past_row_policies
from migrations.isolation import append_only, isolate

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"
SCORES = "submission_score_versions"

INSERT_TASKS = """
insert into review_tasks
 (tenant_id, org_unit_id, id, submission_id, assignment_id, evaluation_version_id, user_id, item_count, pending_count,
  created_at)
select s.tenant_id, s.org_unit_id, gen_random_uuid(), s.id, s.assignment_id, s.evaluation_version_id, s.user_id,
 p.pending, p.pending, s.submitted_at
from submissions s
join submission_score_versions v
 on v.tenant_id = s.tenant_id and v.submission_id = s.id and v.number = s.latest_score_version
cross join lateral (
 select count(*)::integer as pending from jsonb_array_elements(v.items) i where i ->> 'state' = 'pending') p
where v.outcome = 'pending'
"""


def upgrade() -> None:
    """Create the tables, and let scores tell their cause."""
    op.add_column(SCORES, sa.Column("cause", sa.Text(), server_default="automatic", nullable=False))
    op.add_column(SCORES, sa.Column("source_id", sa.Uuid(), nullable=True))
    causes = "cause in ('automatic', 'graded', 'corrected')"
    op.create_check_constraint(op.f(f"ck_{SCORES}_cause"), SCORES, causes)
    create_grades()
    create_batches()
    create_corrections()
    create_tasks()
    for table in ("item_grades", "correction_batches", "corrections"):
        isolate(table, "org_unit", "staff_only", allow="select, insert")
        append_only(table)
    open_tasks()
    isolate("review_tasks", "org_unit", "staff_only")


def downgrade() -> None:
    """Take it back; scores that a person or a correction gave stay, and no longer tell by what."""
    for table in ("review_tasks", "corrections", "correction_batches", "item_grades"):
        op.drop_table(table)
    op.drop_constraint(op.f(f"ck_{SCORES}_cause"), SCORES)
    op.drop_column(SCORES, "source_id")
    op.drop_column(SCORES, "cause")


def create_grades() -> None:
    """Create the table of final marks."""
    op.create_table(
        "item_grades",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("submission_item_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("points", sa.Numeric(12, 4), nullable=False),
        sa.Column("max_points", sa.Numeric(12, 4), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("graded_by", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("points between 0 and max_points", name=op.f("ck_item_grades_points")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_id"],
            ["submissions.tenant_id", "submissions.org_unit_id", "submissions.id"],
            name=op.f("fk_item_grades_submissions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_item_id"],
            ["submission_items.tenant_id", "submission_items.org_unit_id", "submission_items.id"],
            name=op.f("fk_item_grades_submission_items"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_item_grades")),
        sa.UniqueConstraint(
            "tenant_id", "submission_item_id", "number", name=op.f("uq_item_grades_tenant_id_submission_item_id_number")
        ),
    )
    op.create_index("ix_item_grades_submission", "item_grades", ["tenant_id", "submission_id"])


def create_batches() -> None:
    """Create the table of corrections that were applied together."""
    op.create_table(
        "correction_batches",
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("undoes_id", sa.Uuid(), nullable=True),
        sa.Column("affected_count", sa.Integer(), nullable=False),
        sa.Column("changed_count", sa.Integer(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_correction_batches_evaluation_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "undoes_id"],
            ["correction_batches.tenant_id", "correction_batches.org_unit_id", "correction_batches.id"],
            name=op.f("fk_correction_batches_correction_batches"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_correction_batches_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_correction_batches")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_correction_batches_tenant_id_org_unit_id_id")
        ),
        sa.UniqueConstraint("tenant_id", "undoes_id", name=op.f("uq_correction_batches_tenant_id_undoes_id")),
    )
    op.create_index("ix_correction_batches_version", "correction_batches", ["tenant_id", "evaluation_version_id", "id"])


def create_corrections() -> None:
    """Create the table of single corrections."""
    op.create_table(
        "corrections",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("question_version_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind in ('void', 'accept', 'key', 'points')", name=op.f("ck_corrections_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "batch_id"],
            ["correction_batches.tenant_id", "correction_batches.org_unit_id", "correction_batches.id"],
            name=op.f("fk_corrections_correction_batches"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "question_version_id"],
            ["question_versions.tenant_id", "question_versions.org_unit_id", "question_versions.id"],
            name=op.f("fk_corrections_question_versions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_corrections")),
        sa.UniqueConstraint(
            "tenant_id", "batch_id", "position", name=op.f("uq_corrections_tenant_id_batch_id_position")
        ),
    )


def create_tasks() -> None:
    """Create the table of what waits for a person."""
    op.create_table(
        "review_tasks",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), server_default="1", nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="awaiting_review", nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("pending_count", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finalised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "state in ('awaiting_review', 'finalised')",
            name=op.f("ck_review_tasks_state"),
        ),
        sa.CheckConstraint(
            "(state = 'finalised') = (finalised_at is not null)", name=op.f("ck_review_tasks_finalised")
        ),
        sa.CheckConstraint("pending_count between 0 and item_count", name=op.f("ck_review_tasks_pending_count")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_id"],
            ["submissions.tenant_id", "submissions.org_unit_id", "submissions.id"],
            name=op.f("fk_review_tasks_submissions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_review_tasks_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_review_tasks_evaluation_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("fk_review_tasks_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_review_tasks")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_review_tasks_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "submission_id", "round", name=op.f("uq_review_tasks_tenant_id_submission_id_round")
        ),
    )
    op.create_index(
        "ix_review_tasks_open",
        "review_tasks",
        ["tenant_id", "org_unit_id", "due_at", "id"],
        postgresql_where=sa.text("state <> 'finalised'"),
    )
    op.create_index("ix_review_tasks_assignment", "review_tasks", ["tenant_id", "assignment_id", "id"])


def open_tasks() -> None:
    """Open a task for what was handed in before and waits for a person still."""
    with past_row_policies("submissions", SCORES):
        op.execute(INSERT_TASKS)
