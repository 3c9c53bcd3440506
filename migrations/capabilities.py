"""Capabilities of a newer version, for tenants that exist: one call in a migration.

    add_capability("jobs.manage", "See and requeue parked jobs.", "tenant_admin")

puts the capability into the closed set and into the named system roles of every tenant, and writes a ledger row for
each role that changed, so that what the role held before stays known. The same line goes into `models.capabilities`,
and the roles into `services.system_roles`; a test compares them for a tenant that is older than both.
"""

import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa
from alembic import op

TOUCHED = ("roles", "role_capabilities", "activity")


def add_capability(name: str, description: str, *role_keys: str) -> None:
    """Add a capability, and give it to these system roles of every tenant."""
    connection = op.get_bind()
    connection.execute(
        sa.text("insert into capabilities (name, description) values (:name, :description)"),
        {"name": name, "description": description},
    )
    with past_row_policies(*TOUCHED):
        roles = connection.execute(
            sa.text("select tenant_id, id, name from roles where key = any(:keys) order by tenant_id, id"),
            {"keys": list(role_keys)},
        ).all()
        for role in roles:
            _give(connection, role.tenant_id, role.id, name)


def remove_capability(name: str) -> None:
    """Take a capability out of every role and of the closed set; for downgrades."""
    connection = op.get_bind()
    with past_row_policies("role_capabilities"):
        connection.execute(sa.text("delete from role_capabilities where capability = :name"), {"name": name})
    connection.execute(sa.text("delete from capabilities where name = :name"), {"name": name})


def _give(connection: sa.Connection, tenant_id: UUID, role_id: UUID, name: str) -> None:
    held = sa.text(
        "select coalesce(jsonb_agg(capability order by capability), '[]'::jsonb) from role_capabilities "
        "where tenant_id = :tenant and role_id = :role"
    )
    where = {"tenant": tenant_id, "role": role_id}
    before = connection.execute(held, where).scalar_one()
    connection.execute(
        sa.text(
            "insert into role_capabilities (tenant_id, id, role_id, capability) values (:tenant, :id, :role, :name)"
        ),
        {**where, "id": new_id(), "name": name},
    )
    after = connection.execute(held, where).scalar_one()
    record(connection, tenant_id, "role.updated", ("role", role_id), {"capabilities": before}, {"capabilities": after})


def record(
    connection: sa.Connection,
    tenant_id: UUID,
    act: str,
    subject: tuple[str, UUID],
    before: dict[str, object] | None,
    after: dict[str, object],
) -> None:
    """Write one row of the ledger, as Evalium itself."""
    statement = sa.text(
        "insert into activity (tenant_id, id, actor_kind, actor_name, act, subject_kind, subject_id, reason, before, "
        "after) values (:tenant, :id, 'system', 'evalium', :act, :kind, :subject, 'upgrade', :before, :after)"
    ).bindparams(sa.bindparam("before", type_=sa.JSON(none_as_null=True)), sa.bindparam("after", type_=sa.JSON()))
    values = {"tenant": tenant_id, "id": new_id(), "act": act, "kind": subject[0], "subject": subject[1]}
    connection.execute(statement, {**values, "before": before, "after": after})


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
