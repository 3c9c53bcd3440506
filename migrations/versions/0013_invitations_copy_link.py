"""The capability to copy the link of an invitation.

Revision ID: 0013
Revises: 0012
"""

from migrations import capabilities

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give it to administrators and programme managers."""
    capabilities.add(
        {"invitations.copy_link": "Copy the link of somebody's invitation, which the ledger tells of."},
        {"invitations.copy_link": ["tenant_admin", "programme_manager"]},
    )


def downgrade() -> None:
    """Take it away."""
    capabilities.remove("invitations.copy_link")
