"""Seals and checkpoints of the activity ledger, the indexes that its filters use, and the right to export it.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from migrations.isolation import append_only, isolate

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

EXPORT = "Export the activity ledger, and have checkpoints of it signed."
TENANT = "nullif(current_setting('app.tenant_id', true), '')::uuid"


def upgrade() -> None:
    """Create both tables and grant the new capability to the system roles that hold it."""
    create_tables()
    for table in ("activity_seals", "activity_checkpoints"):
        isolate(table, "staff_only", allow="select, insert")
        append_only(table)
    op.create_index("ix_activity_actor", "activity", ["tenant_id", "actor_id", "xid", "id"])
    op.create_index("ix_activity_act", "activity", ["tenant_id", "act", "xid", "id"])
    op.create_index("ix_activity_at", "activity", ["tenant_id", "at", "id"])
    op.bulk_insert(
        sa.table("capabilities", sa.column("name"), sa.column("description")),
        [{"name": "activity.export", "description": EXPORT}],
    )
    for table in ("roles", "role_capabilities"):
        op.execute(f"alter table {table} no force row level security")
    op.execute(
        "insert into role_capabilities (tenant_id, id, role_id, capability) select tenant_id, gen_random_uuid(), id, "
        "'activity.export' from roles where key in ('tenant_admin', 'auditor')",
    )
    for table in ("roles", "role_capabilities"):
        op.execute(f"alter table {table} force row level security")


def downgrade() -> None:
    """Drop what was added; the chain can be made again from the rows, its checkpoints cannot."""
    op.execute("alter table role_capabilities no force row level security")
    op.execute("delete from role_capabilities where capability = 'activity.export'")
    op.execute("alter table role_capabilities force row level security")
    op.execute("delete from capabilities where name = 'activity.export'")
    for name in ("ix_activity_at", "ix_activity_act", "ix_activity_actor"):
        op.drop_index(name, "activity")
    op.drop_table("activity_checkpoints")
    op.drop_table("activity_seals")


def create_tables() -> None:
    """Create the tables, seals first."""
    op.create_table(
        "activity_seals",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("position > 0", name=op.f("ck_activity_seals_position")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"], ["activity.tenant_id", "activity.id"], name=op.f("fk_activity_seals_activity")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_activity_seals")),
        sa.UniqueConstraint("tenant_id", "position", name=op.f("uq_activity_seals_tenant_id_position")),
    )
    op.create_table(
        "activity_checkpoints",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_activity_checkpoints_number")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_activity_checkpoints_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_activity_checkpoints")),
        sa.UniqueConstraint("tenant_id", "count", name=op.f("uq_activity_checkpoints_tenant_id_count")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_activity_checkpoints_tenant_id_number")),
    )
