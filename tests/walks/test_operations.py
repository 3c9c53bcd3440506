"""What operators may do to a running installation: several workers, any order of starting, kills, restarts."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import websockets

from server.cluster import ADMIN, Cluster
from server.driver import connected
from tests.external import MARKS, make_folder
from tests.walks.process import Served, begin, data_directory, free_port, is_quiet, launch, wait_until_quiet

PROTOCOLS = [websockets.Subprotocol("graphql-transport-ws")]
SOON = 10.0
"""Seconds within which everything has to be back."""


async def until(condition: Callable[[], object], seconds: float = 60.0) -> float:
    """Wait for a condition; returns how long it took."""
    start = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)
    return time.monotonic() - start


def answers(port: int, path: str = "/healthz") -> int:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code
    except httpx2.TransportError:
        return 0


def workers_of(served: Served) -> list[int]:
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextlib.contextmanager
def with_workers(data: Path) -> Iterator[Served]:
    """Two workers, and nothing left of them whatever the test does."""
    served = launch(data, arguments=("--workers", "2"))
    try:
        yield served
    finally:
        served.end(signal.SIGKILL)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[tuple[Cluster, str]]:
    """A PostgreSQL of the operator's own, stopped, and its address."""
    folder = make_folder()
    cluster = Cluster(folder, fast=True, port=free_port())
    cluster.start()
    try:
        async with connected(cluster.dsn()) as admin:
            await admin.execute(f"ALTER ROLE {ADMIN} PASSWORD '{MARKS}'")
            await admin.execute("CREATE DATABASE ours")
        cluster.stop()
        marks = "passw%C3%B6rd%3A%2F%40%3F%23%25"
        yield cluster, f"postgresql://{ADMIN}:{marks}@127.0.0.1:{cluster.port}/ours"
    finally:
        cluster.stop()
        shutil.rmtree(folder)


async def test_workers_die_and_come_back_and_the_parents_end_is_the_end_of_all(record_property):
    with data_directory() as data, with_workers(data) as served:
        port = int(served.port)
        await until(lambda: served.complained.count("bell.connected") == 2, SOON)
        first = await asyncio.to_thread(workers_of, served)
        assert len(first) == 2
        victim = first[0]
        begin_at = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        statuses = [await asyncio.to_thread(answers, port) for _ in range(20)]
        assert statuses == [200] * 20, "the other worker serves meanwhile"
        await until(lambda: len(set(workers_of(served)) - {victim}) == 2, SOON)
        await until(lambda: served.complained.count("bell.connected") >= 3, SOON)
        record_property("killed worker replaced, seconds", time.monotonic() - begin_at)
        numbers = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        assert re.search(r'^evalium_pool_connections\{state="most"\} 32', numbers, re.MULTILINE), "two workers live"
        assert served.end(signal.SIGKILL) == -signal.SIGKILL
        seconds = wait_until_quiet(data, SOON)
        record_property("parent killed, until nothing was left, seconds", seconds)
        assert seconds is not None
        with with_workers(data) as again:
            async with again.visited() as live, live.socket(again.tokens["proctor"]) as proctor:
                assert await asyncio.to_thread(again.end, signal.SIGTERM) == 0
                with pytest.raises(websockets.ConnectionClosedError) as goodbye:
                    await proctor.recv()
                assert goodbye.value.rcvd is not None
                assert goodbye.value.rcvd.code == 1012
                assert goodbye.value.rcvd.reason.endswith("retryAfterMs=1000")
            assert is_quiet(data)
            before, trace, after = again.complained.partition("Traceback")
            assert not trace, before[-2_000:] + trace + after[:6_000]
            assert not (data / f"metrics-{again.port}").exists()


async def test_two_servers_and_a_dead_redis_before_their_database(database, record_property):
    """Both listen at once, say so, migrate and found at once without a clash, and come back after each outage."""
    cluster, address = database
    with data_directory() as one, data_directory() as two:
        ports = [free_port(), free_port()]
        key = "x" * 42 + "A"
        more = {"DATABASE_URL": address, "EVALIUM_SIGNING_KEY": key, "REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
        servers = [begin(data, port, **more) for data, port in zip((one, two), ports, strict=True)]
        try:
            for port in ports:
                await until(lambda port=port: answers(port) == 503)
                assert answers(port, "/readyz") == 503
                refusal = httpx2.post(f"http://127.0.0.1:{port}/graphql", json={"query": "{ __typename }"})
                assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "2")
                assert refusal.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
                with pytest.raises(websockets.ConnectionClosedError) as later:
                    async with websockets.connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=PROTOCOLS) as socket:
                        await socket.recv()
                assert later.value.rcvd is not None
                assert later.value.rcvd.code == 1013
            await asyncio.to_thread(cluster.start)
            took = [await until(lambda port=port: answers(port) == 200, 30) for port in ports]
            record_property("first start after the database came, seconds", sum(took))
            assert sum(took) < SOON
            async with connected(cluster.dsn(database="ours")) as admin:
                assert await admin.fetchval("select count(*) from tenants") == 2
            ready = httpx2.get(f"http://127.0.0.1:{ports[0]}/readyz").json()
            assert (ready["status"], ready["checks"]["wakeups"]) == ("degraded", "silent"), "Redis is down"
            await asyncio.to_thread(cluster.stop)
            await until(lambda: [answers(port) for port in ports] == [503, 503], SOON)
            await asyncio.to_thread(cluster.start)
            seconds = await until(lambda: [answers(port) for port in ports] == [200, 200], 30)
            record_property("recovered after an outage, seconds", seconds)
            assert seconds < SOON
            for server in servers:
                assert server.complained.count("database.waiting") <= 3, "once for each reason"
                assert MARKS not in server.complained
        finally:
            for server in servers:
                server.end(signal.SIGTERM)


async def test_a_wrong_password_ends_the_start(database):
    cluster, address = database
    cluster.start()
    with data_directory() as data:
        server = begin(data, free_port(), DATABASE_URL=address.replace("passw", "wrong"))
        assert await asyncio.to_thread(server.process.wait, 60) == 1
        assert "password authentication failed" in server.complained
        assert "Traceback" not in server.complained
