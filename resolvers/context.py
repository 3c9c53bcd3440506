"""All that a resolver may reach for, made anew for each operation."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from dataloaders.registry import Loaders
from models.capabilities import Capability
from paper.press import Press
from realtime.hub import Hub
from resolvers.rights import Rights
from resolvers.sources import Sources
from services import credentials, idempotency
from services.attempts import Attempts
from services.audit import Audit
from services.credentials import IN_ROOMS, Authority
from services.idempotency import Answer, Request
from services.ledger import Notary
from services.refusals import Forbidden, OutOfScope, Unauthenticated
from services.sessions_writes import SessionWrites
from services.tokens import Tokens
from services.uploads import UploadLimits
from services.viewer import Viewer
from services.work import Office, Work
from storage.objects import Storage

if TYPE_CHECKING:
    from resolvers.sources import Lent
    from resolvers.streams_live import Live

P = ParamSpec("P")
R = TypeVar("R")

LAST_READ_SECONDS = 1.0
"""How long the end of an operation waits for reads that nobody awaits any more."""


@dataclass(frozen=True, slots=True)
class House:
    """What lives as long as the process."""

    office: Office
    hub: Hub
    tokens: Tokens
    cursor_secret: bytes
    site: str = "http://127.0.0.1:8000"
    front_end: str | None = None
    sign_ins_per_network: int = 100
    operations: frozenset[str] = frozenset()
    storage: Storage | None = None
    upload_limits: UploadLimits = field(default_factory=UploadLimits)
    press: Press = field(default_factory=Press)
    rights: Rights = field(init=False)
    sources: Sources = field(init=False)
    session_writes: SessionWrites = field(init=False)
    attempts: Attempts = field(init=False)
    audit: Audit = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no rights known, no stream followed, no write waiting and nothing noted."""
        object.__setattr__(self, "attempts", Attempts(self.office))
        object.__setattr__(self, "audit", Audit(self.office))
        object.__setattr__(self, "rights", Rights(self.office, self.hub))
        object.__setattr__(self, "sources", Sources(self.office, self.hub, self.cursor_secret))
        object.__setattr__(self, "session_writes", SessionWrites(self.office))

    @property
    def files(self) -> Storage:
        """Return where files lie; a house that was made without has none."""
        if self.storage is None:
            raise RuntimeError("This house was made without a place for files.")
        return self.storage

    @property
    def notary(self) -> Notary:
        """Return who signs the ledger's checkpoints: with a key of its own, derived from the one that signs tokens."""
        return Notary(self.tokens.secret_for("ledger-checkpoints"))


