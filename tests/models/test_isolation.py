"""Probes: every table, every command, from every wrong place. A row that answers is a leak."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from models import Base
from server.addresses import DatabaseAddress

A, B = uuid4(), uuid4()
UNIT_A, UNIT_A2, UNIT_B = uuid4(), uuid4(), uuid4()
SESSION_A, SESSION_A2, SESSION_B, SESSION_B2 = uuid4(), uuid4(), uuid4(), uuid4()
OWNED = [t for t in Base.metadata.sorted_tables if not t.info.get("shared")]
PER_SESSION = [t.name for t in OWNED if {"own_session"} & {str(n) for n in t.info["narrow"]}]
SILOED = [t.name for t in OWNED if "org_unit" in t.info["narrow"]]

SCENES = {
    "nobody": {},
    "other tenant": {"tenant_id": B, "org_unit_id": UNIT_B},
    "other tenant, all org units": {"tenant_id": B, "scope_all": "on"},
    "other tenant with our org unit and session": {"tenant_id": B, "org_unit_id": UNIT_A, "session_id": SESSION_A},
    "other org unit": {"tenant_id": A, "org_unit_id": UNIT_A2},
    "no org unit": {"tenant_id": A},
    "another candidate": {"tenant_id": A, "org_unit_id": UNIT_A, "session_id": SESSION_A2},
    "candidate of another org unit": {"tenant_id": A, "org_unit_id": UNIT_A2, "session_id": SESSION_A},
}


def value_for(  # noqa: C901, PLR0911, PLR0912 - one line for each kind of column
    column, tenant: UUID, unit: UUID, session: UUID
):
    match column.name:
        case "tenant_id":
            return tenant
        case "org_unit_id":
            return unit
        case "session_id":
            return session
    if column.name == "capability":
        return "users.read"
    allowed = [
        c.sqltext.text.split("('")[1].split("'")[0]
        for c in column.table.constraints
        if isinstance(c, CheckConstraint) and c.sqltext.text.startswith(f"{column.name} in (")
    ]
    if allowed:
        return allowed[0]
    if column.nullable:
        return None
    match column.type:
        case Uuid():
            return uuid4()
        case Boolean():
            return False
        case Numeric() if not isinstance(column.type, Integer):
            return Decimal(1)
        case Integer():
            return 1
        case DateTime():
            return datetime(2026, 1, 1, tzinfo=UTC)
        case JSONB():
            return json.dumps([])
        case ARRAY():
            return []
        case LargeBinary():
            return b"content"
        case Text():
            return f"{column.name} {uuid4()}"
    raise AssertionError(column)


def row_for(table, tenant: UUID, unit: UUID, session: UUID) -> dict[str, object]:
    row = {column.name: value_for(column, tenant, unit, session) for column in table.columns if not column.computed}
    if table.name == "tenants":
        row["id"] = tenant
    if table.name == "org_units":
        row["id"] = unit
    if table.name == "delivery_sessions":
        row["id"] = session
    if table.name == "assignment_overrides":
        row |= {"user_id": uuid4(), "amount": Decimal(1)}
    if table.name == "attention_rules":
        row["disconnected_after_seconds"] = 30
    if table.name == "programme_progress":
        row |= {"state": "met", "submission_id": uuid4(), "completed_at": datetime(2026, 1, 1, tzinfo=UTC)}
    if table.name == "credential_keys":
        row |= {"retired_at": datetime(2026, 1, 1, tzinfo=UTC), "retire_reason": "retired"}
    if table.name == "incident_sessions":
        row |= {"override_id": uuid4(), "seconds": 1}
    return row


def insert(table, row) -> tuple[str, list[object]]:
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    listed = ", ".join(f'"{name}"' for name in row)
    return f"insert into {table.name} ({listed}) values ({places})", list(row.values())


@pytest.fixture(scope="module")
async def planted(database: DatabaseAddress):
    """One row of tenant A (and one of B) in every table, planted past all checks."""
    connection = await asyncpg.connect(database.admin_dsn)
    rows: dict = {}
    rows["of B"] = {}
    await connection.execute("set session_replication_role = replica")
    for table in OWNED:
        rows[table.name] = row_for(table, A, UNIT_A, SESSION_A)
        rows["of B"][table.name] = row_for(table, B, UNIT_B, SESSION_B)
        for row in (rows[table.name], rows["of B"][table.name]):
            query, values = insert(table, row)
            await connection.execute(query, *values)
    spare = row_for(Base.metadata.tables["delivery_sessions"], B, UNIT_B, SESSION_B2)
    query, values = insert(Base.metadata.tables["delivery_sessions"], spare)
    await connection.execute(query, *values)
    await connection.close()
    return rows


@pytest.fixture(scope="module")
async def application(database: DatabaseAddress, planted):
    connection = await asyncpg.connect(database.app_dsn)
    yield connection
    await connection.close()


async def scoped(connection, scene: dict[str, object]) -> None:
    for name, value in scene.items():
        await connection.execute("select set_config($1, $2, true)", f"app.{name}", str(value))


async def attempt(connection, scene, query: str, *values: object) -> tuple[int, str]:
    """Rows seen or touched, and the SQLSTATE; always rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await scoped(connection, scene)
        return len(await connection.fetch(query, *values)), ""
    except asyncpg.PostgresError as error:
        return 0, error.sqlstate
    finally:
        await transaction.rollback()


def hides(table, scene: str) -> bool:
    narrow = {str(n) for n in table.info["narrow"]}
    if scene in ("other org unit", "no org unit"):
        return bool(narrow & {"org_unit", "unit_if_any"})
    if scene == "another candidate":
        return bool(narrow & {"staff_only", "own_session", "self_session"})
    if scene == "candidate of another org unit":
        return bool(narrow & {"staff_only", "org_unit", "unit_if_any"})
    return True


