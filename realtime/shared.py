"""One reader of a stream for all of its followers in this process.

The reader follows the table and hands every frame to each follower's own feed. A follower that is late, or too slow
for its bounded feed, reads the table from its own position and then goes on from memory. Positions decide, never the
feed: a frame that does not begin at or before the follower's position means a gap, and the gap is read from the table.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Hashable, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import structlog

from realtime import tail
from realtime.cursors import Position
from realtime.tail import LARGEST_BATCH, Pace, Page, Wakes

T = TypeVar("T")

log = structlog.get_logger(__name__)

MOST_FRAMES: Final = 64
MOST_ROWS: Final = 1_000
"""What a feed holds at most; beyond it everything is forgotten, and read from the table when the follower comes."""

PATIENCE: Final = 30.0
"""Seconds for which a reader tries again when the table cannot be read, before its followers are told."""

USUAL: Final = Pace()

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


class Feed(Generic[T]):
    """The frames that one follower has not taken yet, and the reason why it must end, once there is one."""

    def __init__(self) -> None:
        self._waiting: deque[Frame[T]] = deque()
        self._rows = 0
        self._woken = asyncio.Event()
        self._reason: Exception | None = None

    def offer(self, frame: Frame[T]) -> None:
        """Add a frame; never waits. When there is no room, what is there is forgotten."""
        if len(self._waiting) >= MOST_FRAMES or self._rows + len(frame.rows) > MOST_ROWS:
            self._waiting.clear()
            self._rows = 0
        self._waiting.append(frame)
        self._rows += len(frame.rows)
        self._woken.set()

    def end(self, reason: Exception) -> None:
        """Have the follower raise `reason` instead of taking another frame; the first reason counts."""
        self._reason = self._reason or reason
        self._woken.set()

    def check(self) -> None:
        """Raise the reason why the follower must end, if there is one."""
        if self._reason is not None:
            raise self._reason

    async def take(self) -> Frame[T]:
        """Wait for the next frame."""
        while True:
            self.check()
            if self._waiting:
                frame = self._waiting.popleft()
                self._rows -= len(frame.rows)
                return frame
            self._woken.clear()
            await self._woken.wait()


class SharedReader(Generic[T]):
    """Reads one stream while anybody follows it.

    `listen` opens the bell, `read` reads rows behind a position, `place` tells the position of a row. An exception of
    the kinds in `final` ends all followers at once; any other one is tried again for half a minute.
    """

    def __init__(
        self,
        listen: Callable[[], AbstractContextManager[Wakes]],
        read: Callable[[Position, int], Awaitable[Page[T]]],
        place: Callable[[T], Position],
        *,
        pace: Pace = USUAL,
        final: tuple[type[Exception], ...] = (),
    ) -> None:
        self._listen = listen
        self._read = read
        self._place = place
        self._pace = pace
        self._final = final
        self._feeds: set[Feed[T]] = set()
        self._task: asyncio.Task[None] | None = None
        self._failing_since: float | None = None

    async def follow(self, start: Position, feed: Feed[T]) -> AsyncGenerator[Frame[T], None]:
        """Yield frames from `start` on; the first comes at once. Every row comes exactly once, in order."""
        clock = asyncio.get_running_loop().time
        position, delivered = start, clock() - self._pace.heartbeat
        with self._joined(feed):
            while True:
                async with aclosing(self._from_table(position)) as frames:
                    async for frame in frames:
                        position = frame.position
                        if frame.rows or clock() - delivered >= self._pace.heartbeat:
                            feed.check()
                            yield frame
                            delivered = clock()
                self._start(position)
                while (frame := await feed.take()).before <= position:
                    unseen = self._behind(frame, position)
                    position = unseen.position
                    if unseen.rows or (frame.heartbeat and clock() - delivered >= self._pace.heartbeat / 2):
                        yield unseen
                        delivered = clock()

    async def _from_table(self, position: Position) -> AsyncGenerator[Frame[T], None]:
        """Yield what is behind a position until all is read; the last frame may be empty."""
        while True:
            page = await self._read(position, LARGEST_BATCH)
            yield Frame(page.rows, position, page.position, page.as_of, heartbeat=not page.rows)
            position = page.position
            if not page.more:
                return

    def _behind(self, frame: Frame[T], position: Position) -> Frame[T]:
        """Return the frame without what lies up to `position`: nearly always the very same one."""
        if frame.position > position and (not frame.rows or self._place(frame.rows[0]) > position):
            return frame
        rows = [row for row in frame.rows if self._place(row) > position]
        return Frame(rows, position, max(frame.position, position), frame.as_of, heartbeat=not rows)

    @contextmanager
    def _joined(self, feed: Feed[T]) -> Generator[None]:
        self._feeds.add(feed)
        try:
            yield
        finally:
            self._feeds.discard(feed)
            if not self._feeds and self._task is not None:
                self._task.cancel()
                self._task = None

    def _start(self, position: Position) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(position), name="stream-reader", context=Context())

    async def _run(self, position: Position) -> None:
        loop = asyncio.get_running_loop()
        with self._listen() as bell:
            while True:
                try:
                    frames = tail.follow(bell, self._reading, position, pace=self._pace)
                    async with aclosing(frames):
                        async for one in frames:
                            self._hand_out(Frame(one.rows, position, one.position, one.as_of, one.heartbeat))
                            position = one.position
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
        page = await self._read(position, limit)
        if self._failing_since is not None:
            log.info("stream.mended")
        self._failing_since = None
        return page

    def _hand_out(self, frame: Frame[T]) -> None:
        for feed in self._feeds:
            feed.offer(frame)

    def _give_up(self, error: Exception) -> None:
        self._failing_since = None
        for feed in self._feeds:
            feed.end(error)
