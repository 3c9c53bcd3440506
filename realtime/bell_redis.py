"""The doorbell over Redis pub/sub."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.bell import CONNECTING, HEARTBEAT, Bell, NotConnected

CONFIRMATION: Final = "subscribe"
MESSAGE: Final = "message"


class RedisBell(Bell):
    """Listens on one subscription; `prefix` keeps installations that share a Redis apart."""

    def __init__(self, url: str, *, prefix: str) -> None:
        super().__init__()
        self._url = url
        self._name = f"evalium.bell.{prefix}"
        self._redis: Any = None

    async def session(self) -> None:
        """Subscribe, wait for the confirmation, and listen until Redis no longer answers."""
        redis: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - redis-py's annotation
            self._url,
            decode_responses=True,
            protocol=2,  # where a subscription answers a PING with a message
            retry=Retry(NoBackoff(), 0),  # pyright: ignore[reportUnknownArgumentType] - redis-py would mend silently, and no RESYNC follow
            socket_connect_timeout=CONNECTING,
            socket_timeout=None,
        )
        async with AsyncExitStack() as closing:
            closing.push_async_callback(redis.aclose)
            listener = redis.pubsub()
            closing.push_async_callback(listener.aclose)
            closing.callback(self._forget)
            async with asyncio.timeout(CONNECTING):
                await self._subscribe(listener)
            self._redis = redis
            self.opened()
            await self._listen(listener)

    async def publish(self, channel: str, message: Any) -> None:
        """Ring; raises when there is no connection or it breaks."""
        del channel  # the installation's own name stands for it
        redis = self._redis
        if redis is None:
            raise NotConnected("the bell's connection to Redis is down")
        async with asyncio.timeout(HEARTBEAT):
            await redis.publish(self._name, message)

    async def _subscribe(self, listener: Any) -> None:
        await listener.subscribe(self._name)
        confirmed = False
        while not confirmed:
            message = await listener.get_message(timeout=CONNECTING)
            confirmed = message is not None and message["type"] == CONFIRMATION

    async def _listen(self, listener: Any) -> None:
        """Pass messages on; after each silence ask over the subscription itself whether it still stands."""
        asked = False
        while True:
            message = await listener.get_message(ignore_subscribe_messages=True, timeout=HEARTBEAT)
            if message is None and asked:
                raise TimeoutError("Redis does not answer")
            if message is None:
                await listener.ping()
            elif message["type"] == MESSAGE:
                self.heard(str(message["data"]))
            asked = message is None

    def _forget(self) -> None:
        self._redis = None
