"""Sessions and answers are changed in place: each page keeps room for the next version of its rows.

An answer, an event and a heartbeat each change the session's row, in columns that no index holds. PostgreSQL then writes
no index at all, if the page has room for the new version; a full page sends it elsewhere, into each of ten indexes.
Pages that are there already get their room as their rows are written again.

Revision ID: 0038
Revises: 0037
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

ROOM = {"delivery_sessions": 50, "answers": 80}


def upgrade() -> None:
    """Leave room."""
    for table, percent in ROOM.items():
        op.execute(f"alter table {table} set (fillfactor = {percent})")


def downgrade() -> None:
    """Fill the pages again."""
    for table in ROOM:
        op.execute(f"alter table {table} reset (fillfactor)")
