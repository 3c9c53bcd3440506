"""Public links to assignments, and which invitation came of one.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

from migrations.capabilities import past_row_policies
from migrations.isolation import isolate

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"


def upgrade() -> None:
    """Create the table, and let invitations say by which link they came about."""
    op.create_table(
        "public_links",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("jti", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=True),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("cap > 0", name=op.f("ck_public_links_cap")),
        sa.CheckConstraint("used >= 0 and used <= cap", name=op.f("ck_public_links_used")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"], ["users.tenant_id", "users.id"], name=op.f("fk_public_links_users")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "assignment_id"],
            ["assignments.tenant_id", "assignments.org_unit_id", "assignments.id"],
            name=op.f("fk_public_links_assignments"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_public_links")),
        sa.UniqueConstraint("tenant_id", "org_unit_id", "id", name=op.f("uq_public_links_tenant_id_org_unit_id_id")),
    )
    op.create_index("ix_public_links_assignment", "public_links", ["tenant_id", "assignment_id", "id"])
    isolate("public_links", "org_unit", "staff_only")
    op.add_column("invitations", sa.Column("public_link_id", sa.Uuid(), nullable=True))
    with past_row_policies("invitations", "public_links"):
        op.create_foreign_key(
            op.f("fk_invitations_public_links"),
            "invitations",
            "public_links",
            ["tenant_id", "org_unit_id", "public_link_id"],
            ["tenant_id", "org_unit_id", "id"],
        )
    know_kinds("email", "user_id", "group_id", "public_link")


def downgrade() -> None:
    """Take it back. Recipients who came by a public link keep it from happening."""
    know_kinds("email", "user_id", "group_id")
    op.drop_constraint(op.f("fk_invitations_public_links"), "invitations", type_="foreignkey")
    op.drop_column("invitations", "public_link_id")
    op.drop_table("public_links")


def know_kinds(*kinds: str) -> None:
    """Let recipients be named in these ways."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_assignment_targets_kind"), "assignment_targets")
    op.create_check_constraint(op.f("ck_assignment_targets_kind"), "assignment_targets", f"kind in ({listed})")
