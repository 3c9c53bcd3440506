"""The right to read reports.

Revision ID: 0012
Revises: 0011
"""

from migrations import capabilities

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ADDED = {"reports.read": "See the figures of cohorts: how many passed, scores and time used, never who."}
HELD = {"reports.read": ["tenant_admin", "author", "programme_manager", "auditor", "integrator"]}


def upgrade() -> None:
    """Grant it to those who answer for results."""
    capabilities.add(ADDED, HELD)


def downgrade() -> None:
    """Take it back."""
    capabilities.remove(*ADDED)
