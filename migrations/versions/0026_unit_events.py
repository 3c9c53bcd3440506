"""The events of an org unit in commit order.

Revision ID: 0026
Revises: 0025
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the events of a whole org unit be followed."""
    op.create_index("ix_session_events_unit", "session_events", ["tenant_id", "org_unit_id", "xid", "id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_session_events_unit", "session_events")
