"""Programmes: drafts and published versions, who is enrolled, and how far they are.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

from migrations.isolation import append_only, isolate

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"

ENROLMENT = (
    "user_id",
    "status",
    "met_count",
    "failed_count",
    "held_count",
    "completed_at",
    "cancelled_at",
    "cancel_reason",
)
PROGRESS = ("state", "submission_id", "attempts_used", "hold", "next_at", "completed_at")


def upgrade() -> None:
    """Create the tables; of what was published nothing is ever changed or removed."""
    create_programmes()
    create_programme_draft_requirements()
    create_programme_versions()
    create_programme_enrolments()
    create_programme_requirements()
    create_programme_progress()
    create_programme_attempts()
    isolate("programmes", "org_unit", "staff_only", allow="select, insert, update")
    isolate("programme_draft_requirements", "org_unit", "staff_only", allow="select, insert, update, delete")
    isolate("programme_versions", "org_unit", "staff_only", allow="select, insert")
    isolate("programme_enrolments", "org_unit", "staff_only", allow=f"select, insert, update ({', '.join(ENROLMENT)})")
    isolate("programme_requirements", "org_unit", "staff_only", allow="select, insert")
    isolate("programme_progress", "org_unit", "staff_only", allow=f"select, insert, update ({', '.join(PROGRESS)})")
    isolate("programme_attempts", "org_unit", "staff_only", allow="select, insert")
    append_only("programme_versions")
    append_only("programme_enrolments", except_columns=ENROLMENT)
    append_only("programme_requirements")
    append_only("programme_progress", except_columns=PROGRESS)
    append_only("programme_attempts")


def downgrade() -> None:
    """Take it back."""
    for table in (
        "programme_attempts",
        "programme_progress",
        "programme_requirements",
        "programme_enrolments",
        "programme_versions",
        "programme_draft_requirements",
        "programmes",
    ):
        op.drop_table(table)


def create_programmes() -> None:
    """Create the table of drafts."""
    op.create_table(
        "programmes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("latest_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("due_days", sa.Integer(), nullable=True),
        sa.Column("remediation", sa.Text(), server_default="hold", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "remediation in ('hold', 'revoke_and_reissue', 'keep')", name=op.f("ck_programmes_remediation")
        ),
        sa.CheckConstraint("status in ('active', 'archived')", name=op.f("ck_programmes_status")),
        sa.CheckConstraint("due_days > 0", name=op.f("ck_programmes_due")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_programmes_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"], ["org_units.tenant_id", "org_units.id"], name=op.f("fk_programmes_org_units")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programmes")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_programmes_tenant_id_org_unit_id_id")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "name", name=op.f("uq_programmes_tenant_id_org_unit_id_name")),
    )
    op.create_index("ix_programmes_changed", "programmes", ["tenant_id", "changed_at", "id"])


def create_programme_draft_requirements() -> None:
    """Create the table of what drafts ask for."""
    op.create_table(
        "programme_draft_requirements",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("min_percent", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("is_mandatory", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=True),
        sa.Column("cooling_off_days", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("attempts > 0", name=op.f("ck_programme_draft_requirements_attempts")),
        sa.CheckConstraint("cooling_off_days >= 0", name=op.f("ck_programme_draft_requirements_cooling_off")),
        sa.CheckConstraint("min_percent between 0 and 100", name=op.f("ck_programme_draft_requirements_min_percent")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_id"],
            ["evaluations.tenant_id", "evaluations.org_unit_id", "evaluations.id"],
            name=op.f("fk_programme_draft_requirements_evaluations"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "programme_id"],
            ["programmes.tenant_id", "programmes.org_unit_id", "programmes.id"],
            name=op.f("fk_programme_draft_requirements_programmes"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programme_draft_requirements")),
    )
    op.create_index(
        "ix_programme_draft_requirements_programme",
        "programme_draft_requirements",
        ["tenant_id", "programme_id", "position"],
    )


def create_programme_versions() -> None:
    """Create the table of published versions."""
    op.create_table(
        "programme_versions",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("due_days", sa.Integer(), nullable=True),
        sa.Column("remediation", sa.Text(), server_default="hold", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "remediation in ('hold', 'revoke_and_reissue', 'keep')", name=op.f("ck_programme_versions_remediation")
        ),
        sa.CheckConstraint("due_days > 0", name=op.f("ck_programme_versions_due")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "programme_id"],
            ["programmes.tenant_id", "programmes.org_unit_id", "programmes.id"],
            name=op.f("fk_programme_versions_programmes"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "published_by"], ["users.tenant_id", "users.id"], name=op.f("fk_programme_versions_users")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programme_versions")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_programme_versions_tenant_id_org_unit_id_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "programme_id", "number", name=op.f("uq_programme_versions_tenant_id_programme_id_number")
        ),
    )


def create_programme_enrolments() -> None:
    """Create the table of who is enrolled."""
    op.create_table(
        "programme_enrolments",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="in_progress", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mandatory_count", sa.Integer(), nullable=False),
        sa.Column("met_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("enrolled_by", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'cancelled') = (num_nonnulls(cancelled_at, cancel_reason) = 2)",
            name=op.f("ck_programme_enrolments_cancelled"),
        ),
        sa.CheckConstraint(
            "(status = 'completed') = (completed_at is not null)", name=op.f("ck_programme_enrolments_completed")
        ),
        sa.CheckConstraint(
            "status in ('in_progress', 'completed', 'cancelled')", name=op.f("ck_programme_enrolments_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "enrolled_by"], ["users.tenant_id", "users.id"], name="fk_programme_enrolments_enrolled_by"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "programme_id"],
            ["programmes.tenant_id", "programmes.org_unit_id", "programmes.id"],
            name=op.f("fk_programme_enrolments_programmes"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "version_id"],
            ["programme_versions.tenant_id", "programme_versions.org_unit_id", "programme_versions.id"],
            name=op.f("fk_programme_enrolments_programme_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name="fk_programme_enrolments_user"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programme_enrolments")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_programme_enrolments_tenant_id_org_unit_id_id")
        ),
    )
    op.create_index(
        "ix_programme_enrolments_programme", "programme_enrolments", ["tenant_id", "programme_id", "created_at", "id"]
    )
    op.create_index(
        "ix_programme_enrolments_user", "programme_enrolments", ["tenant_id", "user_id", "created_at", "id"]
    )
    op.create_index(
        "uq_programme_enrolments_open",
        "programme_enrolments",
        ["tenant_id", "programme_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("status = 'in_progress'"),
    )


def create_programme_requirements() -> None:
    """Create the table of what versions ask for."""
    op.create_table(
        "programme_requirements",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("min_percent", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("is_mandatory", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=True),
        sa.Column("cooling_off_days", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("attempts > 0", name=op.f("ck_programme_requirements_attempts")),
        sa.CheckConstraint("cooling_off_days >= 0", name=op.f("ck_programme_requirements_cooling_off")),
        sa.CheckConstraint("min_percent between 0 and 100", name=op.f("ck_programme_requirements_min_percent")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_id"],
            ["evaluations.tenant_id", "evaluations.org_unit_id", "evaluations.id"],
            name=op.f("fk_programme_requirements_evaluations"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "version_id"],
            ["programme_versions.tenant_id", "programme_versions.org_unit_id", "programme_versions.id"],
            name=op.f("fk_programme_requirements_programme_versions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programme_requirements")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_programme_requirements_tenant_id_org_unit_id_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "version_id", "key", name=op.f("uq_programme_requirements_tenant_id_version_id_key")
        ),
        sa.UniqueConstraint(
            "tenant_id", "version_id", "position", name=op.f("uq_programme_requirements_tenant_id_version_id_position")
        ),
    )


def create_programme_progress() -> None:
    """Create the table of how far everybody is."""
    op.create_table(
        "programme_progress",
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=False),
        sa.Column("evaluation_version_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=True),
        sa.Column("attempts_used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hold", sa.Text(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(state = 'met') = (submission_id is not null)", name=op.f("ck_programme_progress_met")),
        sa.CheckConstraint(
            "(state = 'pending') = (completed_at is null)", name=op.f("ck_programme_progress_completed")
        ),
        sa.CheckConstraint("hold in ('held', 'kept')", name=op.f("ck_programme_progress_hold")),
        sa.CheckConstraint("hold is null or state = 'met'", name=op.f("ck_programme_progress_held")),
        sa.CheckConstraint("state in ('pending', 'met', 'failed')", name=op.f("ck_programme_progress_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "enrolment_id"],
            ["programme_enrolments.tenant_id", "programme_enrolments.org_unit_id", "programme_enrolments.id"],
            name=op.f("fk_programme_progress_programme_enrolments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "evaluation_version_id"],
            ["evaluation_versions.tenant_id", "evaluation_versions.org_unit_id", "evaluation_versions.id"],
            name=op.f("fk_programme_progress_evaluation_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "requirement_id"],
            ["programme_requirements.tenant_id", "programme_requirements.org_unit_id", "programme_requirements.id"],
            name=op.f("fk_programme_progress_programme_requirements"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "submission_id"],
            ["submissions.tenant_id", "submissions.org_unit_id", "submissions.id"],
            name=op.f("fk_programme_progress_submissions"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programme_progress")),
        sa.UniqueConstraint(
            "tenant_id",
            "enrolment_id",
            "requirement_id",
            name=op.f("uq_programme_progress_tenant_id_enrolment_id_requirement_id"),
        ),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "id", name=op.f("uq_programme_progress_tenant_id_org_unit_id_id")
        ),
    )
    op.create_index(
        "ix_programme_progress_next",
        "programme_progress",
        ["tenant_id", "next_at"],
        postgresql_where=sa.text("next_at is not null"),
    )


def create_programme_attempts() -> None:
    """Create the table of what was issued to whom."""
    op.create_table(
        "programme_attempts",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("progress_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_programme_attempts_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "enrolment_id"],
            ["programme_enrolments.tenant_id", "programme_enrolments.org_unit_id", "programme_enrolments.id"],
            name=op.f("fk_programme_attempts_programme_enrolments"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "programme_id"],
            ["programmes.tenant_id", "programmes.org_unit_id", "programmes.id"],
            name=op.f("fk_programme_attempts_programmes"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "progress_id"],
            ["programme_progress.tenant_id", "programme_progress.org_unit_id", "programme_progress.id"],
            name=op.f("fk_programme_attempts_programme_progress"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_programme_attempts")),
        sa.UniqueConstraint("tenant_id", "assignment_id", name=op.f("uq_programme_attempts_tenant_id_assignment_id")),
        sa.UniqueConstraint(
            "tenant_id", "progress_id", "ordinal", name=op.f("uq_programme_attempts_tenant_id_progress_id_ordinal")
        ),
    )
    op.create_index("ix_programme_attempts_enrolment", "programme_attempts", ["tenant_id", "enrolment_id"])
    op.create_index(
        "ix_programme_attempts_programme", "programme_attempts", ["tenant_id", "programme_id", "assignment_id"]
    )
