"""A worker beside a server, started before its database: it waits, works, outlives an outage, and ends in order."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import orjson
import pytest

from tests.walks import story
from tests.walks.process import EVALIUM, PATIENCE, ROOT, data_directory, environment, evalium, launch

SOON = 10.0


@contextmanager
def worker(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (data / "worker-log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*EVALIUM, "worker"], cwd=ROOT, env=environment(data), stdin=subprocess.DEVNULL, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE)


async def mailed(live, version_id: str) -> list[str]:
    """Invite one person; returns the states that the mail has been seen in, ending with 'SENT'."""
    before = (await live.ask("Messages", {}, role="admin"))["messages"]["totalCount"]
    await story.issue(live, version_id, 1)
    states: list[str] = []
    async with asyncio.timeout(SOON):
        while states[-1:] != ["SENT"]:
            found = (await live.ask("Messages", {"first": 1}, role="admin"))["messages"]
            assert found["totalCount"] == before + 1
            state = found["nodes"][0]["state"]
            states += [state] if states[-1:] != [state] else []
            await asyncio.sleep(0.02)
    return states


@pytest.mark.timeout(200)
async def test_a_worker_waits_for_its_database_works_and_ends_in_order(record_property):
    with data_directory() as data, worker(data) as working:
        served = await asyncio.to_thread(launch, data, EVALIUM_WORKER="0")
        try:
            async with served.visited() as live:
                version = await story.publish(live)
                assert (await mailed(live, version["id"]))[-1] == "SENT"
            async with httpx2.AsyncClient() as http:
                listed = (await http.get(f"{served.base}/dev/outbox")).text
                (path,) = re.findall(r'href="(/dev/outbox/[^"]+)"', listed)
                text = (await http.get(f"{served.base}{path}/text")).text
            assert re.search(rf"{re.escape(served.base)}/invitation\?token=ey\S+", text)
            assert await asyncio.to_thread(served.end, signal.SIGKILL) == -signal.SIGKILL
            served = await asyncio.to_thread(launch, data, EVALIUM_WORKER="0")
            back = time.monotonic()
            async with served.visited() as live:
                await mailed(live, version["id"])
            record_property("mail sent after the database was back, seconds", time.monotonic() - back)
            assert working.poll() is None
            told = await asyncio.to_thread(evalium, data, "jobs")
            assert (told.returncode, told.stdout) == (0, "No job is parked.\n")
            assert "background jobs: 0 waiting" in (await asyncio.to_thread(evalium, data, "doctor")).stdout
            working.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(working.wait, PATIENCE) == 0
        finally:
            await asyncio.to_thread(served.end, signal.SIGINT)
        log = (data / "worker-log").read_text()
        assert "worker.stopped" in log
        events = [orjson.loads(line) for line in log.splitlines()]
        assert {e["event"] for e in events if e["level"] == "error"} <= {"job.failed"}, (
            "the sweep, while nothing answers"
        )
        for secret in ("invitation?", "eyJ"):
            assert secret not in log + served.complained
