"""One ringer per process: collects topics and rings once for many, after the commits that named them.

A NOTIFY inside a business transaction costs three quarters of all commits (performance.md); here a bare ring follows
at most every 25 ms. Nothing depends on it: a ring that is lost is made up for by the followers' periodic read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

import structlog
from prometheus_client import Counter

from realtime.bell import RESYNC
from realtime.topics import Topic

DELAYS = Counter("evalium_wakeup_delays", "Rings that could not be sent at once and were kept.")

log = structlog.get_logger(__name__)

DELAY: Final = 0.025
LARGEST_MESSAGE: Final = 7000
MOST_PENDING: Final = 10_000
RETRY: Final = 0.25


class Relay:
    """Collects topics by `ring` and sends them by `publish`, which may fail."""

    def __init__(self, publish: Callable[[str], Awaitable[None]]) -> None:
        self._publish = publish
        self._pending: set[str] = set()
        self._wake = asyncio.Event()

    def ring(self, topics: Iterable[Topic]) -> None:
        """Add topics to the next ring; never waits and never fails."""
        if RESYNC not in self._pending:  # which stands for everything
            self._pending.update(topics)
        if len(self._pending) > MOST_PENDING:
            self._pending = {RESYNC}
        self._wake.set()

    async def run(self) -> None:
        """Ring until cancelled."""
        delayed = False
        while True:
            await self._wake.wait()
            await asyncio.sleep(DELAY)
            self._wake.clear()
            taken, self._pending = self._pending, set()
            try:
                for message in _messages(taken):
                    await self._publish(message)
            except Exception as error:  # noqa: BLE001 - whatever the wire's trouble is, the topics are kept
                if not delayed:  # told once, and not at every attempt
                    log.info("relay.delayed", cause=repr(error)[:200])
                delayed = True
                DELAYS.inc()
                self.ring([Topic(topic) for topic in taken])
                await asyncio.sleep(RETRY)
            else:
                if delayed:
                    log.info("relay.resumed")
                delayed = False


def _messages(topics: set[str]) -> Iterator[str]:
    """Join topics to messages below the limit of NOTIFY's payload."""
    line = ""
    for topic in sorted(topics):
        if line and len(line) + 1 + len(topic) > LARGEST_MESSAGE:
            yield line
            line = ""
        line = f"{line} {topic}".strip()
    if line:
        yield line
