"""The right to read statistics, and the submissions of an evaluation version.

Revision ID: 0031
Revises: 0030
"""

from alembic import op

from migrations import capabilities

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

ADDED = {"statistics.read": "See how questions and markers measure: difficulty, discrimination, severity."}
HELD = {"statistics.read": ["tenant_admin", "author", "programme_manager", "auditor", "integrator"]}


def upgrade() -> None:
    """Grant it to those who answer for questions and results, and find submissions by what was sat."""
    capabilities.add(ADDED, HELD)
    op.create_index("ix_submissions_evaluation_version", "submissions", ["tenant_id", "evaluation_version_id", "id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_submissions_evaluation_version", "submissions")
    capabilities.remove(*ADDED)
