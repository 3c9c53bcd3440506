"""The right to read reports.

Revision ID: 0016
Revises: 0015
"""

from migrations import capabilities

revision = "0016"
down_revision = "0015"
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
