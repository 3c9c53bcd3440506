"""What a terminated session had saved is handed in.

Revision ID: 0024
Revises: 0023
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Know the new cause."""
    know_causes("'submitted', 'expired', 'terminated'")


def downgrade() -> None:
    """Know the old causes only; a submission of the new one keeps it from happening."""
    know_causes("'submitted', 'expired'")


def know_causes(listed: str) -> None:
    """Let submissions have these causes."""
    op.drop_constraint(op.f("ck_submissions_cause"), "submissions")
    op.create_check_constraint(op.f("ck_submissions_cause"), "submissions", f"cause in ({listed})")
