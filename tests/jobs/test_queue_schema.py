"""The queue in the database is the one that pgqueuer means, without its trigger, and open to the application as needed."""

import importlib.util
import re
from pathlib import Path

import asyncpg
import pytest
from pgqueuer.adapters.persistence import schema_ddl

from services.jobs import QUEUE

MIGRATION = next((Path(__file__).parents[2] / "migrations" / "versions").glob("*_jobs.py"))


def statements(text: str) -> list[str]:
    return [" ".join(one.split()) for one in text.split(";") if one.strip()]


def test_the_migration_holds_what_pgqueuer_emits_but_for_the_trigger():
    spec = importlib.util.spec_from_file_location("queue_migration", MIGRATION)
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    emitted = schema_ddl.render_install(QUEUE, create_schema=False)
    tables, _, rest = emitted.partition("CREATE FUNCTION")
    wanted = statements(re.sub(r"^--.*$", "", tables, flags=re.MULTILINE))
    assert statements(migration.EMITTED) == wanted
    assert "CREATE TRIGGER" in rest


@pytest.fixture(scope="module")
async def admin(database):
    connection = await asyncpg.connect(database.admin_dsn)
    yield connection
    await connection.close()


async def test_nothing_notifies_inside_a_transaction(admin):
    assert await admin.fetch("select 1 from pg_trigger t where t.tgrelid::regclass::text like 'jobs.%'") == []
    assert await admin.fetch("select 1 from pg_proc where pronamespace = 'jobs'::regnamespace") == []


async def test_every_table_survives_a_crash(admin):
    kept = await admin.fetch("select distinct relpersistence from pg_class where relnamespace = 'jobs'::regnamespace")
    assert [row[0] for row in kept] == [b"p"]


async def test_the_application_gets_what_it_needs(admin):
    rows = await admin.fetch(
        "select table_name, privilege_type from information_schema.role_table_grants "
        "where table_schema = 'jobs' and grantee = 'evalium_app'"
    )
    granted: dict[str, set[str]] = {}
    for row in rows:
        granted.setdefault(row["table_name"], set()).add(row["privilege_type"])
    assert granted == {
        "pgqueuer": {"SELECT", "INSERT", "UPDATE", "DELETE"},
        "pgqueuer_log": {"SELECT", "INSERT", "DELETE"},
        "pgqueuer_schedules": {"SELECT", "INSERT", "UPDATE"},
        "pgqueuer_statistics": {"SELECT"},
    }
    owners = await admin.fetch("select distinct tableowner from pg_tables where schemaname = 'jobs'")
    assert [row[0] for row in owners] == ["evalium_owner"]
