"""The keys by which tenants sign the credentials of their certificates.

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import capabilities
from migrations.isolation import append_only, isolate

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

TENANT_ID = "nullif(current_setting('app.tenant_id', true), '')::uuid"
ADDED = {"credentials.manage": "See the keys that sign credentials of certificates, and rotate them."}
HELD = {"credentials.manage": ["tenant_admin"]}
RETIRING = ("sealed", "retired_at", "retired_by", "retire_reason")


def upgrade() -> None:
    """Create the table; a key retires once, and nothing else of it is ever changed or removed."""
    capabilities.add(ADDED, HELD)
    op.create_table(
        "credential_keys",
        sa.Column("thumbprint", sa.Text(), nullable=False),
        sa.Column("public", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_by", sa.Uuid(), nullable=True),
        sa.Column("retire_reason", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT_ID), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.CheckConstraint(
            "(retired_at is null) = (retire_reason is null)", name=op.f("ck_credential_keys_retired_with_reason")
        ),
        sa.CheckConstraint("(retired_at is null) = (sealed is not null)", name=op.f("ck_credential_keys_destroyed")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_credential_keys_tenants")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "made_by"], ["users.tenant_id", "users.id"], name="fk_credential_keys_made_by"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "retired_by"], ["users.tenant_id", "users.id"], name="fk_credential_keys_retired_by"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_credential_keys")),
        sa.UniqueConstraint("tenant_id", "thumbprint", name=op.f("uq_credential_keys_tenant_id_thumbprint")),
    )
    op.create_index(
        "uq_credential_keys_current",
        "credential_keys",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("retired_at is null"),
    )
    isolate("credential_keys", "staff_only", allow=f"select, insert, update ({', '.join(RETIRING)})")
    append_only("credential_keys", except_columns=RETIRING)
    op.execute(
        "create trigger retired_for_ever before update on credential_keys for each row "
        "when (old.retired_at is not null and old is distinct from new) execute function evalium_refuse()"
    )


def downgrade() -> None:
    """Take it back; what was signed cannot be verified any more."""
    capabilities.remove(*ADDED)
    op.drop_table("credential_keys")
