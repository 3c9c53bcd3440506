"""Time reaches the indexes, and enrolments that are held, failed or due are found by indexes of their own.

The body of a stable function is put in its place. COALESCE is none of the expressions that PostgreSQL knows to leak
nothing, and what may leak is looked at after the row policies: no index was ever entered by `evalium_now()`. CASE is one.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

NOW = """
create or replace function evalium_now() returns timestamptz language sql stable parallel safe as $$
  select statement_timestamp() + case when current_setting('app.clock_shift', true) <> ''
    then current_setting('app.clock_shift', true)::interval else '0'::interval end
$$
"""
BEFORE = """
create or replace function evalium_now() returns timestamptz language sql stable parallel safe as $$
  select statement_timestamp() + coalesce(nullif(current_setting('app.clock_shift', true), '')::interval, '0'::interval)
$$
"""
INDEXES = {
    "ix_programme_enrolments_held": (["created_at", "id"], "held_count > 0"),
    "ix_programme_enrolments_failed": (["created_at", "id"], "status = 'in_progress' and failed_count > 0"),
    "ix_programme_enrolments_due": (
        ["due_at"],
        "status = 'in_progress' and failed_count = 0 and due_at is not null",
    ),
}


def upgrade() -> None:
    """Say the same time in another way, and add the indexes."""
    op.execute(NOW)
    for name, (columns, where) in INDEXES.items():
        led = ["tenant_id", "programme_id", *columns]
        op.create_index(name, "programme_enrolments", led, postgresql_where=sa.text(where))


def downgrade() -> None:
    """Take it back."""
    for name in reversed(INDEXES):
        op.drop_index(name, table_name="programme_enrolments")
    op.execute(BEFORE)
