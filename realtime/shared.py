"""One reader of a stream for all of its followers in this process.

The reader follows the table and remembers its newest frames, once for everybody: a follower holds a number and not a
queue, so that one who does not read costs nothing. Whoever is further behind than the memory reads the table from its
own position. Positions decide: a frame that begins behind the follower's position would leave a gap and is not taken.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Hashable, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog

from realtime import tail
from realtime.cursors import Position
from realtime.tail import LARGEST_BATCH, Pace, Page, Wakes

T = TypeVar("T")

log = structlog.get_logger(__name__)

MOST_FRAMES: Final = 64
MOST_ROWS: Final = 4_000
LIFE: Final = timedelta(seconds=20)
"""What a reader remembers at most, once for all of its followers; whoever is further behind reads the table."""

PATIENCE: Final = 30.0
"""Seconds for which a reader tries again when the table cannot be read, before its followers are told."""

USUAL: Final = Pace(burst=10)

MOST_WAIT: Final = 0.1
MOST_WAIT_FOR_HALF: Final = 1.0
"""Seconds that the next read waits for those who have not taken everything: for all of them, and for half of them.

Where there is more to do than the machine can, frames so become larger, and nobody falls out of the memory and has to
read and execute alone. Who has not come for a frame for as long as that is not waited for.
"""

_RETRY: Final = 0.25


@dataclass(frozen=True, slots=True)
class Frame(Generic[T]):
    """What is delivered at once. All followers at the head of a stream are given the same object.

    Nothing lies between `before` and the first row. `once` keeps what was made of the frame for all of them.
    """

    rows: Sequence[T]
    before: Position
    position: Position
    as_of: datetime
    heartbeat: bool
    once: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any], compare=False)


class Taker(Protocol):
    """A follower that can be given an answer to a frame while it waits, without being woken."""

    @property
    def key(self) -> Hashable | None:
        """What its answer depends on beside the frame; None when it has to come for the frame itself."""
        ...

    async def make(self, frame: Any) -> Any:
        """Make the answer to a frame for all takers of the same key; None when nothing came of it."""
        ...

    def give(self, answer: Any) -> bool:
        """Hand an answer on now; false, and nothing handed on, when that cannot be done at once."""
        ...


class Feed:
    """Where one follower is, what wakes it, and the reason why it must end, once there is one."""

    __slots__ = ("_reason", "_waiting", "delivered", "number", "position", "taker", "took_at")

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None
        self.took_at = asyncio.get_running_loop().time()
        """When the follower last came for a frame, by the loop's clock."""
        self._reason: Exception | None = None
        self.position = Position.start()
        self.number: int | None = None
        """Of the frame to take next from memory; None reads the table."""
        self.delivered = 0.0
        self.taker: Taker | None = None

    @property
    def waits(self) -> bool:
        """Whether the follower has taken everything and waits for more."""
        return self._waiting is not None and not self._waiting.done()

    def awaits(self, frame: Frame[Any], number: int) -> bool:
        """Tell whether the follower has taken everything before this very frame, waits for it, and may have it."""
        return self.waits and self._reason is None and self.number == number and self.position == frame.before

    def pass_by(self, frame: Frame[Any], now: float) -> None:
        """Note that the follower has a frame behind it, without having come for it."""
        self.number = None if self.number is None else self.number + 1
        self.position = frame.position
        self.took_at = now

    def ring(self) -> None:
        """Wake the follower, if it waits; one that does not looks again before it waits."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self, reason: Exception) -> None:
        """Have the follower raise `reason` instead of taking another frame; the first reason counts."""
        self._reason = self._reason or reason
        self.ring()

    def check(self) -> None:
        """Raise the reason why the follower must end, if there is one."""
        if self._reason is not None:
            raise self._reason

    async def wait(self) -> None:
        """Wait until woken."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None


