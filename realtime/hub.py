"""The hub of one process: one subscription to the doorbell, any number of followers, keys only."""

import asyncio
import hashlib
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

from broadcaster import Broadcast

from realtime.bell import CHANNEL, RESYNC, Bell
from realtime.bell_postgres import PostgresBell
from realtime.bell_redis import RedisBell
from realtime.relay import Relay
from realtime.topics import Topic

PULSE: Final = 2.0
"""Seconds between the rings that the hub sends to itself, to feel whether it still hears."""


class Follower:
    """Waits for any of its topics. Rings that come together count once, so nothing can pile up."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits, or the next one to wait."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until rung; false when `seconds` passed in silence."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Hub:
    """Wakes followers: at once for topics of this process, by the doorbell for those of others."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._broadcast = Broadcast(backend=bell)
        self._relay = Relay(self._publish)
        self._followers: dict[str, set[Follower]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._me = f"!{uuid4().hex[:16]}"
        self._echoed_at: float | None = None

    @classmethod
    def over(cls, dsn: str, *, redis_url: str | None = None) -> "Hub":
        """Make a hub over Redis when there is one, else over PostgreSQL."""
        if redis_url is None:
            return cls(PostgresBell(dsn))
        database = dsn.rpartition("@")[2]
        return cls(RedisBell(redis_url, prefix=hashlib.sha256(database.encode()).hexdigest()[:12]))

    async def start(self) -> None:
        """Begin to listen; it does not matter whether the wire is up yet."""
        await self._broadcast.connect()
        self._tasks = [
            asyncio.create_task(self._listen(), name="hub-listen"),
            asyncio.create_task(self._relay.run(), name="hub-relay"),
            asyncio.create_task(self._feel(), name="hub-pulse"),
        ]

    async def stop(self) -> None:
        """End every task and close the wire; always finishes."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            await self._broadcast.disconnect()

    @property
    def connected(self) -> bool:
        """Whether the wire is up."""
        return self._bell.connected

    @property
    def last_echo_age(self) -> float | None:
        """Seconds since the hub last heard its own ring; None when it never did."""
        return None if self._echoed_at is None else time.monotonic() - self._echoed_at

    def ring(self, topics: Iterable[Topic]) -> None:
        """Wake the followers of these topics: here at once, elsewhere within some tens of milliseconds."""
        named = list(topics)
        self._wake(named)
        self._relay.ring(named)

    @contextmanager
    def follow(self, *topics: Topic) -> Generator[Follower]:
        """Follow topics for the length of a block; begin before the first read, or a change may slip between."""
        follower = Follower()
        wanted = set(topics)
        for topic in wanted:
            self._followers.setdefault(topic, set()).add(follower)
        try:
            yield follower
        finally:
            for topic in wanted:
                self._followers[topic].discard(follower)
                if not self._followers[topic]:
                    del self._followers[topic]

    def _wake(self, topics: Iterable[str]) -> None:
        for topic in topics:
            for follower in self._followers.get(topic, ()):
                follower.ring()

    async def _publish(self, message: str) -> None:
        await self._broadcast.publish(CHANNEL, f"{self._me} {message}")

    async def _listen(self) -> None:
        async with self._broadcast.subscribe(CHANNEL) as subscriber:
            while True:
                keys = str((await subscriber.get()).message).split(" ")
                if self._me in keys:  # our own ring: the followers here were woken when it was made
                    self._echoed_at = time.monotonic()
                elif RESYNC in keys:
                    self._wake(list(self._followers))
                else:
                    self._wake(keys)

    async def _feel(self) -> None:
        while True:
            self._relay.ring([Topic(self._me)])
            await asyncio.sleep(PULSE)
