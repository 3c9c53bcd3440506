"""What people may do, as this process knows it: never older than a second, whether or not the doorbell rings.

A right that was taken away stops working within a second in every process, on open streams too. A right that was
given works at once, because nobody is refused on the word of the cache.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from models.capabilities import Capability
from realtime import topics
from realtime.hub import Hub
from services import identity
from services.refusals import Forbidden
from services.viewer import Viewer
from services.work import Office

FRESH: Final = 0.8
"""Seconds for which a reading counts, and after which the rights behind open streams are read again."""

STALE: Final = 4.0
"""Seconds after which nothing is delivered on rights that could not be read again."""

MOST_KEPT: Final = 10_000

log = structlog.get_logger(__name__)

Person = tuple[UUID, UUID | None]
"""A person in an org unit."""


@dataclass(frozen=True, slots=True)
class _Reading:
    held: frozenset[Capability]
    at: float


@dataclass(slots=True, eq=False)
class Watch:
    """The rights behind one open stream; `held` is kept current, and `end` is called when the capability is gone."""

    person: Person
    capability: Capability
    end: Callable[[Exception], None]
    held: frozenset[Capability]
    at: float = field(default_factory=time.monotonic)

    def learn(self, held: frozenset[Capability], at: float) -> None:
        """Take note of what the person could do at `at`."""
        self.held, self.at = held, at
        if self.capability not in held:
            self.end(Forbidden(self.capability))


@dataclass(slots=True)
class _Watched:
    """The open streams of one tenant and the task that reads their rights."""

    watches: set[Watch] = field(default_factory=set[Watch])
    task: asyncio.Task[None] | None = None


class Rights:
    """The capabilities that were read lately, by tenant, person and org unit; one for each process."""

    def __init__(self, office: Office, hub: Hub) -> None:
        self._office = office
        self._hub = hub
        self._readings: dict[tuple[UUID | None, Person], _Reading] = {}
        self._watched: dict[UUID, _Watched] = {}

    def known(self, viewer: Viewer) -> frozenset[Capability] | None:
        """Return what the viewer could do a moment ago; None when that must be read."""
        person = _person(viewer)
        reading = None if person is None else self._readings.get((viewer.tenant_id, person))
        return reading.held if reading is not None and time.monotonic() - reading.at < FRESH else None

    def note(self, viewer: Viewer, held: frozenset[Capability], at: float) -> None:
        """Keep what was read in a snapshot that began at `at`, by the monotonic clock."""
        person = _person(viewer)
        if person is not None:
            self._keep(viewer.tenant_id, person, _Reading(held, at))

    @contextmanager
    def watch(
        self, viewer: Viewer, capability: Capability, held: frozenset[Capability], end: Callable[[Exception], None]
    ) -> Generator[Watch]:
        """Watch the rights of a viewer for the length of a stream; `end` is told the refusal when one is lost."""
        person, tenant_id = _person(viewer), viewer.tenant_id
        if person is None or tenant_id is None:
            raise Forbidden(capability)
        watch = Watch(person, capability, end, held)
        watched = self._watched.setdefault(tenant_id, _Watched())
        watched.watches.add(watch)
        if watched.task is None:
            watched.task = asyncio.create_task(self._keep_current(tenant_id, watched.watches), name="rights")
        try:
            yield watch
        finally:
            watched.watches.discard(watch)
            if not watched.watches and self._watched.get(tenant_id) is watched:
                del self._watched[tenant_id]
                watched.task.cancel()

    async def ensure(self, viewer: Viewer, watch: Watch) -> None:
        """Read the rights behind a stream now if they have not been for a while, as when the database is overloaded."""
        if viewer.tenant_id is not None and time.monotonic() - watch.at > STALE:
            await self._read(viewer.tenant_id, {watch})

    async def _keep_current(self, tenant_id: UUID, watches: set[Watch]) -> None:
        with self._hub.follow(topics.rights(tenant_id)) as bell:
            while True:
                await bell.wait(FRESH)
                try:
                    await self._read(tenant_id, watches)
                except Exception as error:  # noqa: BLE001 - tried again; `ensure` bounds for how long
                    log.warning("rights.unread", cause=repr(error)[:200])

    async def _read(self, tenant_id: UUID, watches: set[Watch]) -> None:
        at = time.monotonic()
        people = {watch.person for watch in watches}
        async with self._office.snapshot(Viewer.system(tenant_id)) as work:
            held = await identity.capabilities_of(work, people)
        for person in people:
            self._keep(tenant_id, person, _Reading(held[person], at))
        for watch in list(watches):
            if watch.person in held:
                watch.learn(held[watch.person], at)

    def _keep(self, tenant_id: UUID | None, person: Person, reading: _Reading) -> None:
        if len(self._readings) >= MOST_KEPT:
            self._readings.clear()
        self._readings[tenant_id, person] = reading


def _person(viewer: Viewer) -> Person | None:
    return None if viewer.user_id is None else (viewer.user_id, viewer.org_unit_id)
