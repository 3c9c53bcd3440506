"""The streams that are followed in this process: one reader for each stream and scope, whoever follows it."""

from collections.abc import Hashable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from dataloaders import identity as identity_loaders
from dataloaders import sessions as session_loaders
from dataloaders.registry import Loaders
from models.sessions import SessionEvent
from realtime import shared
from realtime.cursors import Cursors, Position
from realtime.hub import Hub
from realtime.shared import SharedReader
from realtime.tail import Page
from services import streams
from services.refusals import CursorExpired, Refusal
from services.streams import Stream
from services.viewer import Viewer
from services.work import Office, Work


@dataclass(frozen=True, slots=True)
class Frame:
    """What a stream delivers at once: events in commit order, and the cursor behind the last of them.

    Followers at the head of a stream share one object; `once` keeps what was made of it for all of them.
    """

    cursor: str
    as_of: datetime
    events: Sequence[SessionEvent]
    heartbeat: bool
    once: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any], compare=False)


class Key:
    """Stands for a question and a standing, so that they need not be compared for every frame."""

    __slots__ = ("__weakref__",)


class Lent:
    """A snapshot that a frame was read in, and what the answers to it will ask for, if that was read with it."""

    def __init__(self, work: Work, read_at: datetime, shown: streams.Shown | None) -> None:
        self.work = work
        self._shown = shown
        self._loaders: Loaders | None = None
        work.read_at = read_at

    def prime(self, loaders: Loaders) -> None:
        """Give what was read with the frame to the loaders of an operation in the same snapshot and scope."""
        self._loaders = loaders
        if self._shown is not None:
            loaders.of(session_loaders.by_id).prime(self._shown.sessions)
            loaders.of(identity_loaders.users).prime(self._shown.people)

    @property
    def is_asked(self) -> bool:
        """Whether the newest operation has asked for sessions and people."""
        asked = (session_loaders.by_id, identity_loaders.users)
        return self._loaders is not None and all(self._loaders.of(one).is_asked for one in asked)


class Source:
    """One stream as one scope sees it. Rows are read in the scope alone, so that all who share it may see them."""

    def __init__(self, office: Office, hub: Hub, stream: Stream, scope: Viewer, secret: bytes) -> None:
        self._office = office
        self._stream = stream
        self._scope = scope
        self._secret = secret
        self._epoch: str | None = None
        self._is_sure = False
        self._keys: WeakValueDictionary[Hashable, Key] = WeakValueDictionary()
        self._lent: Lent | None = None
        self._is_asked = False
        self._kept = AsyncExitStack()
        self.reader = SharedReader[SessionEvent](
            lambda: hub.follow(stream.topic),
            self._read,
            _place,
            ahead=self._read_ahead,
            release=self._release,
            final=(Refusal,),
        )

    def lent_to(self, scope: Viewer) -> Lent | None:
        """Return the snapshot that the newest frame was read in, while it is open, to who sees the very same rows."""
        return self._lent if scope == self._scope else None

    def show(self, frame: shared.Frame[SessionEvent]) -> Frame:
        """Return a frame with its cursor, the same object for the same frame."""
        shown = frame.once.get(Frame)
        if shown is None:
            sealed = Cursors(self._secret, self._epoch or "").issue(self._stream.name, frame.position, frame.as_of)
            shown = frame.once[Frame] = Frame(sealed, frame.as_of, frame.rows, frame.heartbeat)
        return shown

    def key(self, what: Hashable) -> Key:
        """Return the one key of what an answer depends on beside its frame, for as long as somebody holds it."""
        key = self._keys.get(what)
        if key is None:
            key = self._keys[what] = Key()
        return key

    async def _read(self, position: Position, limit: int) -> Page[SessionEvent]:
        try:
            async with self._office.following(self._scope) as work:
                return await self._page(work, position, limit)
        except Exception:
            self._is_sure = False
            raise

    async def _read_ahead(self, position: Position, limit: int) -> Page[SessionEvent]:
        """Read for all followers; where something is new, the snapshot stays open for the answers to it."""
        try:
            async with AsyncExitStack() as opened:
                work = await opened.enter_async_context(self._office.following(self._scope))
                shown: streams.Shown | None = None
                if self._is_sure and self._is_asked and self._stream.is_of_sessions:
                    page, shown = await streams.events_shown(work, self._stream, position, limit)
                else:
                    page = await self._page(work, position, limit)
                if page.rows:
                    self._lent, self._kept = Lent(work, page.as_of, shown), opened.pop_all()
                return page
        except Exception:
            self._is_sure = False
            raise

    async def _release(self) -> None:
        """Let go of the snapshot that was kept open, and note what the answers asked for."""
        if self._lent is not None:
            self._is_asked = self._lent.is_asked
        self._lent = None
        await self._kept.aclose()

    async def _page(self, work: Work, position: Position, limit: int) -> Page[SessionEvent]:
        if not self._is_sure:
            await self._identify(work)
        return await streams.events(work, self._stream, position, limit)

    async def _identify(self, work: Work) -> None:
        """Make sure, at first and after every failure, that this is the cluster whose positions are held here."""
        epoch = (await streams.horizon(work)).epoch
        if self._epoch not in (None, epoch):
            raise CursorExpired("The stream cannot go on: the database is another cluster now.")
        self._epoch, self._is_sure = epoch, True


class Sources:
    """The sources in use; one that nobody follows any more is forgotten."""

    def __init__(self, office: Office, hub: Hub, secret: bytes) -> None:
        self._office = office
        self._hub = hub
        self._secret = secret
        self._used: WeakValueDictionary[tuple[str, Viewer], Source] = WeakValueDictionary()

    def of(self, stream: Stream, scope: Viewer) -> Source:
        """Return the one source of a stream in a scope."""
        key = (stream.name, scope)
        source = self._used.get(key)
        if source is None:
            source = self._used[key] = Source(self._office, self._hub, stream, scope, self._secret)
        return source


def _place(event: SessionEvent) -> Position:
    return Position(event.xid, event.id)