@dataclass(frozen=True, slots=True)
class Standing:
    """All that an answer may depend on besides document, variables and data: which rows and which fields are seen."""

    scope: Viewer
    capabilities: frozenset[Capability]


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of an act that was done before the operation is executed: what it answered, or how it failed."""

    answer: Any
    error: Exception | None

    def outcome(self) -> Any:
        """Answer as the act did."""
        if self.error is not None:
            raise self.error
        return self.answer


class Context:
    """One operation of one viewer.

    A query reads one snapshot, opened when first needed and shared by all of its fields; a lock serves them in turn,
    since sibling fields run side by side on one connection. In a stream each read is short and on its own, because a
    frame waits for its reader.
    """

    def __init__(
        self,
        house: House,
        viewer: Viewer,
        *,
        idempotency_key: str | None = None,
        address: str = "",
        client: str = "",
        document: str | None = None,
    ) -> None:
        self.house = house
        self.viewer = viewer
        self.idempotency_key = idempotency_key
        self.address = address
        self.client = client
        self.document = document
        self.streaming = False
        self._follows = False
        self._lock = asyncio.Lock()
        self._open: AsyncExitStack | None = None
        self._snapshot: Work | None = None
        self._over = False
        self._reads: set[asyncio.Task[Any]] = set()
        self._authority: Authority | None = None
        self._asking = asyncio.Lock()
        self._pinned: frozenset[Capability] | None = None
        self._snapshot_at = 0.0
        self.standing: Standing | None = None
        self.settled: Settled | None = None
        self.live: Live | None = None
        self.loaders = Loaders(self.reading)

    def shared(self, standing: Standing, lent: "Lent | None" = None) -> "Context":
        """Return a context for an answer that all viewers of one standing share; it can know nothing else of them.

        It reads in the snapshot that is `lent`, which its lender ends, or in one of its own.
        """
        context = Context(self.house, standing.scope)
        context._pinned = standing.capabilities
        context._follows = True
        if lent is not None:
            context._snapshot = lent.work
            lent.prime(context.loaders)
        return context

    @property
    def tenant_id(self) -> UUID:
        """The viewer's tenant; a viewer without one is refused."""
        if self.viewer.tenant_id is None:
            raise Unauthenticated("This needs a token, and none was sent.")
        return self.viewer.tenant_id

    async def start_streaming(self) -> None:
        """Read in short transactions from here on."""
        await self.refresh()
        self.streaming = True

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Work, None]:
        """Lend the operation's snapshot to one reader at a time."""
        if self.streaming:
            async with self.house.office.following(self.viewer) as work:
                yield work
            return
        async with self._lock:
            if self._over:
                raise RuntimeError("The operation is over; nothing is read for it any more.")
            if self._snapshot is None:
                self._snapshot_at = time.monotonic()
                self._open = AsyncExitStack()
                office = self.house.office
                opened = office.following(self.viewer) if self._follows else office.snapshot(self.viewer)
                self._snapshot = await self._open.enter_async_context(opened)
            yield self._snapshot

    async def read(
        self,
        act: Callable[Concatenate[Work, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call a reading service with the operation's snapshot."""

        async def reading() -> R:
            async with self.reading() as work:
                return await act(work, *args, **kwargs)

        return await self._to_its_end(reading())

    async def _to_its_end(self, read: Coroutine[Any, Any, R]) -> R:
        """Await a read that goes on when its field is cancelled, as fields are when a sibling fails.

        A statement cut short would take the snapshot away from every other field.
        """
        task = asyncio.create_task(read)
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        return await asyncio.shield(task)

    async def write(
        self,
        operation: str,
        key: str | None,
        given: Any,
        act: Callable[[Work], Awaitable[Answer]],
        *,
        viewer: Viewer | None = None,
    ) -> Answer:
        """Run one act in a writing work, once per idempotency key, and forget what was read before it."""
        request = await self.writing(operation, key, given)

        async def unit(work: Work) -> Answer:
            return await idempotency.once(work, request, act)

        return await self.house.office.perform(viewer or self.viewer, unit, repeatable=request is not None)

    async def writing(self, operation: str, key: str | None, given: Any) -> Request | None:
        """Forget what was read before a write, and describe it if it has an idempotency key."""
        await self.refresh()
        key = key if key is not None else self.idempotency_key
        return None if key is None else Request.of(operation, key, given)

    async def refresh(self) -> None:
        """Drop the snapshot and everything read through it."""
        if self._snapshot is None and not self._lock.locked() and not self.loaders.asked:
            self._authority = None
            return  # nothing was read
        async with self._lock:
            await self._shut()
        self._authority = None
        self.loaders = Loaders(self.reading)

    async def become(self, viewer: Viewer) -> None:
        """Go on as another viewer, for an operation that has just proven to be theirs."""
        await self.refresh()
        self.viewer = viewer

    async def capabilities(self) -> frozenset[Capability]:
        """Return what the viewer may do, as of this operation or a moment before."""
        return self._pinned if self._pinned is not None else (await self._known_authority()).held

    async def require(self, capability: Capability) -> None:
        """Refuse unless the viewer holds the capability; a right that was just given counts at once.

        Whoever holds it within rooms only sees nothing but these from here on, by the database's own word.
        """
        held = await self.capabilities()
        if capability not in held and self._pinned is None:
            held = (await self._to_its_end(self._read_authority())).held
        if capability in held:
            return
        if capability not in IN_ROOMS or Capability.ROOMS_PROCTOR not in held:
            raise Forbidden(capability)
        if self._pinned is None:
            await self._keep_to((await self._known_authority()).rooms)

    async def _keep_to(self, rooms: tuple[UUID, ...]) -> None:
        """See the sessions of these rooms alone, in what is open already and in all that follows."""
        if self.viewer.rooms == rooms:
            return
        self.viewer = replace(self.viewer, rooms=rooms)
        if self._snapshot is None:
            return

        await self.read(credentials.narrow, self.viewer)

    def denied(self, capability: str, field: str) -> None:
        """Note for the ledger that the viewer lacked a capability at a field of the API; once a minute with a count."""
        viewer = self.viewer
        if viewer.tenant_id is None:
            return
        subject = ("tenant", viewer.tenant_id)
        if viewer.session_id is not None:
            subject = ("session", viewer.session_id)
        elif viewer.user_id is not None:
            subject = ("user", viewer.user_id)
        elif viewer.service_token_id is not None:
            subject = ("service_token", viewer.service_token_id)
        told = {"capability": str(capability), "field": field}
        self.house.audit.note(viewer, "permission.denied", subject, after=told, bound=capability)

    async def admit(self) -> None:
        """Refuse a sign-in that was ended, and a service token that was revoked or is not for this operation."""
        viewer = self.viewer
        if self._pinned is not None or (viewer.sign_in_id is None and viewer.service_token_id is None):
            return
        authority = await self._known_authority()
        authority.check()
        if authority.operations is not None and self.document not in authority.operations:
            raise OutOfScope(self.document)

    async def _known_authority(self) -> Authority:
        if self._authority is None:
            self._authority = self.house.rights.known(self.viewer)
        if self._authority is not None:
            return self._authority
        async with self._asking:  # all fields of a long list ask at the same time, and one reads for them
            return self._authority or await self._to_its_end(self._read_authority())

    async def _read_authority(self) -> Authority:
        async with self.reading() as work:
            at = time.monotonic() if self.streaming else self._snapshot_at
            self._authority = authority = await self.house.rights.read(work, self.viewer, at)
        return authority

    def close_at_once(self) -> bool:
        """End the operation if nothing of it is open, as after a write; tell whether it was ended."""
        if self._reads or self._snapshot is not None or self._lock.locked():
            return False
        self._over = True
        return True

    async def aclose(self) -> None:
        """End the operation: give the connection back, once whoever reads has finished.

        A field that failed leaves the reads and batches of its siblings running, which nobody waits for.
        """
        if self._reads:
            _, unfinished = await asyncio.wait(self._reads, timeout=LAST_READ_SECONDS)
            for read in unfinished:
                read.cancel()
        async with self._lock:
            self._over = True
            await self._shut()

    async def _shut(self) -> None:
        """End the snapshot, if one was opened; one that is only lent is ended by its lender."""
        opened, self._open = self._open, None
        self._snapshot = None
        if opened is not None:
            await opened.aclose()
