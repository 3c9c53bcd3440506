"""What holders are told of their certificates, once of each.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

from migrations.isolation import append_only, isolate

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ORG_UNIT_ID = "nullif(current_setting('app.org_unit_id', true), '')::uuid"


def upgrade() -> None:
    """Create the table, and the ways to what is issued, ends and was renewed."""
    op.create_index("ix_certificates_issued", "certificates", ["tenant_id", "issued_at"])
    ends = sa.text("revoked_at is null and expires_at is not null")
    op.create_index("ix_certificates_expires", "certificates", ["tenant_id", "expires_at"], postgresql_where=ends)
    renews = sa.text("renews_id is not null")
    op.create_index("ix_certificates_renews", "certificates", ["tenant_id", "renews_id"], postgresql_where=renews)
    op.create_table(
        "certificate_notices",
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("org_unit_id", sa.Uuid(), server_default=sa.text(ORG_UNIT_ID), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint("kind in ('issued', 'ending')", name=op.f("ck_certificate_notices_kind")),
        sa.CheckConstraint("days >= 0", name=op.f("ck_certificate_notices_days")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "org_unit_id", "certificate_id"],
            ["certificates.tenant_id", "certificates.org_unit_id", "certificates.id"],
            name=op.f("fk_certificate_notices_certificates"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_certificate_notices")),
        sa.UniqueConstraint(
            "tenant_id",
            "certificate_id",
            "kind",
            "days",
            name=op.f("uq_certificate_notices_tenant_id_certificate_id_kind_days"),
        ),
    )
    isolate("certificate_notices", "org_unit", "staff_only", allow="select, insert")
    append_only("certificate_notices")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("certificate_notices")
    for name in ("renews", "expires", "issued"):
        op.drop_index(f"ix_certificates_{name}", table_name="certificates")
