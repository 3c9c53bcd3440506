"""Templates of assignments, and what an assignment keeps of the template that it was issued from.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.isolation import isolate

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"


def upgrade() -> None:
    """Create the table, and give assignments a place for what a template said."""
    op.create_table(
        "assignment_templates",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("window_seconds", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("window_seconds > 0", name=op.f("ck_assignment_templates_window")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name="fk_assignment_templates_created_by"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "changed_by"], ["users.tenant_id", "users.id"], name="fk_assignment_templates_changed_by"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"],
            ["org_units.tenant_id", "org_units.id"],
            name=op.f("fk_assignment_templates_org_units"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_templates")),
        sa.UniqueConstraint(
            "tenant_id", "org_unit_id", "name", name=op.f("uq_assignment_templates_tenant_id_org_unit_id_name")
        ),
    )
    isolate("assignment_templates", "org_unit", "staff_only", allow="select, insert, update, delete")
    op.add_column("assignments", sa.Column("template", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("assignments", "template")
    op.drop_table("assignment_templates")
