"""New capabilities, as one act for migrations: into the closed set, and to the system roles that hold them.

    capabilities.add({"jobs.manage": "See and requeue parked jobs."}, {"jobs.manage": ["tenant_admin"]})

Tenants that exist get them too, each role with a row in the ledger, so that what it held before stays known. The same
goes into `models.capabilities` and `services.system_roles`; a test compares both with a tenant older than they are.
"""

import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa
from alembic import op

_ADD = sa.text("insert into capabilities (name, description) values (:name, :description)")
_ROLES = sa.text("select tenant_id, id from roles where key = any(:keys) order by tenant_id, id")
_HELD = sa.text(
    "select coalesce(jsonb_agg(capability order by capability), '[]'::jsonb) from role_capabilities "
    "where tenant_id = :tenant and role_id = :role"
)
_GIVE = sa.text(
    "insert into role_capabilities (tenant_id, id, role_id, capability) values (:tenant, :id, :role, :name) "
    "on conflict (tenant_id, role_id, capability) do nothing"
)
_RECORD = sa.text(
    "insert into activity (tenant_id, id, actor_kind, actor_name, act, subject_kind, subject_id, reason, before, "
    "after) values (:tenant, :id, 'system', 'evalium', :act, :kind, :subject, 'upgrade', :before, :after)"
).bindparams(sa.bindparam("before", type_=sa.JSON(none_as_null=True)), sa.bindparam("after", type_=sa.JSON()))


def add(capabilities: Mapping[str, str], held: Mapping[str, Sequence[str]]) -> None:
    """Add capabilities by name and description, and give each to the system roles of `held`, in every tenant."""
    connection = op.get_bind()
    for name, description in capabilities.items():
        connection.execute(_ADD, {"name": name, "description": description})
    with past_row_policies("roles", "role_capabilities", "activity"):
        for name, keys in held.items():
            for role in connection.execute(_ROLES, {"keys": list(keys)}).all():
                _give(connection, role.tenant_id, role.id, name)


def remove(*names: str) -> None:
    """Take capabilities away from every role, and from the closed set."""
    with past_row_policies("role_capabilities"):
        for name in names:
            op.get_bind().execute(sa.text("delete from role_capabilities where capability = :name"), {"name": name})
            op.get_bind().execute(sa.text("delete from capabilities where name = :name"), {"name": name})


def record(
    connection: sa.Connection,
    tenant_id: UUID,
    act: str,
    subject: tuple[str, UUID],
    before: dict[str, object] | None,
    after: dict[str, object],
) -> None:
    """Write one row of the ledger, as Evalium itself."""
    values = {"tenant": tenant_id, "id": new_id(), "act": act, "kind": subject[0], "subject": subject[1]}
    connection.execute(_RECORD, {**values, "before": before, "after": after})


@contextmanager
def past_row_policies(*tables: str) -> Generator[None]:
    """Let the owner, who migrates, past the row policies of these tables; nobody else can reach them meanwhile."""
    for table in tables:
        op.execute(f"alter table {table} no force row level security")
    yield
    for table in tables:
        op.execute(f"alter table {table} force row level security")


def new_id() -> UUID:
    """Make a time-ordered UUID (RFC 9562, version 7): a migration does not depend on today's models."""
    milliseconds = time.time_ns() // 1_000_000
    bits = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=bits)


def _give(connection: sa.Connection, tenant_id: UUID, role_id: UUID, name: str) -> None:
    where = {"tenant": tenant_id, "role": role_id}
    before = connection.execute(_HELD, where).scalar_one()
    connection.execute(_GIVE, {**where, "id": new_id(), "name": name})
    after = connection.execute(_HELD, where).scalar_one()
    record(connection, tenant_id, "role.updated", ("role", role_id), {"capabilities": before}, {"capabilities": after})
