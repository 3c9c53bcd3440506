"""Workers of the queue, killed again and again while mails are asked for; then a poisonous job, and a frozen worker.

python -m bench.chaos_jobs ADDRESS DSN FOLDER HEARTBEAT starts one worker of the trial.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - asyncpg ships none
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jobs.handlers import HANDLERS
from jobs.handling import Handler, Task, Tools
from jobs.worker import Pace, Worker
from mail.outbox import Outbox
from mail.post import Letter, Receipt, Sender
from models.base import uuid7
from realtime.hub import Hub
from server import database, doctor_engines
from server.addresses import DatabaseAddress
from server.cluster import Cluster
from services import identity, jobs, messages
from services.messages import Draft, Recipient
from services.tokens import Tokens
from services.vault import Vault
from services.viewer import Viewer
from services.work import Office, Work
from storage.local import LocalStorage

POISON: Final = "chaos.poison"
FROZEN: Final = "chaos.frozen"
WORKERS: Final = 3
VAULT: Final = Vault(bytes(32))
SETTLED: Final = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trial has found."""

    kills: int
    asked: int
    lost: int
    twice: int
    """Effects that are there twice: messages with more than one end."""

    handed_over_twice: int
    """Mails that the outbox was given a second time, because a worker died before it could write down the first."""

    poison_begun: int
    poison_seconds: float
    poison_told: str
    frozen_seconds: float


class SlowPost:
    """The outbox, taking its time, so that kills hit jobs in the middle; notes each hand-over."""

    def __init__(self, folder: Path) -> None:
        self._outbox = Outbox(folder / "outbox", Sender("chaos@example.org"))
        self._notes = folder / "handed-over"

    async def deliver(self, letter: Letter) -> Receipt:
        """Keep a mail after a moment."""
        await asyncio.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - a trial
        receipt = await self._outbox.deliver(letter)
        with self._notes.open("a") as notes:
            notes.write(f"{letter.id}\n")
        await asyncio.sleep(0.02)
        return receipt

    async def close(self) -> None:
        """Nothing is held open."""


async def _poison(_tools: Tools, _task: Task) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.Event().wait()


async def _frozen(tools: Tools, task: Task) -> None:
    """Freeze the first worker that begins it; whoever comes later is done at once, and says so."""
    folder = Path(str(task.payload["folder"]))
    mark = folder / "frozen"
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
        await asyncio.Event().wait()
    (folder / "thawed").touch()
    assert tools.office  # noqa: S101 - it is given, and not needed


async def work(url: str, dsn: str, folder: Path, heartbeat: float) -> None:
    """Be one worker, until killed."""
    jobs.NAMES = jobs.NAMES | {POISON, FROZEN}  # pyright: ignore[reportConstantRedefinition, reportAttributeAccessIssue] - for this trial
    hub = Hub.over(dsn)
    await hub.start()
    office = Office(url, ring=hub.ring, vault=VAULT, pool_size=8)
    tools = Tools(
        office,
        SlowPost(folder),
        Tokens(Ed25519PrivateKey.generate()),
        "http://site.example",
        LocalStorage(folder / "files"),
    )
    extra = [Handler(name=POISON, act=_poison), Handler(name=FROZEN, act=_frozen)]
    pace = Pace(heartbeat=timedelta(seconds=heartbeat))
    await Worker(dsn, hub, tools, handlers=[*HANDLERS, *extra], pace=pace).run(asyncio.Event())


class Crew:
    """Workers as processes, each replaced when it dies."""

    def __init__(self, command: Sequence[str], workers: int) -> None:
        self._command = command
        self._workers = workers
        self._alive: list[asyncio.subprocess.Process] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._over = False

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None, None]:
        """Keep them at work for the length of the block."""
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._workers)]
        try:
            yield
        finally:
            self._over = True
            for process in self._alive:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await asyncio.gather(*self._keepers)

    async def _keep(self) -> None:
        while not self._over:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            self._alive.append(process)
            await process.wait()
            self._alive.remove(process)

    @property
    def pids(self) -> list[int]:
        """Those that are alive, by their ids."""
        return [process.pid for process in self._alive]

    def kill(self, pid: int) -> bool:
        """Kill one of them, and tell whether it was alive."""
        for process in self._alive:
            if process.pid == pid and process.returncode is None:
                process.kill()
                return True
        return False

    def kill_one(self) -> bool:
        """Kill any of them, and tell whether there was one."""
        with contextlib.suppress(ProcessLookupError, IndexError):
            random.choice(self._alive).kill()  # noqa: S311 - a trial
            return True
        return False


async def trial(kills: int, *, heartbeat: float = 15.0, every: float = 1.0) -> Outcome:
    """Run all three parts on a database of their own."""
    folder = new_folder()
    cluster = Cluster(folder / "data", fast=True)
    await asyncio.to_thread(cluster.start)
    try:
        address = await database.prepare_embedded(cluster, "chaos")
        await database.migrate(address)
        return await _parts(address, folder, kills, heartbeat, every)
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder)


