"""Sessions written together: a transaction of several candidates sees and writes those sessions and no others.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ONE = "(select nullif(current_setting('app.session_id', true), '')::uuid)"
SEVERAL = "(select nullif(current_setting('app.session_ids', true), '')::uuid[])"
TABLES = {
    "delivery_sessions": ("self_session", "id"),
    "answers": ("own_session", "session_id"),
    "session_papers": ("own_session", "session_id"),
    "session_events": ("own_session", "session_id"),
    "session_event_batches": ("own_session", "session_id"),
    "submissions": ("own_session", "session_id"),
    "idempotency_keys": ("own_session", "session_id"),
}


def upgrade() -> None:
    """Let a candidate's narrowing name several sessions."""
    for table, (policy, column) in TABLES.items():
        _narrow(table, policy, f"{ONE} is null or {column} = {ONE} or {column} = any({SEVERAL}::uuid[])")


def downgrade() -> None:
    """Let it name one."""
    for table, (policy, column) in TABLES.items():
        _narrow(table, policy, f"{ONE} is null or {column} = {ONE}")


def _narrow(table: str, policy: str, rule: str) -> None:
    op.execute(f"alter policy {policy} on {table} using ({rule}) with check ({rule})")
