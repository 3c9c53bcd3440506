"""The ledger's side door: what happens outside of a work, such as a refused request or a failed log-in.

`note` costs no round trip and raises nothing. Notes wait in a bounded queue and are written after the answer, in short
transactions of their own; a database that is away delays them and is told to the log alone. What happens again and
again becomes one row at once and one row with a count for each minute, so that a loop cannot fill the ledger. What is
decided in a work belongs into `Work.record`, in the transaction of the change.
"""

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.dialects.postgresql import insert

from models.activity import Activity
from models.base import uuid7
from services.viewer import Viewer
from services.work import Office, Work, activity_of

MINUTE: Final = 60.0
MOST_WAITING: Final = 10_000
"""Notes and open counts that are kept; what comes beyond them is dropped and counted."""

LARGEST_BATCH: Final = 100
LOOK_EVERY: Final = 1.0
LAST_FLUSH_SECONDS: Final = 3.0

DROPPED = Counter("evalium_audit_dropped", "Events that never reached the ledger, by reason.", ["reason"])

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Note:
    """One row to be. Its id is given at once, so that writing it twice is noticed."""

    id: UUID
    actor: Viewer
    columns: dict[str, Any]


@dataclass(slots=True)
class _Window:
    """A minute in which one event counts only; `more` are those after the first."""

    ends: float
    seconds: float
    note: _Note
    more: int = 0


class Audit:
    """Takes notes for the ledger; one for each process. `run` writes them until it is told to stop."""

    def __init__(self, office: Office, clock: Callable[[], float] = monotonic) -> None:
        self._office = office
        self._clock = clock
        self._waiting: deque[_Note] = deque()
        self._windows: OrderedDict[tuple[str, ...], _Window] = OrderedDict()
        self._wake = asyncio.Event()
        self._is_delayed = False

    def note(
        self,
        actor: Viewer,
        act: str,
        subject: tuple[str, UUID],
        *,
        reason: str | None = None,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        bound: str | None = None,
        seconds: float = MINUTE,
    ) -> None:
        """Take a note of what `actor` did or tried. It never waits and never raises.

        `actor` names the tenant: for nobody in particular, `Viewer(via=Via.ANONYMOUS, tenant_id=..., name=...)`;
        without a tenant there is no ledger, and nothing is kept. With `bound`, events of one actor, act and bound
        within so many `seconds` become one row for the first of them and, when the time is over, one with the `count`
        of all others.
        """
        if actor.tenant_id is None:
            DROPPED.labels("no tenant").inc()
            return
        columns = activity_of(actor, act, subject, reason=reason, before=before, after=after)
        note = _Note(uuid7(), actor, columns)
        if bound is not None and self._counted(note, (str(actor.tenant_id), actor.principal, act, bound), seconds):
            return
        self._keep(note)

    async def run(self, stop: asyncio.Event) -> None:
        """Write notes as they come until `stop` is set, then those that are left."""
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._look(stopped)
                await self.flush()
            await self._last_flush()
        finally:
            stopped.cancel()
            await asyncio.wait([stopped])

    async def flush(self, *, close: bool = False) -> int:
        """Write what waits and return how many rows; `close` also ends the counts that still run."""
        self._settle(close=close)
        written = 0
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(LARGEST_BATCH, len(self._waiting)))]
            left = await self._write(batch)
            written += len(batch) - len(left)
            if left:
                self._waiting.extendleft(reversed(left))
                break
        return written

    def _counted(self, note: _Note, key: tuple[str, ...], seconds: float) -> bool:
        """Count an event into its window if one is open; else open one for it."""
        now = self._clock()
        window = self._windows.get(key)
        if window is not None and now < window.ends:
            window.more += 1
            return True
        if window is not None:
            self._end(self._windows.pop(key))
        while len(self._windows) >= MOST_WAITING:
            self._end(self._windows.popitem(last=False)[1])
        self._windows[key] = _Window(now + seconds, seconds, note)
        return False

    def _end(self, window: _Window) -> None:
        """Note how often an event of a window came again."""
        if window.more:
            told: dict[str, Any] = window.note.columns["after"] or {}
            after: dict[str, Any] = told | {"count": window.more, "seconds": window.seconds}
            self._keep(replace(window.note, id=uuid7(), columns=window.note.columns | {"after": after}))

    def _settle(self, *, close: bool) -> None:
        now = self._clock()
        for key in [key for key, window in self._windows.items() if close or now >= window.ends]:
            self._end(self._windows.pop(key))

    def _keep(self, note: _Note) -> None:
        if len(self._waiting) >= MOST_WAITING:
            DROPPED.labels("queue full").inc()
            return
        self._waiting.append(note)
        self._wake.set()

    async def _look(self, stopped: asyncio.Task[Any]) -> None:
        """Wait for a note, the end, or the next look at the counts; while the database is away, for the look alone."""
        waits = {stopped} if self._is_delayed else {stopped, asyncio.create_task(self._wake.wait())}
        await asyncio.wait(waits, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits - {stopped}:
            wait.cancel()
        self._wake.clear()

    async def _write(self, batch: Sequence[_Note]) -> list[_Note]:
        """Write notes, one transaction for each tenant, and return those that could not be written now."""
        by_tenant: defaultdict[UUID | None, list[_Note]] = defaultdict(list)
        for note in batch:
            by_tenant[note.actor.tenant_id].append(note)
        left: list[_Note] = []
        for tenant_id, notes in by_tenant.items():
            if tenant_id is None:
                continue
            try:
                await self._office.perform(Viewer.system(tenant_id), partial(_insert, notes), repeatable=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, no request may feel it
                left += notes
                self._tell(error)
        if not left and self._is_delayed:
            self._is_delayed = False
            log.info("audit.resumed")
        return left

    def _tell(self, error: Exception) -> None:
        if not self._is_delayed:
            log.warning("audit.delayed", cause=type(error).__name__, waiting=len(self._waiting))
        self._is_delayed = True

    async def _last_flush(self) -> None:
        try:
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                await self.flush(close=True)
        except TimeoutError:
            log.warning("audit.unfinished")
        if self._waiting:
            DROPPED.labels("shutdown").inc(len(self._waiting))
            log.error("audit.lost", rows=len(self._waiting))


async def _insert(notes: Sequence[_Note], work: Work) -> None:
    """Insert rows, those that are there already excepted: a commit whose answer was lost is repeated."""
    rows = [note.columns | {"id": note.id} for note in notes]
    await work.session.execute(insert(Activity).values(rows).on_conflict_do_nothing())