def new_folder() -> Path:
    """Make a folder, and one in it for the database, that the user of PostgreSQL may enter."""
    folder = Path(tempfile.mkdtemp(prefix="evj-"))
    (folder / "data").mkdir()
    for one in (folder, folder / "data"):
        one.chmod(0o755)
    return folder


async def _parts(address: DatabaseAddress, folder: Path, kills: int, heartbeat: float, every: float) -> Outcome:
    hub = Hub.over(address.app_dsn)
    await hub.start()
    office = Office(address.app, ring=hub.ring, vault=VAULT, pool_size=4)
    connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] - typed in part only
    admin = await connect(address.admin_dsn)
    what = [address.app, address.app_dsn, str(folder), str(heartbeat)]
    crew = Crew([sys.executable, "-m", "bench.chaos_jobs", *what], WORKERS)
    try:
        viewer = await _tenant(office)
        async with crew.at_work():
            asked = await _killing(office, viewer, crew, kills, every)
            await _until(admin, "select count(*) = 0 from jobs.pgqueuer where entrypoint = 'messages.deliver'")
            begun, seconds, told = await _poisoning(office, viewer, admin, address)
            frozen = await _freezing(office, viewer, folder)
        lost, twice = await _count(admin, asked)
    finally:
        await admin.close()
        await office.close()
        await hub.stop()
    handed = Counter((folder / "handed-over").read_text().split())
    again = sum(count - 1 for count in handed.values())
    return Outcome(kills, len(asked), lost, twice, again, begun, seconds, told, frozen)


async def _tenant(office: Office) -> Viewer:
    async def act(work: Work) -> identity.NewTenant:
        return await identity.found_tenant(work, name="Chaos", slug="chaos", time_zone="UTC", org_unit="Main")

    tenant = await office.perform(Viewer.system(uuid7()), act)
    return Viewer.system(tenant.tenant_id)


async def _killing(office: Office, viewer: Viewer, crew: Crew, kills: int, every: float) -> list[UUID]:
    """Ask for mails while workers are killed; return what was asked for."""
    asked: list[UUID] = []
    stop = asyncio.Event()

    async def ask(work: Work) -> list[UUID]:
        values = {"person_name": "A", "tenant_name": "C", "link": "https://example.org/#1", "invited_by": ""}
        drafts = [Draft(Recipient(f"p{n}@example.org"), values, None) for n in range(5)]
        return await messages.send_all(work, "welcome", drafts)

    async def load() -> None:
        while not stop.is_set():
            asked.extend(await office.perform(viewer, ask))
            await asyncio.sleep(0.1)

    loading = asyncio.create_task(load())
    for _ in range(kills):
        await asyncio.sleep(random.uniform(0.6, 1.4) * every)  # noqa: S311 - a trial
        crew.kill_one()
    stop.set()
    await loading
    return asked


async def _poisoning(office: Office, viewer: Viewer, admin: Any, address: DatabaseAddress) -> tuple[int, float, str]:
    """Ask for a job that kills its worker; return how often it was begun, how long that took, what doctor says."""
    began = monotonic()
    await _ask(office, viewer, POISON, {})
    await _until(
        admin, "select count(*) = 1 from jobs.pgqueuer where entrypoint = 'chaos.poison' and status = 'failed'"
    )
    picked = "select count(*) from jobs.pgqueuer_log where entrypoint = 'chaos.poison' and status = 'picked'"
    begun = int(await admin.fetchval(picked)) - 1  # the last one was parked instead of begun
    seconds = monotonic() - began
    told = [finding.message for finding in await doctor_engines.queue_of(address.app_dsn)]
    return begun, seconds, " ".join(told)


async def _freezing(office: Office, viewer: Viewer, folder: Path) -> float:
    """Ask for a job whose worker is frozen in the middle; return after how long another one had done it."""
    await _ask(office, viewer, FROZEN, {"folder": str(folder)})
    async with asyncio.timeout(SETTLED):
        while not (folder / "frozen").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        began = monotonic()
        while not (folder / "thawed").exists():  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.02)
    return monotonic() - began


async def _ask(office: Office, viewer: Viewer, name: str, payload: dict[str, Any]) -> None:
    jobs.NAMES = jobs.NAMES | {name}  # pyright: ignore[reportConstantRedefinition, reportAttributeAccessIssue] - for this trial
    await office.perform(viewer, lambda work: jobs.enqueue(work, name, payload))


async def _until(admin: Any, condition: str) -> None:
    async with asyncio.timeout(SETTLED * 2):
        while not await admin.fetchval(condition):  # noqa: ASYNC110 - the database cannot tell us
            await asyncio.sleep(0.1)


async def _count(admin: Any, asked: list[UUID]) -> tuple[int, int]:
    """Return how many messages have no end, and how many have more than one."""
    rows = await admin.fetch("select message_id, count(*) as ends from message_events where kind = 'sent' group by 1")
    ends = {row["message_id"]: row["ends"] for row in rows}
    return sum(one not in ends for one in asked), sum(ends.get(one, 0) > 1 for one in asked)


if __name__ == "__main__":
    address_, dsn_, folder_, heartbeat_ = sys.argv[1:]
    asyncio.run(work(address_, dsn_, Path(folder_), float(heartbeat_)))
