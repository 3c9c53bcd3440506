"""What operators read from a running service: /metrics, /readyz, and what neither of them tells."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.requests import Request

from server import doctor
from server.addresses import DatabaseAddress
from server.driver import connected
from server.metrics import HeadAge, _look, _may_read
from server.settings import Settings
from tests.walks.conftest import Live, running


@pytest.fixture(scope="module")
async def live(database: DatabaseAddress, tmp_path_factory) -> AsyncIterator[Live]:
    async with running(database, tmp_path_factory.mktemp("data")) as service:
        yield service


def asked_by(host: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/metrics", "headers": raw, "client": (host, 5)})


@pytest.mark.parametrize(
    ("host", "headers", "token", "allowed"),
    [
        ("127.0.0.1", {}, None, True),
        ("::1", {}, None, True),
        ("10.0.0.7", {}, None, False),
        ("127.0.0.1", {"x_forwarded_for": "8.8.8.8"}, None, False),
        ("127.0.0.1", {"forwarded": "for=8.8.8.8"}, None, False),
        ("10.0.0.7", {"authorization": "Bearer secret"}, "secret", True),
        ("127.0.0.1", {}, "secret", False),
        ("127.0.0.1", {"authorization": "Bearer secret2"}, "secret", False),
        ("127.0.0.1", {"authorization": "secret"}, "secret", False),
    ],
)
def test_who_may_read_the_metrics(host, headers, token, allowed):
    assert _may_read(asked_by(host, **headers), None if token is None else SecretStr(token)) is allowed


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=1))
def test_the_heads_age_is_the_time_for_which_one_transaction_was_the_oldest(looks):
    age = HeadAge()
    since: dict[int, int] = {}
    for now, (oldest, ahead) in enumerate(looks):
        found = age.seen(oldest, oldest + ahead, now)
        since = {oldest: since.get(oldest, now)} if ahead else {}
        assert found == (now - since[oldest] if ahead else 0)


async def values(live: Live) -> dict[str, float]:
    response = await live.http.get(f"{live.base}/metrics")
    assert response.status_code == 200
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in response.text.splitlines()
        if not line.startswith("#")
    }


async def test_operations_are_counted_by_kind_and_code_and_by_nothing_else(live: Live):
    before = await values(live)
    token = await live.token("proctor")
    await live.post("{ viewer { user { displayName } } }", token=token)
    await live.post("{ nonsense }", token=token)
    await live.post('{ assignment(id: "x") { id } }')
    await live.post('mutation { sessionSubmit(input: {idempotencyKey: "k"}) { problems { code } } }', token=token)
    after = await values(live)
    grown = {name: after[name] - before.get(name, 0) for name in after if name.startswith("evalium_operations_total")}
    found = {name: number for name, number in grown.items() if number}
    assert found['evalium_operations_total{code="OK",kind="query"}'] == 1
    assert sum(found.values()) == 4
    assert all("INTERNAL" not in name for name in found)
    text = (await live.http.get(f"{live.base}/metrics")).text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text), "an id is in the metrics"
    assert "demo" not in text.lower()


async def test_open_streams_and_their_frames_are_counted(live: Live):
    before = await values(live)
    async with live.socket(await live.token("proctor")):
        during = await values(live)
    name = 'evalium_live_connections{transport="websocket"}'
    assert during[name] == before.get(name, 0) + 1
    sent = 'evalium_frames_sent_total{transport="websocket"}'
    assert during[sent] == before.get(sent, 0) + 1  # connection_ack
    async with asyncio.timeout(10):
        while (await values(live))[name] != before.get(name, 0):
            await asyncio.sleep(0.05)


async def test_an_open_writing_transaction_makes_the_streams_head_older(live: Live):
    age = HeadAge()
    assert live.database.admin_dsn is not None
    async with connected(live.database.admin_dsn) as admin, admin.transaction():
        await admin.execute("select pg_current_xact_id()")
        async with connected(live.database.app_dsn) as application:
            await application.execute("select pg_current_xact_id()")  # which now waits for the one before
            assert (await doctor._head(application)).health is doctor.Health.WARN
        await _look(live.service.house, age)
        async with asyncio.timeout(10):
            while (await values(live))["evalium_stream_head_age_seconds"] < 0.2:
                await asyncio.sleep(0.05)
                await _look(live.service.house, age)
    async with asyncio.timeout(10):
        while (await values(live))["evalium_stream_head_age_seconds"] > 0:
            await asyncio.sleep(0.05)
            await _look(live.service.house, HeadAge())


async def test_ready_says_what_is_checked_and_turns_with_it(live: Live):
    async with asyncio.timeout(15):
        while (await live.http.get(f"{live.base}/readyz")).json()["status"] != "ready":
            await asyncio.sleep(0.05)
    assert live.database.admin_dsn is not None
    async with connected(live.database.admin_dsn) as admin:
        head = await admin.fetchval("select version_num from alembic_version")
        for found, status, checked in (("0000", 503, "pending"), ("9999", 200, "ok")):
            await admin.execute("update alembic_version set version_num = $1", found)
            response = await live.http.get(f"{live.base}/readyz")
            assert (response.status_code, response.json()["checks"]["migrations"]) == (status, checked)
        await admin.execute("update alembic_version set version_num = $1", head)
    settings = Settings(EVALIUM_HOST="0.0.0.0", EVALIUM_PORT=int(live.base.rpartition(":")[2]))  # noqa: S104 - looked up only
    assert (await asyncio.to_thread(doctor._running, settings)).health is doctor.Health.OK
    live.service.live._is_draining = True
    assert (await asyncio.to_thread(doctor._running, settings)).health is doctor.Health.FAIL
    response = await live.http.get(f"{live.base}/readyz")
    assert (response.status_code, response.json()["checks"]["shutdown"]) == (503, "draining")
    live.service.live._is_draining = False
    live.service.house.hub._echoed_at -= 60
    response = await live.http.get(f"{live.base}/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    finding = await asyncio.to_thread(doctor._running, settings)
    assert (finding.health, "wakeups: silent" in finding.message) == (doctor.Health.WARN, True)
