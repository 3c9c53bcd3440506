"""Bring the database to the newest revision; ask whether it is there; draft the next revision.

When nothing is pending, the answer comes from one query and a look at the files: alembic, which takes a good part of a
second to load, is not even imported.
"""

import ast
import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent
VERSIONS = HERE / "versions"
_alembic = threading.Lock()  # its context is one for the whole process; the lock between machines is in env.py


class BrokenHistory(Exception):  # noqa: N818 - named for what is wrong
    """The revision files do not form one line, or the database is at a revision that has no file."""


@dataclass(frozen=True)
class Pending:
    """Where the database is and where the code is: `current` is None for a database without any table of ours."""

    current: str | None
    head: str

    def __bool__(self) -> bool:
        """Whether there is anything to do.

        Revisions are numbered. A database may be ahead of the code, while machines are upgraded one after another.
        """
        return self.current is None or self.current < self.head


def head_on_disk(folder: Path = VERSIONS) -> str:
    """Read the newest revision from the files, without running them; refuses a history with two ends."""
    below: dict[str, str | None] = {}
    for path in folder.glob("*.py"):
        names = _assigned_strings(path)
        if "revision" in names:
            below[str(names["revision"])] = names.get("down_revision")
    heads = sorted(set(below) - set(below.values()))
    if len(heads) != 1:
        raise BrokenHistory(f"The migrations must end in one revision; they end in {heads or 'none'}.")
    return heads[0]


def _assigned_strings(path: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign)
            else node.target
            if isinstance(node, ast.AnnAssign)
            else None
        )
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str | None):
            found[target.id] = value.value
    return found


async def pending(dsn: str) -> Pending:
    """Compare database and code; `dsn` may be the application's own login, which may read the version."""
    connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
    connection = await connect(dsn, timeout=10)
    try:
        current: str | None = None
        if await connection.fetchval("select to_regclass('public.alembic_version') is not null"):
            current = await connection.fetchval("select version_num from public.alembic_version")
    finally:
        await connection.close()
    return Pending(current, head_on_disk())


async def upgrade(admin_dsn: str) -> str:
    """Bring the database to the newest revision, one transaction for each migration, and return that revision.

    Several machines may call this at once: one migrates, the others wait for it.
    """
    state = await pending(admin_dsn)
    if state:
        await asyncio.to_thread(_run, admin_dsn, state.head)
    return state.head


def upgrade_blocking(admin_dsn: str) -> str:
    """Do the same from a place without an event loop."""
    return asyncio.run(upgrade(admin_dsn))


def downgrade_blocking(admin_dsn: str, revision: str) -> None:
    """Go back to `revision` ("base" for an empty database); for tests and for operators who know what they lose."""
    from alembic import command  # noqa: PLC0415 - see the module's docstring

    with _alembic:
        command.downgrade(config(admin_dsn), revision)


def draft_blocking(admin_dsn: str, message: str) -> Path:
    """Write the next revision's file from what the models say and the database lacks, and return its path."""
    from alembic import command  # noqa: PLC0415 - see the module's docstring

    settings = config(admin_dsn)
    settings.attributes["compare"] = True
    number = int(head_on_disk().split("_")[0]) + 1
    with _alembic:
        script = command.revision(settings, message=message, autogenerate=True, rev_id=f"{number:04d}")
    if script is None or isinstance(script, list):
        raise BrokenHistory(f"Drafting gave {script!r} instead of one revision.")
    return Path(script.path)


def config(admin_dsn: str) -> "Config":
    """Build alembic's configuration; there is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 - see the module's docstring

    settings = Config()
    settings.set_main_option("script_location", str(HERE).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.attributes["dsn"] = admin_dsn
    return settings


def _run(admin_dsn: str, head: str) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring

    with _alembic:
        command.upgrade(config(admin_dsn), head)
