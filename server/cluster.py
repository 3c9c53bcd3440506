"""The embedded PostgreSQL: set up once, started with the service, gone with it however the service ends.

A thread of its own starts `postgres` and waits for it, because the kernel's promise to interrupt a child
(PR_SET_PDEATHSIG) is tied to the thread that started it. If the postmaster is killed, the same thread starts it
again. The lock on the data directory is inherited by every process of the cluster, so that holding it proves that none
of them is left.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Self
from urllib.parse import quote

import structlog

from server.postgres_files import (
    account_for,
    carried_programs,
    data_argument,
    reachable_programs,
    socket_folder,
)
from server.setup_errors import ClusterError, DataDirectoryInUse

ADMIN = "evalium_admin"
CHILD = Path(__file__).with_name("postgres_child.py")
LOG_LIMIT_BYTES = 10_000_000
START_SECONDS = 120.0
STOP_SECONDS = 10.0
LEFTOVER_SECONDS = 15.0
BUILTIN_LOCALE_SINCE = 17

log = structlog.get_logger(__name__)

SAFE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
}
ALWAYS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "max_connections": "100",
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    "password_encryption": "scram-sha-256",
}


class Cluster:
    """One PostgreSQL cluster in `data`/postgres, reached by a socket that only our user can open.

    `programs` is a bin directory (the carried PostgreSQL 18 when None). `fast` gives up durability: for tests.
    `port` adds a listener on 127.0.0.1 that asks for scram passwords. `watchdog` uses a guarding process instead of
    the kernel's parent-death signal, which only Linux has.
    """

    def __init__(
        self,
        data: Path,
        *,
        programs: Path | None = None,
        fast: bool = False,
        port: int | None = None,
        watchdog: bool = sys.platform != "linux",
    ) -> None:
        self.data = data
        self.folder = data / "postgres"
        self.log_path = data / "postgres.log"
        self.port = port or 5432
        self.sockets = data / "run"
        self._listens = port is not None
        self._fast = fast
        self._watchdog = watchdog
        self._account = account_for(self.folder)
        self._programs = reachable_programs(programs or carried_programs(), self._account)
        self._lock: int | None = None
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None while none runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def exists(self) -> bool:
        """Whether the folder holds a cluster already."""
        return (self.folder / "PG_VERSION").exists()

    def find_running(self) -> None:
        """Find the socket of a cluster that another process runs, instead of starting it."""
        self.sockets = socket_folder(self.data, self._account)

    def dsn(self, user: str = ADMIN, database: str = "postgres") -> str:
        """Address of `database` over the socket, in the form asyncpg takes."""
        port = f"&port={self.port}" if self._listens else ""
        return f"postgresql://{user}@/{quote(database)}?host={quote(str(self.sockets), safe='/')}{port}"

    def start(self) -> None:
        """Set up the folder if it is new, start PostgreSQL and return when it takes connections."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            self._lock = _acquire(self.data / "postgres.lock")
            self.sockets = socket_folder(self.data, self._account)
            if not self.exists:
                self._initialise()
            self._check_version()
            _clear_stale_pid_file(self.folder)
            if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
            self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
            self._stopping.clear()
            self._thread = threading.Thread(target=self._supervise, name="evalium-postgres", daemon=True)
            self._thread.start()
            self._await_ready()
        except PermissionError as error:
            self.stop()
            raise ClusterError(
                f"This user may not use {error.filename}.",
                hint="Start as the user who made the data directory, or set EVALIUM_DATA to a folder of your own.",
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End PostgreSQL in order (fast shutdown), harder if it does not answer; safe to call twice."""
        self._stopping.set()
        for name, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if self._thread is None:
                break
            if self._process is not None:
                self._process.send_signal(name)
            self._thread.join(seconds)
            if not self._thread.is_alive():
                self._thread = None
        self._process = None
        if self._lock is not None and self.sockets.parent != self.data:
            with contextlib.suppress(OSError):  # a folder for short paths outlives us only if something else is in it
                self.sockets.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, folder: Path, program: str, arguments: list[str], log_to: int) -> subprocess.Popen[bytes]:
        assert self._lock is not None  # noqa: S101 - start() holds it
        mode = "loose" if self._watchdog else "tied"
        command = [sys.executable, "-I", "-S", str(CHILD), mode, str(os.getpid())]
        command += [str(self._account.uid), str(self._account.gid), str(folder), str(self._programs / program)]
        return subprocess.Popen(  # noqa: S603 - our own launcher with our own arguments
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log_to,
            stderr=log_to,
            pass_fds=(self._lock,),
            start_new_session=True,  # Ctrl-C in the terminal is for us; we stop postgres when we are done
        )

    def _initialise(self) -> None:
        draft = self.data / "postgres.new"  # renamed when complete: a set-up cut short is never taken for a cluster
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._account.changes:
            os.chown(draft, self._account.uid, self._account.gid)
        arguments = ["-D", data_argument(draft, self._account), "-U", ADMIN, "--encoding=UTF8", "--data-checksums"]
        arguments += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        if self._major() >= BUILTIN_LOCALE_SINCE:  # the same order on every system, also where libc has no C.UTF-8
            arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            arguments += ["--locale=C.UTF-8"]
        if self._fast:
            arguments += ["--no-sync"]
        with _opened_log(self.log_path) as log_to:
            status = self._launch(draft, "initdb", arguments, log_to).wait()
        if status != 0:
            raise ClusterError(f"initdb ended with status {status}: {self._log_tail()}\nLog: {self.log_path}")
        draft.rename(self.folder)

    def _major(self) -> int:
        answer = subprocess.run(  # noqa: S603 - a program of the chosen installation
            [self._programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"\) (\d+)", answer)
        if found is None:
            raise ClusterError(f"{self._programs / 'postgres'} does not say its version: {answer!r}")
        return int(found[1])

    def _check_version(self) -> None:
        kept, ours = int((self.folder / "PG_VERSION").read_text().strip()), self._major()
        if kept != ours:
            raise ClusterError(
                f"{self.folder} was written by PostgreSQL {kept}; the embedded one is {ours}.",
                hint="Dump it with the old version and load it into a new folder, or set EVALIUM_DATA to a new one.",
            )

    def _arguments(self) -> list[str]:
        options = ALWAYS | (FAST if self._fast else SAFE)
        options |= {"listen_addresses": "127.0.0.1" if self._listens else "", "port": str(self.port)}
        options |= {"unix_socket_directories": str(self.sockets)}
        pairs = [f"{name}={value}" for name, value in options.items()]
        return ["-D", data_argument(self.folder, self._account), *(part for pair in pairs for part in ("-c", pair))]

    def _supervise(self) -> None:
        pause = 0.05
        while not self._stopping.is_set():
            with _opened_log(self.log_path) as log_to:
                process = self._launch(self.folder, "postgres", self._arguments(), log_to)
            self._process = process
            started = time.monotonic()
            with _guarded(process.pid) if self._watchdog else contextlib.nullcontext():
                if self._stopping.is_set():  # stop() may have come before it could see this process
                    process.send_signal(signal.SIGINT)
                status = process.wait()
            if not self._stopping.is_set():
                log.error("postgres_ended", status=status, log=str(self.log_path), again_in_seconds=pause)
                self._stopping.wait(pause)
                pause = 0.05 if time.monotonic() - started > START_SECONDS else min(pause * 2, 5.0)

    def _await_ready(self) -> None:
        ask = [self._programs / "pg_isready", "-q", "-h", str(self.sockets), "-p", str(self.port)]
        ask += ["-t", "2", "-U", ADMIN, "-d", "postgres"]
        deadline = time.monotonic() + START_SECONDS
        first: subprocess.Popen[bytes] | None = None
        while time.monotonic() < deadline:
            first = first or self._process
            if first is not None and first.returncode is not None:
                raise ClusterError(f"PostgreSQL did not start: {self._log_tail()}\nLog: {self.log_path}")
            if first is not None and subprocess.run(ask, check=False).returncode == 0:  # noqa: S603 - see _major
                return
            time.sleep(0.01)
        raise ClusterError(f"PostgreSQL took longer than {START_SECONDS:.0f} s to start. Log: {self.log_path}")

    def _log_tail(self) -> str:
        with self.log_path.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace").strip()[-2000:]


@contextlib.contextmanager
def _opened_log(path: Path) -> Generator[int]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def _guarded(pid: int) -> Generator[None]:
    """Keep a process beside `pid` that interrupts it when we vanish: its standard input is a pipe that we hold."""
    command = [sys.executable, "-I", "-S", str(CHILD), "watch", str(pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as guard:  # noqa: S603 - our own
        try:
            yield
        finally:
            guard.communicate(b".")


def _acquire(path: Path) -> int:
    """Lock the data directory; wait a moment for a cluster whose service was killed to finish closing."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode("ascii", errors="replace").strip()
            if _runs(holder) or time.monotonic() > deadline:
                os.close(handle)
                raise DataDirectoryInUse(
                    f"Another Evalium (process {holder or 'unknown'}) already uses the data directory {path.parent}."
                ) from None
            time.sleep(0.02)
        else:
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            return handle


def _runs(pid: str) -> bool:
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _clear_stale_pid_file(folder: Path) -> None:
    """Remove a postmaster.pid that a killed machine or container left; its number may be another program's by now.

    We hold the lock that every process of ours inherits; only a server started by hand could still be there, and on
    Linux its working directory gives it away. Elsewhere PostgreSQL's own check decides.
    """
    path = folder / "postmaster.pid"
    if not path.exists() or sys.platform != "linux":
        return
    lines = path.read_text(errors="replace").splitlines()
    pid = lines[0].strip() if lines else ""
    with contextlib.suppress(FileNotFoundError, PermissionError):  # gone, or another user's and so not ours
        if pid.isdecimal() and Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve():
            raise DataDirectoryInUse(
                f"A PostgreSQL started by hand (process {pid}) runs on {folder}.", hint=f"Stop it: kill -INT {pid}"
            )
    path.unlink()
