"""Sessions that go on or ended lately, and the newest ones, are found by indexes instead of reading all there ever were.

Revision ID: 0039
Revises: 0038
"""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

INDEXES = {"ix_delivery_sessions_ended": ["ended_at"], "ix_delivery_sessions_newest": ["created_at", "id"]}


def upgrade() -> None:
    """Add the indexes."""
    for name, columns in INDEXES.items():
        op.create_index(name, "delivery_sessions", ["tenant_id", *columns])


def downgrade() -> None:
    """Take them away."""
    for name in INDEXES:
        op.drop_index(name, "delivery_sessions")