async def test_every_table_and_command_from_every_wrong_place(application, planted, record_property):
    probes, leaks = 0, []
    for table in OWNED:
        row = planted[table.name]
        settable = next(c.name for c in table.columns if c.name not in ("id", "tenant_id"))
        commands = {
            "select": (f"select 1 from {table.name} where id = $1", [row["id"]]),
            "update": (f'update {table.name} set "{settable}" = "{settable}" where id = $1 returning 1', [row["id"]]),
            "delete": (f"delete from {table.name} where id = $1 returning 1", [row["id"]]),
            "lock": (f"select 1 from {table.name} where id = $1 for update", [row["id"]]),
            "count": (f"select 1 from {table.name} having count(*) filter (where id = $1) > 0", [row["id"]]),
        }
        for scene, variables in SCENES.items():
            if not hides(table, scene):
                continue
            for command, (query, values) in commands.items():
                probes += 1
                seen, state = await attempt(application, variables, query, *values)
                if seen or state not in ("", "42501"):
                    leaks.append((table.name, scene, command, seen, state))
            query, values = insert(table, row_for(table, A, UNIT_A, SESSION_A) | {"id": uuid4()})
            if table.name == "tenants":
                values = list((row_for(table, A, UNIT_A, SESSION_A) | {"id": A}).values())
            probes += 1
            if (found := await attempt(application, variables, query, *values))[1] != "42501":
                leaks.append((table.name, scene, "insert", *found))
        for command in (f"truncate {table.name}", f"truncate {table.name} cascade"):
            probes += 1
            if (found := await attempt(application, {"tenant_id": A, "scope_all": "on"}, command))[1] != "42501":
                leaks.append((table.name, "own tenant", command, *found))
    record_property("probes", probes)
    assert leaks == []
    assert probes > 900


async def test_no_row_moves_to_another_tenant(application, planted):
    scene = {"tenant_id": A, "scope_all": "on"}
    for table in OWNED:
        column = "id" if table.name == "tenants" else "tenant_id"
        _, state = await attempt(application, scene, f"update {table.name} set {column} = $1 returning 1", B)
        assert state == "42501", table.name


async def test_no_row_moves_to_another_org_unit(application, planted):
    scene = {"tenant_id": A, "org_unit_id": UNIT_A}
    for name in SILOED:
        _, state = await attempt(application, scene, f"update {name} set org_unit_id = $1 returning 1", UNIT_A2)
        assert state == "42501", name


async def test_the_right_place_does_see_the_row(application, planted):
    for table in OWNED:
        query = f"select 1 from {table.name} where id = $1"
        for scene in ({"tenant_id": A, "org_unit_id": UNIT_A}, {"tenant_id": A, "scope_all": "on"}):
            assert await attempt(application, scene, query, planted[table.name]["id"]) == (1, ""), table.name
    own = {"tenant_id": A, "org_unit_id": UNIT_A, "session_id": SESSION_A}
    for name in [*PER_SESSION, "delivery_sessions"]:
        assert await attempt(application, own, f"select 1 from {name} where id = $1", planted[name]["id"]) == (1, ""), (
            name
        )


def references(table) -> dict[str, str]:
    """Column and the table it refers to, for keys between tenant-owned tables."""
    found = {}
    for key in (c for c in table.constraints if isinstance(c, ForeignKeyConstraint) and len(c.columns) > 1):
        own = [c.name for c in key.columns if c.name not in ("tenant_id", "org_unit_id")]
        if own and own != ["id"]:
            found[own[0]] = key.elements[0].column.table.name
    return found


ONE_FOR_EACH_TENANT = {"policy_defaults", "attention_rules"}
"""Tables of which a tenant has one row at most."""


async def test_a_foreign_row_cannot_be_referred_to_and_is_no_oracle(application, planted):
    """A reference to a row of another tenant fails exactly like one to a row that never existed."""
    scene = {"tenant_id": B, "scope_all": "on"}
    tried = 0
    for table in OWNED:
        valid = {column: planted["of B"][target]["id"] for column, target in references(table).items()}
        valid |= {"session_id": SESSION_B2} if "session_id" in valid else {}
        for column, target in references(table).items():
            answers = []
            for reference in (planted[target]["id"], uuid4(), planted["of B"][target]["id"]):
                row = row_for(table, B, UNIT_B, SESSION_B) | {"id": uuid4()} | valid
                if table.name == "assignment_overrides":  # for a person or for a group, never for both
                    row |= {"user_id" if column == "group_id" else "group_id": None}
                row |= {column: reference}
                query, values = insert(table, row)
                answers.append((await attempt(application, scene, query + " returning 1", *values))[1])
            foreign, unknown, own = answers
            if table.name in ONE_FOR_EACH_TENANT:
                assert answers == ["23505"] * 3, "the tenant's own row is looked at first, whatever is referred to"
                continue
            assert foreign == unknown == "23503" or own == "42501" == foreign, (table.name, column, answers)
            assert own in ("", "23505", "42501"), (table.name, column, answers)
            tried += 1
    assert tried > 30


async def test_a_variable_of_an_ended_transaction_shows_nothing_and_breaks_nothing(application, planted):
    async with application.transaction():
        await scoped(application, {"tenant_id": A, "org_unit_id": UNIT_A, "session_id": SESSION_A})
    assert await application.fetchval("select current_setting('app.tenant_id', true)") in ("", None)
    for table in OWNED:
        assert await application.fetch(f"select 1 from {table.name}") == []
