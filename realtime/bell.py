"""The doorbell's wire: a supervised connection that survives whatever happens to the other end.

Stock broadcaster backends hang or lose messages when their connection breaks (dependencies.md Q1). Here one task owns
the wire, connects again with growing pauses, and says RESYNC after every connection, because anything may have been
missed meanwhile. Messages carry keys only.
"""

import abc
import asyncio
import random
from typing import Final

import structlog
from broadcaster import BroadcastBackend, Event
from prometheus_client import Counter

RESYNCS = Counter("evalium_wakeup_resyncs", "Connections of the wake-up channel, after each of which all streams look.")

log = structlog.get_logger(__name__)

CHANNEL: Final = "evalium.bell"
RESYNC: Final = "*"
"""The message after which every follower reads again."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
HEARTBEAT: Final = 1.0
"""Seconds of silence after which the other end is asked whether it is there, and for how long it may think."""

CONNECTING: Final = 3.0
"""Seconds that connecting may take, and beginning to listen."""

MOST_WAITING: Final = 1000


class NotConnected(ConnectionError):  # noqa: N818 - says what is
    """There is no connection to ring over at the moment."""


class Bell(BroadcastBackend, abc.ABC):
    """A broadcaster backend with a supervisor. `connected` tells whether the wire is up."""

    def __init__(self) -> None:
        self.connected = False
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(MOST_WAITING)
        self._supervisor: asyncio.Task[None] | None = None
        self._ending = False

    async def connect(self) -> None:
        """Start the supervisor; it does not matter whether the other end is there yet."""
        self._ending = False
        self._supervisor = asyncio.create_task(self._supervise(), name="bell")

    async def disconnect(self) -> None:
        """End the supervisor and close the wire."""
        supervisor, self._supervisor = self._supervisor, None
        self._ending = True
        while supervisor is not None and not supervisor.done():
            supervisor.cancel()  # again and again: a driver that fails while it closes swallows the first one
            await asyncio.wait([supervisor], timeout=HEARTBEAT)

    async def subscribe(self, group: str) -> None:
        """Listen to the one channel there is; the supervisor does so from the start."""
        if group != CHANNEL:
            raise ValueError(f"Only the channel {CHANNEL!r} exists.")

    async def unsubscribe(self, group: str) -> None:
        """Stop handing out messages; the wire closes with `disconnect`."""

    async def next_published(self) -> Event:
        """Wait for the next message."""
        return await self._waiting.get()

    def heard(self, message: str) -> None:
        """Take a message from the wire; when too many wait, one RESYNC stands for them all."""
        if self._waiting.full():
            while not self._waiting.empty():
                self._waiting.get_nowait()
            message = RESYNC
        self._waiting.put_nowait(Event(CHANNEL, message))

    def opened(self) -> None:
        """Note that the wire is up and listened to: whatever was missed is made up for."""
        self.connected = True
        RESYNCS.inc()
        self.heard(RESYNC)
        log.info("bell.connected")

    @abc.abstractmethod
    async def session(self) -> None:
        """Connect, call `opened`, and pass messages to `heard` until the wire breaks; then return or raise."""

    async def _supervise(self) -> None:
        pause = FIRST_PAUSE
        told = False
        while True:
            cause = "the other end hung up"
            try:
                await self.session()
            except Exception as error:  # noqa: BLE001 - whatever broke, the wire is mended and the cause logged
                cause = repr(error)[:200]
            finally:
                was_connected, self.connected = self.connected, False
            if self._ending:
                return
            if was_connected or not told:  # once, and not at every attempt to connect again
                log.warning("bell.broken", cause=cause, was_connected=was_connected)
                told = True
            pause = FIRST_PAUSE if was_connected else min(LONGEST_PAUSE, pause * 2)
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 - jitter
