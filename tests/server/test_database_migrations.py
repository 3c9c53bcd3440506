import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from migrations import run
from server import provision
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from server.database import migrate, prepare_embedded
from server.driver import connected

ROOT = Path(__file__).parents[2]
REVISION = 'revision = "{}"\ndown_revision = {!r}\nraise RuntimeError("read, never run")\n'


async def fresh(cluster: Cluster, name: str) -> str:
    address = await prepare_embedded(cluster, name)
    assert address.admin_dsn is not None
    return address.admin_dsn


async def test_the_application_may_read_the_revision_and_nothing_of_the_owner(database: DatabaseAddress) -> None:
    assert not await run.pending(database.app_dsn)
    async with connected(database.app_dsn) as connection:
        login = await provision.standing(connection)
        assert (login.name, login.dangers) == (provision.LOGIN, [])
        for role in (provision.OWNER, provision.MAINTENANCE):
            assert not await connection.fetchval("select pg_has_role($1, 'member')", role)
        owners = await connection.fetch("select distinct tableowner from pg_tables where schemaname = 'public'")
        assert [row["tableowner"] for row in owners] == [provision.OWNER]
        assert not await connection.fetchval("select has_schema_privilege('public', 'create')")


async def test_every_session_of_the_application_has_limits(database: DatabaseAddress) -> None:
    expected = {"transaction_timeout": "1min", "statement_timeout": "30s", "lock_timeout": "5s", "TimeZone": "UTC"}
    expected["idle_in_transaction_session_timeout"] = "15s"
    async with connected(database.app_dsn) as connection:
        assert {name: await connection.fetchval(f"show {name}") for name in expected} == expected


async def test_several_machines_and_tasks_may_migrate_at_once(cluster: Cluster) -> None:
    dsn = await fresh(cluster, "crowded")
    command = [sys.executable, "-c", f"from migrations import run; print(run.upgrade_blocking({dsn!r}))"]
    machines = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=-1) for _ in range(3)]
    assert await asyncio.gather(*(run.upgrade(dsn) for _ in range(3))) == [run.head_on_disk()] * 3
    for machine in machines:
        output, _ = await machine.communicate()
        assert (machine.returncode, output.decode().strip()) == (0, run.head_on_disk())


async def test_down_to_nothing_and_up_again(cluster: Cluster) -> None:
    dsn = await fresh(cluster, "there_and_back")
    head = await run.upgrade(dsn)
    await asyncio.to_thread(run.downgrade_blocking, dsn, "base")
    state = await run.pending(dsn)
    assert (state.current, bool(state)) == (None, True)
    async with connected(dsn) as connection:
        left = await connection.fetch("select relname from pg_class where relnamespace = 'public'::regnamespace")
        assert {row["relname"] for row in left} <= {"alembic_version", "alembic_version_pkc"}
    assert await run.upgrade(dsn) == head


async def test_nothing_to_do_is_known_at_once_and_without_alembic(database: DatabaseAddress) -> None:
    script = f"""
import sys
from migrations import run
assert run.upgrade_blocking({database.admin_dsn!r}) == {run.head_on_disk()!r}
assert "alembic" not in sys.modules
"""
    command = [sys.executable, "-c", script]
    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True)
    began = time.monotonic()
    await migrate(database)
    assert time.monotonic() - began < 5


def test_the_newest_revision_is_read_from_the_files(tmp_path: Path) -> None:
    (tmp_path / "0001_a.py").write_text(REVISION.format("0001", None))
    (tmp_path / "0002_b.py").write_text(REVISION.format("0002", "0001"))
    (tmp_path / "helper.py").write_text("x, y = 1, 2\n")
    assert run.head_on_disk(tmp_path) == "0002"
    (tmp_path / "0002_c.py").write_text(REVISION.format("0002c", "0001"))
    with pytest.raises(run.BrokenHistory, match="0002', '0002c"):
        run.head_on_disk(tmp_path)
    with pytest.raises(run.BrokenHistory, match="none"):
        run.head_on_disk(tmp_path / "nothing")


def test_a_database_ahead_of_the_code_needs_nothing() -> None:
    """While machines are upgraded one after another, the old ones go on, and may be started again."""
    assert not run.Pending("0002", "0001")
    assert not run.Pending("0001", "0001")
    assert run.Pending("0001", "0002")
    assert run.Pending(None, "0001")


async def test_clones_are_apart(make_database: Callable[[], Awaitable[DatabaseAddress]]) -> None:
    one, two = await make_database(), await make_database()
    assert one.admin_dsn is not None
    async with connected(one.admin_dsn) as connection:
        await connection.execute("create table only_here (n int)")
    async with connected(two.app_dsn) as connection:
        assert await connection.fetchval("select to_regclass('only_here')") is None
