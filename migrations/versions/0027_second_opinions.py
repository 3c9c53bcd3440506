"""Second opinions, the rules of reviews, and findings.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import capabilities
from migrations.capabilities import past_row_policies
from migrations.isolation import append_only, isolate

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ADDED = {
    "reviews.adjudicate": "Decide between two reviewers who do not agree.",
    "reviews.unblind": "See the marks of others while a second opinion is still to be given blindly.",
    "reviews.configure": "Set the rules of reviews: leases, second opinions, samples and agreement.",
}
HELD = {
    "reviews.adjudicate": ["tenant_admin"],
    "reviews.unblind": ["tenant_admin"],
    "reviews.configure": ["tenant_admin", "programme_manager"],
}
REASSIGN = "Take over a review that somebody else has in hand, and reopen one, with a reason."
REASSIGN_BEFORE = "Take over a review that somebody else has in hand, with a reason."
STATES_BEFORE = ("awaiting_review", "finalised")
STATES = (
    "awaiting_review",
    "requires_second_opinion",
    "requires_adjudication",
    "awaiting_decision",
    "changes_requested",
    "finalised",
)
KINDS_BEFORE = ("opened", "claimed", "released", "stolen", "item_finalised", "finalised")
KINDS = (
    *KINDS_BEFORE[:-1],
    "second_opinion_required",
    "adjudication_required",
    "decision_required",
    "finding_raised",
    "finding_closed",
    "changes_requested",
    "resumed",
    "finalised",
)
ONE_MARK = "uq_review_marks_tenant_id_task_id_submission_item_id"


def upgrade() -> None:
    """Create the tables; marks that were given before are first ones."""
    capabilities.add(ADDED, HELD)
    describe(REASSIGN)
    create_policies()
    create_findings()
    isolate("review_policies", "org_unit", "staff_only", allow="select, insert")
    append_only("review_policies")
    isolate("review_findings", "org_unit", "staff_only")
    with past_row_policies("review_tasks", "users", "review_policies"):
        extend_tasks()
    among("review_tasks", "state", STATES)
    among("review_tasks", "decision", ("approved", "rejected"))
    among("review_events", "kind", KINDS)
    extend_marks()


def downgrade() -> None:
    """Take it back."""
    op.drop_constraint(f"{ONE_MARK}_role", "review_marks", type_="unique")
    op.drop_constraint("ck_review_marks_role", "review_marks", type_="check")
    op.drop_column("review_marks", "role")
    op.create_unique_constraint(ONE_MARK, "review_marks", ["tenant_id", "task_id", "submission_item_id"])
    among("review_events", "kind", KINDS_BEFORE)
    op.drop_constraint("ck_review_tasks_decision", "review_tasks", type_="check")
    among("review_tasks", "state", STATES_BEFORE)
    op.drop_constraint("fk_review_tasks_review_policies", "review_tasks", type_="foreignkey")
    op.drop_constraint("fk_review_tasks_first_marker", "review_tasks", type_="foreignkey")
    op.drop_index("ix_review_tasks_sample", table_name="review_tasks")
    columns = ("decision", "first_marker_id", "is_independent", "is_observed", "note", "reasons", "policy_id")
    for column in columns:
        op.drop_column("review_tasks", column)
    op.drop_table("review_findings")
    op.drop_table("review_policies")
    describe(REASSIGN_BEFORE)
    capabilities.remove(*ADDED)


def describe(text: str) -> None:
    """Say what may be done with the capability that exists."""
    wanted = sa.text("update capabilities set description = :text where name = 'reviews.reassign'")
    op.get_bind().execute(wanted, {"text": text})


def among(table: str, column: str, values: tuple[str, ...]) -> None:
    """Let a column hold these values and no others."""
    name = f"ck_{table}_{column}"
    op.execute(f"alter table {table} drop constraint if exists {name}")
    listed = ", ".join(f"'{value}'" for value in values)
    op.create_check_constraint(name, table, f"{column} in ({listed})")


def extend_marks() -> None:
    """Give each mark its turn."""
    op.add_column("review_marks", sa.Column("role", sa.Text(), server_default="first", nullable=False))
    op.alter_column("review_marks", "role", server_default=None)
    among("review_marks", "role", ("first", "second", "adjudicator"))
    op.drop_constraint(ONE_MARK, "review_marks", type_="unique")
    op.create_unique_constraint(
        f"{ONE_MARK}_role", "review_marks", ["tenant_id", "task_id", "submission_item_id", "role"]
    )


def create_policies() -> None:
    """Create the table of rules."""
    op.create_table(
        "review_policies",
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_review_policies_number")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_id"],
            ["evaluations.tenant_id", "evaluations.org_unit_id", "evaluations.id"],
            name=op.f("fk_review_policies_evaluations"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "set_by"], ["users.tenant_id", "users.id"], name=op.f("fk_review_policies_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_review_policies")),
        sa.UniqueConstraint(
            "tenant_id", "evaluation_id", "number", name=op.f("uq_review_policies_tenant_id_evaluation_id_number")
        ),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_review_policies_tenant_id_org_unit_id_id")),
    )


def create_findings() -> None:
    """Create the table of findings."""
    op.create_table(
        "review_findings",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("submission_item_id", sa.Uuid(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised_by", sa.Uuid(), nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closing_reason", sa.Text(), nullable=True),
        sa.Column(
            "org_unit_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.org_unit_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column(
            "tenant_id",
            sa.Uuid(),
            server_default=sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("(state = 'open') = (closed_at is null)", name=op.f("ck_review_findings_closed")),
        sa.CheckConstraint("severity in ('minor', 'major', 'blocking')", name=op.f("ck_review_findings_severity")),
        sa.CheckConstraint("state in ('open', 'resolved', 'waived')", name=op.f("ck_review_findings_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "closed_by"], ["users.tenant_id", "users.id"], name="fk_review_findings_closed_by"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_item_id"],
            ["submission_items.tenant_id", "submission_items.org_unit_id", "submission_items.id"],
            name=op.f("fk_review_findings_submission_items"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "task_id"],
            ["review_tasks.tenant_id", "review_tasks.org_unit_id", "review_tasks.id"],
            name=op.f("fk_review_findings_review_tasks"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "raised_by"], ["users.tenant_id", "users.id"], name=op.f("fk_review_findings_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_review_findings")),
    )
    op.create_index("ix_review_findings_task", "review_findings", ["tenant_id", "task_id", "id"])


def extend_tasks() -> None:
    """Let a review go by rules, and know why a second person is asked and what was decided."""
    op.add_column("review_tasks", sa.Column("policy_id", sa.Uuid(), nullable=True))
    op.add_column(
        "review_tasks",
        sa.Column(
            "reasons", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
    )
    op.add_column("review_tasks", sa.Column("note", sa.Text(), nullable=True))
    op.add_column(
        "review_tasks", sa.Column("is_observed", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "review_tasks", sa.Column("is_independent", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("review_tasks", sa.Column("first_marker_id", sa.Uuid(), nullable=True))
    op.add_column("review_tasks", sa.Column("decision", sa.Text(), nullable=True))
    op.create_index("ix_review_tasks_sample", "review_tasks", ["tenant_id", "first_marker_id", "policy_id"])
    op.create_foreign_key(
        "fk_review_tasks_first_marker", "review_tasks", "users", ["tenant_id", "first_marker_id"], ["tenant_id", "id"]
    )
    op.create_foreign_key(
        op.f("fk_review_tasks_review_policies"),
        "review_tasks",
        "review_policies",
        ["tenant_id", "org_unit_id", "policy_id"],
        ["tenant_id", "org_unit_id", "id"],
    )
