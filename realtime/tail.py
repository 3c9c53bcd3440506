"""The read loop of a stream: woken by the bell, but trusting only the table.

Nothing is queued for a slow consumer: the next read happens when the last frame was taken.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from realtime.cursors import Position

T = TypeVar("T")

LARGEST_BATCH: Final = 500


class Wakes(Protocol):
    """What the loop waits on."""

    async def wait(self, seconds: float) -> bool:
        """Wait until rung; false after `seconds` of silence."""
        ...


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What one read found: rows in order, the position behind them, and whether there is more or will be soon.

    `more`: the page was full. `lagging`: rows are there that a transaction still running keeps back.
    """

    rows: Sequence[T]
    position: Position
    as_of: datetime
    more: bool
    lagging: bool


@dataclass(frozen=True, slots=True)
class Frame(Generic[T]):
    """What is delivered at once; a heartbeat has no rows and tells how far the stream is."""

    rows: Sequence[T]
    position: Position
    as_of: datetime
    heartbeat: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds: frames at most; reads and heartbeats at least; reads while rows are held back.

    `burst` frames may come at once before they keep that distance, so that what happens now and then comes at once.
    Where handing out a frame takes long, for many followers or on a busy machine, those that keep a distance keep one
    of `rest` times as long, of `most` times itself at most, so that frames leave the process to those who write.
    """

    frame: float = 0.05
    rest: float = 10.0
    most: float = 5.0
    burst: int = 1
    poll: float = 1.5
    heartbeat: float = 10.0
    lag_first: float = 0.05
    lag_most: float = 0.25


async def follow(
    bell: Wakes,
    read: Callable[[Position, int], Awaitable[Page[T]]],
    start: Position,
    *,
    pace: Pace = Pace(),
) -> AsyncGenerator[Frame[T], None]:
    """Yield frames for ever, from `start` on. The first one comes at once, so that a client has a cursor."""
    clock = asyncio.get_running_loop().time
    position = start
    delivered = clock() - pace.heartbeat
    due = clock()  # when the frames so far were all due at their distance
    distance = pace.frame
    lag = pace.lag_first
    while True:
        page = await read(position, LARGEST_BATCH)
        position = page.position
        if page.rows or clock() - delivered >= pace.heartbeat:
            began = clock()
            yield Frame(page.rows, position, page.as_of, heartbeat=not page.rows)
            delivered = clock()
            distance = min(pace.frame * pace.most, max(pace.frame, (delivered - began) * pace.rest))
            due = max(due, delivered) + pace.frame
        if page.more:
            continue
        patience = min(pace.poll, max(0.0, delivered + pace.heartbeat - clock()))
        if page.lagging:
            patience = min(patience, lag)
            lag = min(pace.lag_most, lag * 2)
        else:
            lag = pace.lag_first
        await bell.wait(patience)
        early = due - (pace.burst - 1) * pace.frame - clock()
        if early > 0:
            await asyncio.sleep(max(early, delivered + distance - clock()))
