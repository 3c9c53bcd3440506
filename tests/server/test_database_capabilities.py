"""A tenant that is older than a capability: its system roles get it, and the ledger knows what they held before."""

import asyncio
import importlib.util
import json
from uuid import uuid4

import asyncpg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

from migrations import capabilities, run
from models.capabilities import DESCRIPTIONS
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from server.database import prepare_embedded
from services import access_explain, identity
from services.access_replay import Verdict
from services.system_roles import SYSTEM_ROLES
from services.vault import Vault
from services.viewer import Viewer
from services.work import Office


def first_capabilities() -> set[str]:
    spec = importlib.util.spec_from_file_location("first", run.VERSIONS / "0001_foundation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return set(module.CAPABILITIES)


async def plant(connection: asyncpg.Connection) -> dict:
    """A tenant as the first version founded it: with the capabilities of that time, and one grant to an author."""
    tenant, user, unit = uuid4(), uuid4(), uuid4()
    roles = {role.key: uuid4() for role in SYSTEM_ROLES}
    known = first_capabilities()
    await connection.execute("insert into tenants (id, name, slug) values ($1, 'Old', 'old')", tenant)
    await connection.execute("insert into tenant_directory (id) values ($1)", tenant)
    await connection.execute("insert into org_units (tenant_id, id, name) values ($1, $2, 'Main')", tenant, unit)
    for role in SYSTEM_ROLES:
        values = (tenant, roles[role.key], role.name, role.key)
        await connection.execute("insert into roles (tenant_id, id, name, key) values ($1, $2, $3, $4)", *values)
        for capability in role.capabilities & known:
            values = (tenant, uuid4(), roles[role.key], str(capability))
            await connection.execute(
                "insert into role_capabilities (tenant_id, id, role_id, capability) values ($1, $2, $3, $4)", *values
            )
    await connection.execute(
        "insert into users (tenant_id, id, email, display_name) values ($1, $2, 'old@example.org', 'Old')", tenant, user
    )
    await connection.execute(
        "insert into user_org_units (tenant_id, id, user_id, org_unit_id) values ($1, $2, $3, $4)",
        tenant, uuid4(), user, unit,
    )  # fmt: skip
    await connection.execute(
        "insert into user_roles (tenant_id, id, user_id, role_id, reason) values ($1, $2, $3, $4, 'at first')",
        tenant, uuid4(), user, roles["author"],
    )  # fmt: skip
    return {"tenant": tenant, "user": user, "unit": unit, "roles": roles}


@pytest.fixture
async def old(cluster: Cluster):
    address = await prepare_embedded(cluster, f"old_{uuid4().hex[:8]}")
    assert address.admin_dsn is not None
    await asyncio.to_thread(run._run, address.admin_dsn, "0001")
    connection = await asyncpg.connect(address.admin_dsn)
    planted = await plant(connection)
    await run.upgrade(address.admin_dsn)
    yield address, connection, planted
    await connection.close()


async def test_the_system_roles_of_an_old_tenant_hold_what_those_of_a_new_one_do(old):
    _, connection, planted = old
    for role in SYSTEM_ROLES:
        held = await connection.fetch(
            "select capability from role_capabilities where role_id = $1", planted["roles"][role.key]
        )
        assert {row["capability"] for row in held} == set(map(str, role.capabilities)), role.key
    rows = await connection.fetch("select name, description from capabilities")
    assert {row["name"]: row["description"] for row in rows} == {str(one): told for one, told in DESCRIPTIONS.items()}
    forced = "select relname from pg_class where relnamespace = 'public'::regnamespace and relrowsecurity and not relforcerowsecurity"
    assert await connection.fetch(forced) == []


async def test_rights_of_an_old_tenant_are_explained_from_the_upgrade_on(old):
    address, connection, planted = old
    (baseline,) = await connection.fetch("select at, after from activity where act = 'rights.recorded'")
    assert len(json.loads(baseline["after"])["roles"]) == len(SYSTEM_ROLES)
    office = Office(address.app, ring=lambda _topics: None, vault=Vault(bytes(32)))
    try:
        async with office.snapshot(Viewer.system(planted["tenant"])) as work:
            place = ("OrgUnit", planted["unit"])
            told = await access_explain.explain(work, planted["user"], "questions.publish", place, None)
            assert (told.decision.allowed, told.decision.reasons[0].grant.reason) == (True, "at first")
            told = await access_explain.explain(work, planted["user"], "users.manage", place, None)
            assert told.decision.reasons[0].verdict is Verdict.ROLE_LACKS_CAPABILITY
            person = (planted["user"], planted["unit"])
            live = (await identity.capabilities_of(work, [person]))[person]
            state = await access_explain.state_at(work, planted["user"], await work.now())
            assert state.roles[planted["roles"]["author"]].capabilities == set(map(str, live))
    finally:
        await office.close()


async def test_adding_a_capability_is_one_call_and_taking_it_back_another(old):
    address, connection, planted = old
    assert isinstance(address, DatabaseAddress)
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(address.admin_dsn), poolclass=pool.NullPool
    )

    async def migrate(act) -> None:
        def within(sync) -> None:
            with Operations.context(MigrationContext.configure(sync)):
                act()

        async with engine.begin() as begun:
            await begun.run_sync(within)

    holders = "select r.key from role_capabilities c join roles r on r.id = c.role_id where capability = 'moon.walk' order by 1"
    await migrate(
        lambda: capabilities.add({"moon.walk": "Walk on the moon."}, {"moon.walk": ["tenant_admin", "auditor"]})
    )
    assert [row["key"] for row in await connection.fetch(holders)] == ["auditor", "tenant_admin"]
    told = await connection.fetch(
        "select subject_id, before, after from activity where act = 'role.updated' and after::text like '%moon%'"
    )
    assert {row["subject_id"] for row in told} == {planted["roles"][key] for key in ("auditor", "tenant_admin")}
    for row in told:
        before, after = (set(json.loads(row[name])["capabilities"]) for name in ("before", "after"))
        assert after - before == {"moon.walk"}
    await migrate(lambda: capabilities.remove("moon.walk"))
    assert await connection.fetch(holders) == []
    await engine.dispose()