class Recent(Generic[T]):
    """The newest frames of a stream, by number, each beginning where the one before it ended."""

    def __init__(self) -> None:
        self._frames: deque[Frame[T]] = deque()
        self._rows = 0
        self.end = 0

    def add(self, frame: Frame[T]) -> None:
        """Add a frame and forget the oldest ones beyond the limits, and those of another time."""
        self._frames.append(frame)
        self._rows += len(frame.rows)
        self.end += 1
        while len(self._frames) > 1 and (
            len(self._frames) > MOST_FRAMES or self._rows > MOST_ROWS or frame.as_of - self._frames[0].as_of > LIFE
        ):
            self._rows -= len(self._frames.popleft().rows)

    def __bool__(self) -> bool:
        return bool(self._frames)

    def clear(self) -> None:
        """Forget everything."""
        self._frames.clear()
        self._rows = 0

    def at(self, number: int) -> Frame[T] | None:
        """Return a frame; None when it is forgotten."""
        index = number - self.end + len(self._frames)
        return self._frames[index] if index >= 0 else None

    def seek(self, position: Position) -> int | None:
        """Return the number of the first frame that leads beyond a position; None when the memory begins later."""
        if not self._frames or self._frames[0].before > position:
            return None
        passed = sum(1 for frame in self._frames if frame.position <= position)
        return self.end - len(self._frames) + passed


async def _nothing() -> None:
    """Release nothing, where nothing was kept."""


