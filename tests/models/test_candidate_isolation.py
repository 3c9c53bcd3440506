"""With a candidate's session set, plain SQL sees that one session and nothing that tells a key or a score."""

import asyncpg
import pytest

from models import Base
from server.addresses import DatabaseAddress
from services.sessions_answers import save_answer
from services.sessions_events import Reported, ReportedKind, record_events
from services.sessions_expiry import submit
from services.vault import Vault
from services.work import Office
from tests.factories import sessions as factory
from tests.factories import tenants

TABLES = [table for table in Base.metadata.sorted_tables if not table.info.get("shared")]
OWN = {
    "delivery_sessions": "id",
    "session_papers": "session_id",
    "answers": "session_id",
    "session_events": "session_id",
    "session_event_batches": "session_id",
    "submissions": "session_id",
    "idempotency_keys": "session_id",
}
VISIBLE_TO_ALL_OF_A_TENANT = {"tenants"}


@pytest.fixture(scope="module")
async def candidates(database: DatabaseAddress):
    """Two candidates of one assignment, both with answers, telemetry and a submission."""
    office = Office(database.app, ring=lambda _topics: None, pool_size=4, vault=Vault(bytes(32)))
    world = await tenants.found(office)
    sitting = await factory.sitting(world)
    both = [await sitting.candidate(), await sitting.candidate()]
    for one in both:

        async def save(work, one=one):
            return await save_answer(work, one.session_id, one.item_id(0), 1, one.right(0))

        async def report(work, one=one):
            events = [Reported(ReportedKind.FOCUS_LOST, await work.now())]
            return await record_events(work, one.session_id, "b", events)

        async def hand_in(work, one=one):
            return await submit(work, one.session_id)

        await office.perform(one.viewer, save)
        await office.perform(one.viewer, report)
        await office.perform(one.viewer.elevated(), hand_in)
    yield both
    await office.close()


@pytest.fixture
async def as_candidate(database: DatabaseAddress, candidates):
    connection = await asyncpg.connect(database.app_dsn)
    transaction = connection.transaction()
    await transaction.start()
    for name, value in candidates[0].viewer.variables().items():
        await connection.execute("select set_config($1, $2, true)", name, value)
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_a_candidate_sees_the_own_session_only(as_candidate, candidates, table):
    rows = await as_candidate.fetch(f"select * from {table.name}")
    if table.name in OWN:
        assert {row[OWN[table.name]] for row in rows} <= {candidates[0].session_id}
        assert rows or table.name == "idempotency_keys"
    elif table.name not in VISIBLE_TO_ALL_OF_A_TENANT:
        assert rows == []


async def test_the_probe_would_notice(database: DatabaseAddress, candidates):
    """Without the session's narrowing the same transaction sees both candidates, keys and scores."""
    connection = await asyncpg.connect(database.app_dsn)
    try:
        async with connection.transaction():
            for name, value in candidates[0].viewer.elevated().variables().items():
                await connection.execute("select set_config($1, $2, true)", name, value)
            for table, column in OWN.items():
                if table != "idempotency_keys":
                    rows = await connection.fetch(f"select {column} as owner from {table}")
                    assert {row["owner"] for row in rows} == {one.session_id for one in candidates}, table
            assert await connection.fetchval("select count(*) from question_keys") == 7
            assert await connection.fetchval("select count(*) from submission_score_versions") == 2
    finally:
        await connection.close()


@pytest.mark.parametrize("table", sorted(OWN.keys() - {"idempotency_keys"}))
async def test_a_candidate_cannot_write_into_another_session(as_candidate, candidates, table):
    other = candidates[1].session_id
    column = OWN[table]
    columns = [c.name for c in Base.metadata.tables[table].columns]
    listed = ", ".join(f'"{name}"' for name in columns)
    for statement in (
        f"update {table} set {column} = {column} where {column} = $1",
        f"delete from {table} where {column} = $1",
        f"insert into {table} ({listed}) select {listed} from {table} where {column} = $1",
    ):
        savepoint = as_candidate.transaction()
        await savepoint.start()
        try:
            done = await as_candidate.execute(statement, other)
        except asyncpg.InsufficientPrivilegeError:
            continue
        else:
            assert done.split()[-1] == "0", (statement, done)
        finally:
            await savepoint.rollback()
