"""The right to correct scores, what became of the scores by a correction, and the scores that one gave.

Revision ID: 0050
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

from migrations import capabilities

revision = "0050"
down_revision = "0026"
branch_labels = None
depends_on = None

ADDED = {"scores.correct": "Void questions, correct keys and points, and have the scores follow; and undo it."}
HELD = {"scores.correct": ["tenant_admin", "programme_manager"]}
COUNTS = ("raised_count", "lowered_count", "passed_count", "failed_count")
SCORES = "submission_score_versions"
KEPT = (
    "tenant_id, org_unit_id, id, created_at, session_id, assignment_id, evaluation_version_id, cause, submitted_at, "
    "snapshot, content_hash"
)
"""Columns of a submission that nobody updates."""
REFUSE = "for each row {} execute function evalium_refuse()"
COMPARED = (
    "when (to_jsonb(old) - 'latest_score_version' - 'user_id' is distinct from "
    "to_jsonb(new) - 'latest_score_version' - 'user_id')"
)


def upgrade() -> None:
    """Grant it, count, and let the scores of a batch be found."""
    capabilities.add(ADDED, HELD)
    for name in COUNTS:
        op.add_column("correction_batches", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "ix_submission_score_versions_batch",
        SCORES,
        ["tenant_id", "source_id", "submission_id"],
        postgresql_where=sa.text("cause = 'corrected'"),
    )
    op.execute("drop trigger append_only on submissions")
    # To compare whole rows with their snapshots was half of the time of a correction.
    op.execute(f"create trigger append_only before update of {KEPT} on submissions " + REFUSE.format(""))


def downgrade() -> None:
    """Take it back."""
    op.execute("drop trigger append_only on submissions")
    op.execute("create trigger append_only before update on submissions " + REFUSE.format(COMPARED))
    op.drop_index("ix_submission_score_versions_batch", SCORES)
    for name in COUNTS:
        op.drop_column("correction_batches", name)
    capabilities.remove(*ADDED)