class SharedReader(Generic[T]):
    """Reads one stream while anybody follows it.

    `listen` opens the bell, `read` reads rows behind a position, `place` tells the position of a row. `ahead` reads
    for all followers and may keep open what it read from, for the answers to a frame with rows; `release` lets it go.
    An exception of the kinds in `final` ends all followers at once; any other one is tried again for half a minute.
    """

    def __init__(
        self,
        listen: Callable[[], AbstractContextManager[Wakes]],
        read: Callable[[Position, int], Awaitable[Page[T]]],
        place: Callable[[T], Position],
        *,
        ahead: Callable[[Position, int], Awaitable[Page[T]]] | None = None,
        release: Callable[[], Awaitable[None]] = _nothing,
        pace: Pace = USUAL,
        final: tuple[type[Exception], ...] = (),
    ) -> None:
        self._listen = listen
        self._read = read
        self._read_ahead = ahead or read
        self._release = release
        self._place = place
        self._pace = pace
        self._final = final
        self._feeds: set[Feed] = set()
        self._recent = Recent[T]()
        self._task: asyncio.Task[None] | None = None
        self._failing_since: float | None = None

    async def follow(self, start: Position, feed: Feed) -> AsyncGenerator[Frame[T], None]:
        """Yield frames from `start` on; the first comes at once. Every row comes exactly once, in order."""
        clock = asyncio.get_running_loop().time
        feed.position, feed.delivered, feed.number = start, clock() - self._pace.heartbeat, None
        with self._joined(feed):
            while True:
                feed.check()
                feed.took_at = clock()
                if feed.number is None:
                    page = await self._read(feed.position, LARGEST_BATCH)
                    frame = Frame(page.rows, feed.position, page.position, page.as_of, heartbeat=not page.rows)
                    feed.number = self._recent.seek(page.position)
                    if feed.number is None and not page.more and not self._recent:
                        feed.number = self._start(page.position)
                elif feed.number == self._recent.end:
                    await feed.wait()
                    continue
                else:
                    found = self._recent.at(feed.number)
                    if found is None or found.before > feed.position:
                        feed.number = None
                        continue
                    frame = self._behind(found, feed.position)
                    feed.number += 1
                feed.position = frame.position
                if self._is_due(frame, feed):
                    feed.check()
                    yield frame
                    feed.delivered = clock()
                del frame  # which would be kept until the next one

    def _is_due(self, frame: Frame[T], feed: Feed) -> bool:
        """Tell whether a follower is shown a frame: one without rows only when nothing was for half a heartbeat."""
        silence = asyncio.get_running_loop().time() - feed.delivered
        return bool(frame.rows) or silence >= self._pace.heartbeat / 2

    def _behind(self, frame: Frame[T], position: Position) -> Frame[T]:
        """Return the frame without what lies up to `position`: nearly always the very same one."""
        if frame.position >= position and (not frame.rows or self._place(frame.rows[0]) > position):
            return frame
        rows = [row for row in frame.rows if self._place(row) > position]
        return Frame(rows, position, max(frame.position, position), frame.as_of, heartbeat=not rows)

    @contextmanager
    def _joined(self, feed: Feed) -> Generator[None]:
        self._feeds.add(feed)
        try:
            yield
        finally:
            self._feeds.discard(feed)
            if not self._feeds and self._task is not None:
                self._task.cancel()
                self._task = None
                self._recent.clear()

    def _start(self, position: Position) -> int:
        """Begin to read, unless that has begun; return the number of the next frame."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(position), name="stream-reader", context=Context())
        return self._recent.end

    async def _run(self, position: Position) -> None:
        loop = asyncio.get_running_loop()
        with self._listen() as bell:
            while True:
                try:
                    frames = tail.follow(bell, self._reading, position, pace=self._pace)
                    async with aclosing(frames):
                        async for one in frames:
                            frame = Frame(one.rows, position, one.position, one.as_of, one.heartbeat)
                            position = one.position
                            try:
                                await self._hand_out(frame)
                            finally:
                                await self._release()
                            await self._taken()
                except self._final as error:
                    self._give_up(error)
                    return
                except Exception as error:  # noqa: BLE001 - whatever broke is tried again, then told to the followers
                    if self._failing_since is None:
                        self._failing_since = loop.time()
                        log.warning("stream.broken", cause=repr(error)[:200])
                    if loop.time() - self._failing_since > PATIENCE:
                        self._give_up(error)
                        return
                    await asyncio.sleep(_RETRY)

    async def _reading(self, position: Position, limit: int) -> Page[T]:
        page = await self._read_ahead(position, limit)
        if self._failing_since is not None:
            log.info("stream.mended")
        self._failing_since = None
        return page

    async def _hand_out(self, frame: Frame[T]) -> None:
        """Have the answer made once for the most followers who wait for the same; wake all others to come for it."""
        self._recent.add(frame)
        number = self._recent.end - 1
        waiting: dict[Hashable, list[Feed]] = {}
        for feed in self._feeds:
            key = feed.taker.key if feed.taker is not None and feed.awaits(frame, number) else None
            if key is None:
                feed.ring()
            else:
                waiting.setdefault(key, []).append(feed)
        same = max(waiting, key=lambda one: len(waiting[one]), default=None)
        for key, feeds in waiting.items():
            for feed in feeds if key != same else ():
                feed.ring()
        if same is not None:
            await self._answer(frame, number, same, waiting[same])

    async def _answer(self, frame: Frame[T], number: int, key: Hashable, feeds: Sequence[Feed]) -> None:
        """Give one answer to all who wait for it; wake those who cannot take it now, and everybody if there is none."""
        due = [feed for feed in feeds if self._is_due(frame, feed)]
        answer: Any = None
        try:
            if due and due[0].taker is not None:
                async with asyncio.timeout(MOST_WAIT_FOR_HALF):
                    answer = await due[0].taker.make(frame)
        except Exception as error:  # noqa: BLE001 - whoever waits comes for the frame, and meets it again
            log.info("stream.unanswered", cause=repr(error)[:200])
        finally:
            now = asyncio.get_running_loop().time()
            for feed in feeds:
                if not feed.awaits(frame, number):
                    continue
                if not self._is_due(frame, feed):
                    feed.pass_by(frame, now)
                elif (
                    answer is not None and feed.taker is not None and feed.taker.key == key and feed.taker.give(answer)
                ):
                    feed.pass_by(frame, now)
                    feed.delivered = now
                else:
                    feed.ring()

    async def _taken(self) -> None:
        """Wait until those who read have taken everything, within bounds."""
        clock = asyncio.get_running_loop().time
        began, pause = clock(), 0.0
        while True:
            await asyncio.sleep(pause)
            now = clock()
            busy = sum(1 for feed in self._feeds if not feed.waits and now - feed.took_at < MOST_WAIT_FOR_HALF)
            idle = sum(1 for feed in self._feeds if feed.waits)
            if busy == 0 or now - began > MOST_WAIT_FOR_HALF or (now - began > MOST_WAIT and busy <= idle):
                return
            pause = 0.002

    def _give_up(self, error: Exception) -> None:
        self._failing_since = None
        self._recent.clear()
        for feed in self._feeds:
            feed.end(error)
