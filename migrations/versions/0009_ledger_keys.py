"""The public keys of checkpoints, so that what an older signing key signed can be verified after it was changed.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from migrations.isolation import append_only

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; it names no tenant and no person."""
    op.create_table(
        "ledger_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("vouched_by", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("evalium_now()"), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "vouched_by", name=op.f("pk_ledger_keys")),
    )
    op.execute("grant select, insert on ledger_keys to evalium_app")
    append_only("ledger_keys")


def downgrade() -> None:
    """Drop the table; the key in use puts itself there again, earlier ones are lost."""
    op.drop_table("ledger_keys")
