"""New capabilities, as one act for migrations: into the closed set, and to the system roles that hold them."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from alembic import op

_ADD = sa.text("insert into capabilities (name, description) values (:name, :description)")
_GIVE = sa.text(
    "insert into role_capabilities (tenant_id, id, role_id, capability) "
    "select tenant_id, gen_random_uuid(), id, :name from roles where key = any(:roles)"
)


def add(capabilities: Mapping[str, str], held: Mapping[str, Sequence[str]]) -> None:
    """Add capabilities by name and description, and give each to the system roles of `held`, in every tenant.

    The owner is bound by row policies as everybody is, so they are lifted for the length of the migration.
    """
    connection = op.get_bind()
    for name, description in capabilities.items():
        connection.execute(_ADD, {"name": name, "description": description})
    for table in ("roles", "role_capabilities"):
        op.execute(f"alter table {table} no force row level security")
    for name, roles in held.items():
        connection.execute(_GIVE, {"name": name, "roles": list(roles)})
    for table in ("roles", "role_capabilities"):
        op.execute(f"alter table {table} force row level security")


def remove(*names: str) -> None:
    """Take capabilities away from every role, and from the closed set."""
    op.execute("alter table role_capabilities no force row level security")
    for name in names:
        op.get_bind().execute(sa.text("delete from role_capabilities where capability = :name"), {"name": name})
        op.get_bind().execute(sa.text("delete from capabilities where name = :name"), {"name": name})
    op.execute("alter table role_capabilities force row level security")
