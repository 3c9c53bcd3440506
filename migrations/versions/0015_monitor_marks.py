"""Marks of change for what monitors show, so that whoever asks again can be told that nothing changed.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MARKED = ("assignments", "invitations", "groups", "policy_defaults")
NOW = "pg_current_xact_id()::text::bigint"
FUNCTIONS = """
create function evalium_changed() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  new.changed_xid := pg_current_xact_id()::text::bigint;
  return new;
end $$;
create function evalium_group_changed() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
  update groups g set changed_xid = pg_current_xact_id()::text::bigint
  where exists (select from moved m where m.tenant_id = g.tenant_id and m.group_id = g.id);
  return null;
end $$;
"""
PERSON = "(old.email, old.display_name, old.status, old.merged_into)"


def upgrade() -> None:
    """Add the marks, which triggers raise whoever writes; existing rows count as changed now, people as never."""
    for function in FUNCTIONS.strip().split("$$;\n"):
        op.execute(function.removesuffix("$$;") + "$$")
    for table in MARKED:
        op.add_column(table, sa.Column("changed_xid", sa.BigInteger(), server_default=sa.text(NOW), nullable=False))
    op.add_column("users", sa.Column("changed_xid", sa.BigInteger(), nullable=True))
    op.create_index("ix_invitations_changed", "invitations", ["tenant_id", "assignment_id", "changed_xid"])
    op.create_index(
        "ix_users_changed", "users", ["tenant_id", "changed_xid"], postgresql_where=sa.text("changed_xid is not null")
    )
    for table in MARKED:
        op.execute(
            f"create trigger changed before update on {table} for each row execute function evalium_changed()",
        )
    op.execute(
        f"create trigger changed before update on users for each row "
        f"when ({PERSON} is distinct from {PERSON.replace('old.', 'new.')}) execute function evalium_changed()"
    )
    for name, when in (
        ("members_joined", "insert on group_members referencing new"),
        ("members_left", "delete on group_members referencing old"),
    ):
        op.execute(
            f"create trigger {name} after {when} table as moved for each statement "
            "execute function evalium_group_changed()"
        )


def downgrade() -> None:
    """Take the marks away."""
    for name in ("members_joined", "members_left"):
        op.execute(f'drop trigger "{name}" on group_members')
    for table in ("users", *MARKED):
        op.execute(f"drop trigger changed on {table}")
    op.drop_index("ix_users_changed", "users")
    op.drop_index("ix_invitations_changed", "invitations")
    for table in ("users", *MARKED):
        op.drop_column(table, "changed_xid")
    op.execute("drop function evalium_group_changed()")
    op.execute("drop function evalium_changed()")
