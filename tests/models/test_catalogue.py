"""A lint over the catalogue: each row of the pitfall table in reliability.md has its check here."""

import asyncpg
import pytest

from models import Base
from models.capabilities import DESCRIPTIONS
from server.addresses import DatabaseAddress

SHARED = {
    "capabilities",
    "tenant_directory",
    "alembic_version",
    "attempt_counters",
    "sign_in_requests",
    "ledger_keys",
}
BEARERS = {table.name for table in Base.metadata.tables.values() if table.info.get("bearer")}
DEFINERS_ALLOWED: set[str] = set()


@pytest.fixture(scope="module")
async def catalogue(database: DatabaseAddress):
    connection = await asyncpg.connect(database.admin_dsn)
    yield connection
    await connection.close()


async def names(connection, query: str) -> list[str]:
    return sorted(row[0] for row in await connection.fetch(query))


TABLES = (
    "select c.relname, c.oid from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
)


async def test_every_table_is_mapped_or_known(catalogue):
    tables = set(await names(catalogue, TABLES))
    assert tables == set(Base.metadata.tables) | {"alembic_version"}


async def test_row_security_is_enabled_and_forced(catalogue):
    bare = await names(
        catalogue,
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
        "and not (relrowsecurity and relforcerowsecurity)",
    )
    assert set(bare) == SHARED


async def test_one_permissive_policy_per_table_and_it_is_the_tenant(catalogue):
    rows = await catalogue.fetch("select tablename, policyname, permissive, cmd, qual, with_check from pg_policies")
    permissive: dict[str, list] = {}
    for row in rows:
        assert row["cmd"] == "ALL", row
        if row["tablename"] in BEARERS and row["permissive"] == "PERMISSIVE":
            assert "app.bearer_hash" in row["qual"], row
            assert "app.bearer_hash" not in row["with_check"], "who bears a hash sees a row, and writes none"
            assert "app.tenant_id" in row["with_check"], row
        else:
            assert row["qual"] == row["with_check"], row
        if row["permissive"] == "PERMISSIVE":
            permissive.setdefault(row["tablename"], []).append(row)
    for table in set(Base.metadata.tables) - SHARED:
        assert [p["policyname"] for p in permissive[table]] == ["tenant"], table
        assert "app.tenant_id" in permissive[table][0]["qual"], table


async def test_policies_read_variables_in_the_safe_form(catalogue):
    for row in await catalogue.fetch("select tablename, policyname, qual from pg_policies"):
        wanted = row["qual"].count("current_setting(")
        forms = (
            "SELECT (NULLIF(current_setting(",
            "SELECT NULLIF(current_setting(",
            "SELECT (COALESCE(current_setting(",
        )
        safe = sum(row["qual"].count(form) for form in forms)
        assert wanted == safe > 0, dict(row)


async def test_narrowings_are_those_that_the_models_declare(catalogue):
    found: dict[str, set[str]] = {}
    for row in await catalogue.fetch("select tablename, policyname from pg_policies where permissive = 'RESTRICTIVE'"):
        found.setdefault(row["tablename"], set()).add(row["policyname"])
    declared = {t.name: set(t.info["narrow"]) for t in Base.metadata.tables.values() if t.name not in SHARED}
    assert found == {table: {str(n) for n in narrow} for table, narrow in declared.items() if narrow}


async def test_foreign_keys_carry_the_tenant(catalogue):
    rows = await catalogue.fetch(
        "select conrelid::regclass::text as child, confrelid::regclass::text as parent, conname, "
        "(select array_agg(a.attname::text) from pg_attribute a where a.attrelid = conrelid and a.attnum = any(conkey)) as keys "
        "from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace",
    )
    loose = [r["conname"] for r in rows if "tenant_id" not in r["keys"] and r["parent"] != "capabilities"]
    assert loose == []
    assert len(rows) > 40


async def test_unique_keys_carry_the_tenant(catalogue):
    rows = await catalogue.fetch(
        "select c.relname as table, i.indexrelid::regclass::text as index, "
        "(select array_agg(a.attname::text) from pg_attribute a where a.attrelid = i.indexrelid) as keys "
        "from pg_index i join pg_class c on c.oid = i.indrelid "
        "where c.relnamespace = 'public'::regnamespace and i.indisunique",
    )
    oracles = [r["index"] for r in rows if r["table"] not in SHARED | {"tenants"} and "tenant_id" not in r["keys"]]
    assert oracles == []


