"""The commands as an operator types them, each in a process of its own."""

import asyncio
import base64
import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import jwt
import pytest
import websockets

from server.cluster import ADMIN
from server.driver import connected
from tests.external import old_server
from tests.walks.process import (
    Served,
    begin,
    data_directory,
    evalium,
    free_port,
    is_quiet,
    launch,
    left_over,
    running,
    wait_until_quiet,
)

ROLES = ["admin", "author", "proctor", "assessor", "viewer"]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A server on its first start."""
    with data_directory() as data, running(data) as server:
        yield server


@pytest.fixture(scope="module")
def stopped() -> Iterator[Path]:
    """The data of a server that was started once and stopped."""
    with data_directory() as data:
        launch(data).end(signal.SIGINT)
        yield data


def claims(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


def identity(token: str) -> list[object]:
    return [claims(token)[name] for name in ("tenant", "sub", "org_unit", "roles")]


async def test_the_first_start_prints_a_table_and_tokens_that_work(served: Served):
    for path in ("/graphiql", "/graphql", "/graphql/stream", "/healthz"):
        assert served.base + path in served.told
    assert "Stop with Ctrl-C." in served.told
    assert list(served.tokens) == ROLES
    assert len(served.told.splitlines()) < 16
    async with served.visited() as live:
        for role, token in served.tokens.items():
            viewer = (await live.ask("Viewer", token=token))["viewer"]
            assert viewer["user"]["displayName"] == f"Demo {role.capitalize()}"
            assert viewer["tenant"]["name"] == "Demonstration"
            assert viewer["capabilities"]
    assert "Traceback" not in served.complained


async def test_a_second_start_founds_nothing_again(stopped: Path):
    seen = []
    for _ in range(2):
        with running(stopped) as again:
            seen.append({role: identity(token) for role, token in again.tokens.items()})
            async with connected(again.database.admin_dsn) as connection:
                assert await connection.fetchval("select count(*) from tenants") == 2
    assert seen[0] == seen[1]
    assert list(seen[0]) == ROLES


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_everything_in_order(stopped: Path, name: signal.Signals):
    server = launch(stopped)
    async with server.visited() as live, live.socket(server.tokens["proctor"]) as socket_of_a_proctor:
        status = await asyncio.to_thread(server.end, name)
        assert status == 0
        assert left_over(stopped) == []
        assert is_quiet(stopped)
        with pytest.raises(websockets.ConnectionClosedError) as goodbye:
            await socket_of_a_proctor.recv()
        assert goodbye.value.rcvd is not None
        assert goodbye.value.rcvd.code == 1012
    assert "Traceback" not in server.complained
    assert '"error"' not in server.complained
    assert not (stopped / "postgres" / "postmaster.pid").exists()


def test_a_signal_during_the_start_leaves_nothing(stopped: Path):
    """Whenever it comes; and the next start works."""
    with running(stopped) as whole:
        took = whole.took
    for share in (0.3, 0.6, 0.75, 0.9):
        server = begin(stopped)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(took * share)
        assert server.end(signal.SIGINT) in {0, 1, 130, -signal.SIGINT}
        assert is_quiet(stopped), left_over(stopped)
    with running(stopped) as next_one:
        assert list(next_one.tokens) == ROLES


def test_a_killed_server_leaves_no_postgres(stopped: Path):
    server = launch(stopped)
    assert not is_quiet(stopped)
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    seconds = wait_until_quiet(stopped, 5.0)
    assert seconds is not None, left_over(stopped)
    print(f"killed: nothing left after {seconds:.2f} s")  # noqa: T201 - a figure for the record


def test_a_busy_port_is_a_clear_message(stopped: Path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        answer = evalium(stopped, "serve", EVALIUM_PORT=str(port))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"127.0.0.1:{port}" in answer.stderr
    assert "EVALIUM_PORT" in answer.stderr
    assert len(answer.stderr.splitlines()) == 2
    assert is_quiet(stopped)


def test_a_second_server_on_one_data_directory_is_a_clear_message(served: Served):
    answer = evalium(served.data, "serve", EVALIUM_PORT=str(free_port()))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"process {served.process.pid}" in answer.stderr
    assert str(served.data) in answer.stderr
    assert len(answer.stderr.splitlines()) == 2


def test_a_setting_that_cannot_be_read_is_a_clear_message(stopped: Path):
    answer = evalium(stopped, "serve", EVALIUM_PORT="http")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "EVALIUM_PORT: Input should be a valid integer" in answer.stderr
    assert len(answer.stderr.splitlines()) == 2


@pytest.mark.parametrize("tenant", ["demo", "second"])
@pytest.mark.parametrize("is_running", [True, False])
async def test_token_prints_one_token_and_nothing_else(served: Served, stopped: Path, tenant: str, *, is_running: bool):
    data = served.data if is_running else stopped
    answer = evalium(data, "token", "--role", "proctor", "--tenant", tenant)
    assert (answer.returncode, answer.stderr) == (0, "")
    (token,) = answer.stdout.splitlines()
    assert claims(token)["name"] == "Demo Proctor"
    if is_running:
        async with served.visited() as live:
            name = (await live.ask("Viewer", token=token))["viewer"]["tenant"]["name"]
        assert name == {"demo": "Demonstration", "second": "Second demonstration"}[tenant]
        assert (identity(token) == identity(served.tokens["proctor"])) is (tenant == "demo")
    else:
        assert is_quiet(data)


def test_a_token_can_be_asked_for_before_the_first_start():
    with data_directory() as data:
        answer = evalium(data, "token", "--role", "admin")
        assert (answer.returncode, answer.stderr) == (0, "")
        with running(data) as server:
            assert identity(server.tokens["admin"]) == identity(answer.stdout.strip())


@pytest.mark.parametrize("role", ["boss", ""])
def test_an_unknown_role_is_a_clear_message(stopped: Path, role: str):
    answer = evalium(stopped, "token", "--role", role)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert len(answer.stderr.splitlines()) == 2


@pytest.mark.parametrize("is_running", [True, False])
def test_doctor_finds_a_healthy_installation_healthy(served: Served, stopped: Path, *, is_running: bool):
    answer = evalium(served.data if is_running else stopped, "doctor")
    assert answer.returncode == 0, answer.stdout
    assert "FAIL" not in answer.stdout.upper()
    assert "fsync is on" in answer.stdout


@pytest.mark.parametrize("is_running", [True, False])
def test_migrate_says_the_revision(served: Served, stopped: Path, *, is_running: bool):
    answer = evalium(served.data if is_running else stopped, "migrate")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert re.fullmatch(r"The database is at revision \d{4}\.\n", answer.stdout)


def test_an_examination_day_ends_with_nothing_missing(served: Served):
    arguments = ("demo", "--candidates", "4", "--speed", "400")
    answer = evalium(served.data, *arguments, seconds=180, EVALIUM_PORT=served.port)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 missing, 0 twice" in answer.stdout
    assert "Traceback" not in served.complained


def test_a_demo_without_a_server_says_how_to_start_one(stopped: Path):
    answer = evalium(stopped, "demo", EVALIUM_PORT=str(free_port()))
    assert answer.returncode == 1
    assert "make serve" in answer.stderr
    assert "Traceback" not in answer.stderr


async def test_database_url_serves_from_an_older_postgres_of_ones_own():
    """Two machines on one new database: both serve, one founded the tenants, and both know the same people."""
    async with old_server() as old:
        await old.run("CREATE DATABASE exam")
        given = old.url(ADMIN, "exam").get_secret_value()
        with data_directory() as data, data_directory() as other_data:
            more = {"DATABASE_URL": given, "EVALIUM_SIGNING_KEY": base64.b64encode(bytes(range(32))).decode()}
            with ThreadPoolExecutor() as two:
                servers = list(two.map(lambda folder: launch(folder, **more), (data, other_data)))
            try:
                for server in servers:
                    assert await asyncio.to_thread(reports_its_name, server) == "Demo Author"
                assert identity(servers[0].tokens["author"]) == identity(servers[1].tokens["author"])
                assert await old.run("select count(*) from tenants", "exam") == 2
                assert not (data / "postgres").exists()
                answer = evalium(data, "token", "--role", "viewer", **more)
                assert identity(answer.stdout.strip()) == identity(servers[0].tokens["viewer"])
                assert evalium(data, "doctor", **more).returncode == 0
            finally:
                assert [server.end(signal.SIGINT) for server in servers] == [0, 0]


def reports_its_name(server: Served) -> str:
    answer = httpx2.post(
        f"{server.base}/graphql",
        json={"query": "{ viewer { user { displayName } } }"},
        headers={"authorization": f"Bearer {server.tokens['author']}"},
    )
    return answer.json()["data"]["viewer"]["user"]["displayName"]
