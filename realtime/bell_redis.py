"""The doorbell over Redis pub/sub."""

import asyncio
from typing import Any, Final

from redis.asyncio import Redis

from realtime.bell import HEARTBEAT, Bell, NotConnected

CONFIRMATION: Final = "subscribe"


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
            socket_connect_timeout=3,
            socket_timeout=None,
        )
        listener = redis.pubsub()
        try:
            async with asyncio.timeout(3):
                await listener.subscribe(self._name)
                confirmed = False
                while not confirmed:
                    message = await listener.get_message(timeout=3)
                    confirmed = message is not None and message["type"] == CONFIRMATION
            self._redis = redis
            self.opened()
            while True:
                message = await listener.get_message(ignore_subscribe_messages=True, timeout=HEARTBEAT)
                if message is not None:
                    self.heard(str(message["data"]))
                    continue
                async with asyncio.timeout(HEARTBEAT):
                    await redis.ping()
        finally:
            self._redis = None
            await listener.aclose()
            await redis.aclose()

    async def publish(self, channel: str, message: Any) -> None:
        """Ring; raises when there is no connection or it breaks."""
        del channel  # the installation's own name stands for it
        redis = self._redis
        if redis is None:
            raise NotConnected("the bell's connection to Redis is down")
        async with asyncio.timeout(HEARTBEAT):
            await redis.publish(self._name, message)
