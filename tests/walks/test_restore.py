"""A dump restored into a new cluster: old cursors are refused, nothing stays hidden, and new streams work."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations import run
from server import doctor, restored
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from server.database import prepare_embedded
from server.doctor import Health
from server.driver import connected
from server.postgres_files import carried_programs
from tests.walks import story
from tests.walks.conftest import Live, document, running

SPENT = 20_000
"""Transaction ids that the old cluster has used up and the new one has not."""


@pytest.fixture
def new_cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="evn-"))
    folder.chmod(0o755)
    try:
        with Cluster(folder, fast=True) as running_one:
            yield running_one
    finally:
        shutil.rmtree(folder)


def tool(name: str, *arguments: str) -> None:
    done = subprocess.run([carried_programs() / name, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - PostgreSQL's own
    assert done.returncode == 0, done.stderr


async def spend(dsn: str) -> None:
    """Use up transaction ids, as the life of a cluster does."""
    async with connected(dsn) as admin:
        await admin.execute(
            f"do $$ begin for i in 1..{SPENT} loop perform pg_current_xact_id(); commit; end loop; end $$"
        )


async def sit(live: Live, assignment_people: int = 2) -> tuple[str, str, str]:
    version = await story.publish(live)
    assignment, invitations = await story.issue(live, version["id"], assignment_people)
    token = await live.token("proctor")
    cursor = (await live.ask("AssignmentMonitor", {"id": assignment}, token=token))["assignment"]["monitor"]["cursor"]
    sitting = await story.sit_down(live, invitations[0])
    item = sitting.items[0]
    await live.do(
        "AnswerSave",
        {"itemId": item["id"], "revision": 1, "response": story.choice(item, "right")},
        token=sitting.token,
    )
    return assignment, cursor, invitations[1]


async def events_of(live: Live, assignment: str, after: str | None = None) -> list[tuple[str, int]]:
    page = (
        await live.ask(
            "AssignmentEvents",
            {"assignmentId": assignment, "after": after, "first": 200},
            token=await live.token("proctor"),
        )
    )["assignmentEvents"]
    return [(event["session"]["id"], event["seq"]) for event in page["events"]]


async def test_a_dump_in_a_new_cluster(database: DatabaseAddress, new_cluster: Cluster, tmp_path: Path):
    assert database.admin_dsn is not None
    await spend(database.admin_dsn)
    async with running(database, tmp_path) as live:
        assignment, cursor, invitation = await sit(live)
        ledger = await events_of(live, assignment)
    dump = str(tmp_path / "evalium.dump")
    await asyncio.to_thread(
        tool,
        "pg_dump",
        "--role=evalium_maintenance",
        "--format=custom",
        f"--file={dump}",
        f"--dbname={database.admin_dsn}",
    )

    address = await prepare_embedded(new_cluster, "evalium")
    assert address.admin_dsn is not None
    await run.upgrade(address.admin_dsn)
    arguments = ["--clean", "--if-exists", "--exit-on-error", f"--dbname={address.admin_dsn}", dump]
    await asyncio.to_thread(tool, "pg_restore", *arguments)
    async with running(address, tmp_path) as live:
        hidden = await events_of(live, assignment)
    assert await told_by_doctor(address) == Health.FAIL
    moved = await restored.settle(address)
    assert await told_by_doctor(address) == Health.OK
    assert moved["session_events"] >= len(ledger) > len(hidden)
    assert not any((await restored.settle(address)).values()), "the second time nothing is moved"

    async with running(address, tmp_path) as live:
        assert sorted(await events_of(live, assignment)) == sorted(ledger)
        token = await live.token("proctor")
        body = await live.post(document("AssignmentEvents"), {"assignmentId": assignment, "after": cursor}, token)
        assert body["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED"
        monitor = (await live.ask("AssignmentMonitor", {"id": assignment}, token=token))["assignment"]["monitor"]
        variables = {"assignmentId": assignment, "after": monitor["cursor"]}
        async with live.stream("AssignmentStream", variables, token) as frames, asyncio.timeout(20):
            sitting = await story.sit_down(live, invitation)
            async for frame in frames:
                if any(event["session"]["id"] == sitting.session_id for event in frame["events"]):
                    break
    async with connected(address.admin_dsn) as admin:
        assert await admin.fetchval("select count(*) from activity where act = 'database.restored'") == 2
        off = "select count(*) from pg_class where relnamespace = 'public'::regnamespace and not relrowsecurity"
        before = await connected_count(database.admin_dsn, off)
        assert await admin.fetchval(off) == before
        with pytest.raises(Exception, match="never changed"):
            await admin.execute("update session_events set seq = seq")


async def told_by_doctor(address: DatabaseAddress) -> Health:
    async with connected(address.admin_dsn) as admin:
        (finding,) = await doctor._restored(admin)
    return finding.health


async def connected_count(dsn: str, query: str) -> int:
    async with connected(dsn) as admin:
        return await admin.fetchval(query)
