"""Lists of sessions find what they show by indexes, however many sessions ended long ago."""

import pytest

from server.addresses import DatabaseAddress
from server.driver import connected
from services import live_sessions, sessions
from services.paging import PageRequest
from services.sessions import Filter
from services.sessions_status import DisplayStatus
from services.work import Work
from tests.factories import sessions as factory

ENDED = 20_000
EXPLAIN = """
create function explained(statement text) returns setof text language plpgsql set search_path = public as $$
begin
  return query execute 'explain (generic_plan) ' || statement;
end $$
"""


@pytest.fixture(scope="module")
async def many(world, database: DatabaseAddress):
    """Many sessions that ended long ago, and one that goes on."""
    sitting = await factory.sitting(world)
    going, ended = await sitting.candidate(), await sitting.candidate()
    async with connected(database.admin_dsn) as admin:
        named = await admin.fetch(
            "select column_name as name from information_schema.columns where table_schema = 'public'"
            " and table_name = 'delivery_sessions' and is_generated = 'NEVER'"
        )
        changed = {
            "id": "gen_random_uuid()",
            "attempt": "1 + n",
            "state": "'submitted'",
            "created_at": "t.created_at - n * interval '1 hour'",
            "ended_at": "t.created_at - n * interval '1 hour'",
        }
        names = [row["name"] for row in named]
        values = ", ".join(changed.get(name, f"t.{name}") for name in names)
        await admin.execute(
            f"insert into delivery_sessions ({', '.join(names)}) select {values}"
            f" from delivery_sessions t, generate_series(1, {ENDED}) n where t.id = '{ended.session_id}'"
        )
        await admin.execute("analyze delivery_sessions")
        await admin.execute(EXPLAIN)
        await admin.execute("grant execute on function explained to evalium_app")
    return going


NEWEST = {"ix_delivery_sessions_newest"}
GOING_ON = {"ix_delivery_sessions_ended", "ix_delivery_sessions_rules"}
LATELY = {"ix_delivery_sessions_ended"}
LISTS = {
    "the newest": (Filter(), NEWEST),
    "those that go on": (Filter(display_status=[DisplayStatus.LIVE, DisplayStatus.IDLE]), GOING_ON),
    "those that go on or ended lately": (Filter(ended_within_seconds=3600), LATELY),
}


async def plan(world, monkeypatch, read) -> str:
    """Return how the statements of a reader are executed, as they are kept for any values."""
    asked: list[str] = []
    original = Work.fetch

    async def noted(self, statement, *values):
        asked.append(statement)
        return await original(self, statement, *values)

    monkeypatch.setattr(Work, "fetch", noted)
    async with world.office.snapshot(world.system) as work:
        await read(work)
        plans = [await original(work, "select explained($1)", one) for one in asked if "delivery_sessions" in one]
    return "\n".join(row[0] for rows in plans for row in rows)


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_read_by_an_index(world, many, monkeypatch, name):
    wanted, indexes = LISTS[name]
    found = []

    async def read(work):
        found.append(await sessions.listed(work, wanted, [], PageRequest(first=10)))

    explained = await plan(world, monkeypatch, read)
    assert many.session_id in {row.id for row in found[0].rows}
    assert any(f"on {index}" in explained or f"using {index}" in explained for index in indexes), explained
    assert "Seq Scan on delivery_sessions" not in explained


async def test_they_are_counted_by_an_index(world, many, monkeypatch):
    found = []

    async def read(work):
        found.append(await live_sessions.counts(work, Filter(ended_within_seconds=3600)))

    explained = await plan(world, monkeypatch, read)
    assert found[0][DisplayStatus.LIVE] + found[0][DisplayStatus.IDLE] >= 1
    assert "on ix_delivery_sessions_ended" in explained
    assert "Seq Scan on delivery_sessions" not in explained
    assert many.session_id is not None