async def test_indexes_are_led_by_the_tenant(catalogue):
    rows = await catalogue.fetch(
        "select c.relname as table, i.indexrelid::regclass::text as index, a.attname::text as first "
        "from pg_index i join pg_class c on c.oid = i.indrelid "
        "join pg_attribute a on a.attrelid = i.indexrelid and a.attnum = 1 "
        "where c.relnamespace = 'public'::regnamespace",
    )
    astray = [r["index"] for r in rows if r["table"] not in SHARED | {"tenants"} and r["first"] != "tenant_id"]
    astray = [index for index in astray if index != "ix_bearers_hash"]
    assert astray == []


async def test_application_role_owns_nothing_and_may_not_bypass(catalogue):
    rows = await catalogue.fetch(
        "with recursive above as (select r.oid, r.rolname from pg_roles r where r.rolname in ('evalium_app', 'evalium_login') "
        "union select p.oid, p.rolname from above a join pg_auth_members m on m.member = a.oid join pg_roles p on p.oid = m.roleid) "
        "select r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication, "
        "(select count(*) from pg_class c where c.relowner = r.oid) as owned from pg_roles r join above using (oid)",
    )
    assert {r["rolname"] for r in rows} == {"evalium_app", "evalium_login"}
    for row in rows:
        assert not any(
            [row["rolsuper"], row["rolbypassrls"], row["rolcreaterole"], row["rolcreatedb"], row["rolreplication"]]
        )
        assert row["owned"] == 0


async def test_grants_are_the_four_plain_commands_to_the_application_alone(catalogue):
    rows = await catalogue.fetch(
        "select table_name, grantee, privilege_type from information_schema.role_table_grants "
        "where table_schema = 'public' and grantee not in ('evalium_owner', 'postgres')",
    )
    assert {r["privilege_type"] for r in rows} <= {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {r["grantee"] for r in rows} <= {"evalium_app", "evalium_maintenance"}
    written = {(r["table_name"], r["privilege_type"]) for r in rows if r["grantee"] == "evalium_app"}
    assert ("session_events", "UPDATE") not in written
    assert ("activity", "DELETE") not in written
    assert ("submission_score_versions", "UPDATE") not in written
    assert ("capabilities", "INSERT") not in written
    assert ("alembic_version", "UPDATE") not in written


async def test_nothing_goes_round_the_policies(catalogue):
    views = await names(
        catalogue,
        "select relname from pg_class where relnamespace = 'public'::regnamespace and (relkind = 'm' or "
        "(relkind = 'v' and not coalesce(array_to_string(reloptions, ',') like '%security_invoker=true%', false)))",
    )
    definers = await names(
        catalogue,
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and prosecdef",
    )
    partitions = await names(
        catalogue, "select relname from pg_class where relispartition and relnamespace = 'public'::regnamespace"
    )
    assert (views, set(definers), partitions) == ([], DEFINERS_ALLOWED, [])


async def test_plpgsql_functions_fix_their_search_path(catalogue):
    loose = await names(
        catalogue,
        "select proname from pg_proc p join pg_language l on l.oid = p.prolang where pronamespace = 'public'::regnamespace "
        "and lanname = 'plpgsql' and not coalesce(array_to_string(proconfig, ',') like '%search_path=%', false)",
    )
    assert loose == []


async def test_of_a_submission_only_its_person_and_the_number_of_its_score_are_updated(catalogue):
    refused = await names(
        catalogue,
        "select event_object_column from information_schema.triggered_update_columns "
        "where event_object_table = 'submissions' and trigger_name = 'append_only'",
    )
    columns = set(Base.metadata.tables["submissions"].columns.keys())
    assert set(refused) == columns - {"latest_score_version", "user_id"}


async def test_no_enums_sequences_or_foreign_extensions(catalogue):
    enums = "select typname from pg_type where typtype = 'e' and typnamespace <> 'jobs'::regnamespace"
    assert await names(catalogue, enums) == []
    assert (
        await names(
            catalogue, "select relname from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace"
        )
        == []
    )
    assert await names(catalogue, "select extname from pg_extension") == ["plpgsql"]


async def test_every_role_has_timeouts(catalogue):
    rows = await catalogue.fetch(
        "select r.rolname, array_to_string(s.setconfig, ',') as settings from pg_roles r "
        "left join pg_db_role_setting s on s.setrole = r.oid and s.setdatabase in (0, (select oid from pg_database where datname = current_database())) "
        "where r.rolname like 'evalium_login%'",
    )
    text = ",".join(row["settings"] or "" for row in rows)
    database = await catalogue.fetchval(
        "select array_to_string(setconfig, ',') from pg_db_role_setting where setrole = 0 and "
        "setdatabase = (select oid from pg_database where datname = current_database())",
    )
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
        assert name in f"{text},{database}", name


async def test_capabilities_are_the_closed_set(catalogue):
    rows = await catalogue.fetch("select name, description from capabilities")
    assert {r["name"]: r["description"] for r in rows} == {str(c): d for c, d in DESCRIPTIONS.items()}
