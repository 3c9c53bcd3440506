"""Drafts of assignments, and groups that assignments address.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.isolation import isolate

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"


def upgrade() -> None:
    """Create both tables, and let a recipient be one who was invited as a member of a group."""
    op.create_table(
        "assignment_drafts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("recipients", postgresql.JSONB(), nullable=False),
        sa.Column("recipient_count", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_assignment_drafts_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id"],
            ["org_units.tenant_id", "org_units.id"],
            name=op.f("fk_assignment_drafts_org_units"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_drafts")),
    )
    op.create_index("ix_assignment_drafts_changed", "assignment_drafts", ["tenant_id", "changed_at", "id"])
    op.create_table(
        "assignment_groups",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "group_id"], ["groups.tenant_id", "groups.id"], name=op.f("fk_assignment_groups_groups")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_assignment_groups_assignments"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_assignment_groups")),
        sa.UniqueConstraint(
            "tenant_id", "assignment_id", "group_id", name=op.f("uq_assignment_groups_tenant_id_assignment_id_group_id")
        ),
    )
    op.create_index("ix_assignment_groups_group", "assignment_groups", ["tenant_id", "group_id"])

    isolate("assignment_drafts", "org_unit", "staff_only", allow="select, insert, update, delete")
    isolate("assignment_groups", "org_unit", "staff_only", allow="select, insert")
    know_kinds("email", "user_id", "group_id")


def downgrade() -> None:
    """Take it back. Recipients who were invited as members of a group keep it from happening."""
    know_kinds("email", "user_id")
    op.drop_table("assignment_groups")
    op.drop_table("assignment_drafts")


def know_kinds(*kinds: str) -> None:
    """Let recipients be named in these ways."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_assignment_targets_kind"), "assignment_targets")
    op.create_check_constraint(op.f("ck_assignment_targets_kind"), "assignment_targets", f"kind in ({listed})")
