"""When people are reminded of an assignment, and when they were.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LEADS = ("remind_before_start", "remind_before_deadline")
MARKS = ("start_reminded_at", "deadline_reminded_at")


def upgrade() -> None:
    """Add the columns, which nobody has any value of."""
    for lead in LEADS:
        op.add_column("assignments", sa.Column(f"{lead}_seconds", sa.Integer(), nullable=True))
        within = f"{lead}_seconds between 300 and 2592000"
        op.create_check_constraint(op.f(f"ck_assignments_{lead}"), "assignments", within)
    for mark in MARKS:
        op.add_column("invitations", sa.Column(mark, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take them away; who was reminded is told by the messages."""
    for mark in MARKS:
        op.drop_column("invitations", mark)
    for lead in LEADS:
        op.drop_constraint(op.f(f"ck_assignments_{lead}"), "assignments")
        op.drop_column("assignments", f"{lead}_seconds")
