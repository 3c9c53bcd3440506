"""What people may do, as this process knows it: never older than a second, whether or not the doorbell rings.

A right that was taken away stops working within a second in every process, on open streams too. A right that was
given works at once, because nobody is refused on the word of the cache.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from models.capabilities import Capability
from realtime import topics
from realtime.hub import Hub
from services import credentials, service_tokens
from services.credentials import NOTHING, Authority, Credential
from services.refusals import AccessChanged, Forbidden, Refusal
from services.viewer import Via, Viewer
from services.work import Office, Work

FRESH: Final = 0.8
"""Seconds for which a reading counts, and after which the rights behind open streams are read again."""

STALE: Final = 4.0
"""Seconds after which nothing is delivered on rights that could not be read again."""

MOST_KEPT: Final = 10_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Reading:
    authority: Authority
    at: float


@dataclass(slots=True, eq=False)
class Watch:
    """The rights behind one open stream; `held` is kept current, and `end` is called when the capability is gone.

    With `rooms`, the capability is held within these alone. Without a capability it is the credential alone that has to
    count, as behind an idle socket.
    """

    credential: Credential
    capability: Capability | None
    end: Callable[[Exception], None]
    held: frozenset[Capability]
    rooms: tuple[UUID, ...] | None = None
    at: float = field(default_factory=time.monotonic)

    def learn(self, authority: Authority, at: float) -> None:
        """Take note of what the credential was good for at `at`."""
        self.held, self.at = authority.held, at
        try:
            authority.check()
        except Refusal as refusal:
            self.end(refusal)
            return
        if self.rooms is not None:
            if Capability.ROOMS_PROCTOR not in authority.held:
                self.end(Forbidden(Capability.ROOMS_PROCTOR))
            elif self.rooms != authority.rooms:
                self.end(AccessChanged("The rooms that you proctor have changed."))
        elif self.capability is not None and self.capability not in authority.held:
            self.end(Forbidden(self.capability))


@dataclass(slots=True)
class _Watched:
    """The open streams of one tenant and the task that reads their rights."""

    watches: set[Watch] = field(default_factory=set[Watch])
    task: asyncio.Task[None] | None = None


class Rights:
    """What credentials were good for lately, by tenant; one for each process."""

    def __init__(self, office: Office, hub: Hub) -> None:
        self._office = office
        self._hub = hub
        self._readings: dict[tuple[UUID | None, Credential], _Reading] = {}
        self._watched: dict[UUID, _Watched] = {}
        self._uses: dict[UUID, asyncio.Task[None]] = {}

    def known(self, viewer: Viewer) -> Authority | None:
        """Return what the viewer's credential was good for a moment ago; None when that must be read."""
        credential = Credential.of(viewer)
        reading = None if credential is None else self._readings.get((viewer.tenant_id, credential))
        return reading.authority if reading is not None and time.monotonic() - reading.at < FRESH else None

    async def read(self, work: Work, viewer: Viewer, at: float) -> Authority:
        """Read what the viewer's credential is good for in a snapshot that began at `at`, by the monotonic clock."""
        credential = Credential.of(viewer)
        if credential is None:
            return NOTHING
        authority = (await credentials.read(work, [credential]))[credential]
        self._keep(viewer.tenant_id, credential, _Reading(authority, at))
        if credential.service_token_id is not None and authority.refusal is None:
            self._note_use(viewer.tenant_id, credential.service_token_id, authority)
        return authority

    @contextmanager
    def watch(
        self, viewer: Viewer, capability: Capability, held: frozenset[Capability], end: Callable[[Exception], None]
    ) -> Generator[Watch]:
        """Watch the rights of a viewer for the length of a stream; `end` is told the refusal when one is lost."""
        credential, tenant_id = Credential.of(viewer), viewer.tenant_id
        if credential is None or tenant_id is None:
            raise Forbidden(capability)
        watch = Watch(credential, capability, end, held, viewer.rooms)
        with self._watching(tenant_id, watch):
            yield watch

    @contextmanager
    def watch_credential(self, viewer: Viewer, end: Callable[[Exception], None]) -> Generator[None]:
        """Watch whether a viewer's credential counts; `end` is told the refusal, at each look, once it does not.

        Candidates, nobody and the system have no credential that could end before their token does.
        """
        credential, tenant_id = Credential.of(viewer), viewer.tenant_id
        if credential is None or tenant_id is None:
            yield
            return
        with self._watching(tenant_id, Watch(credential, None, end, frozenset())):
            yield

    @contextmanager
    def _watching(self, tenant_id: UUID, watch: Watch) -> Generator[None]:
        watched = self._watched.setdefault(tenant_id, _Watched())
        watched.watches.add(watch)
        if watched.task is None:
            watched.task = asyncio.create_task(self._keep_current(tenant_id, watched.watches), name="rights")
        try:
            yield
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
        wanted = {watch.credential for watch in watches}
        async with self._office.snapshot(Viewer.system(tenant_id)) as work:
            found = await credentials.read(work, wanted)
        for credential, authority in found.items():
            self._keep(tenant_id, credential, _Reading(authority, at))
        for watch in list(watches):
            if watch.credential in found:
                watch.learn(found[watch.credential], at)

    def _keep(self, tenant_id: UUID | None, credential: Credential, reading: _Reading) -> None:
        if len(self._readings) >= MOST_KEPT:
            self._readings.clear()
        self._readings[tenant_id, credential] = reading

    def _note_use(self, tenant_id: UUID | None, token_id: UUID, authority: Authority) -> None:
        """Have the use of a service token written beside the operation, when none was within the last minute."""
        is_noted = (
            authority.used_at is not None and authority.used_at > datetime.now(UTC) - service_tokens.USE_NOTED_EVERY
        )
        if is_noted or token_id in self._uses or tenant_id is None:
            return
        task = asyncio.create_task(self._write_use(tenant_id, token_id), name="service-token-use")
        self._uses[token_id] = task
        task.add_done_callback(lambda _task: self._uses.pop(token_id, None))

    async def _write_use(self, tenant_id: UUID, token_id: UUID) -> None:
        async def note(work: Work) -> None:
            await service_tokens.note_use(work, token_id)

        viewer = Viewer(via=Via.SERVICE, tenant_id=tenant_id, service_token_id=token_id, name="service token")
        try:
            await self._office.perform(viewer, note, repeatable=True)
        except Exception as error:  # noqa: BLE001 - the next use within this minute notes it again
            log.warning("service_token.use_unnoted", cause=repr(error)[:200])
