"""Objects in a bucket that speaks S3, Amazon's or another one; what has not arrived whole waits in a directory.

A bucket cannot be appended to, so the pieces of a file are gathered on this machine, and handed over in parts when all
of them are there. The client comes with obstore, and is loaded with the first object.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from storage.local import PIECE, LocalStorage
from storage.objects import Arriving, FinishedError, MissingError

if TYPE_CHECKING:
    from obstore.store import S3Store

PART: Final = 8 * PIECE
"""Bytes of each part that a file is handed over in."""

RETRIES: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
"""What is tried again by itself, before whoever asked is told."""

AT_ONCE: Final = 2
"""Parts that are on their way at the same time: they lie in memory meanwhile."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the bucket is, and who may write to it; without keys, what the environment of the process gives counts."""

    name: str
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)


class S3Storage:
    """Keeps objects in a bucket, and what arrives in a directory until it is whole."""

    def __init__(self, bucket: Bucket, spool: LocalStorage) -> None:
        self._bucket = bucket
        self._spool = spool

    @asynccontextmanager
    async def arriving(self, key: str, offset: int, *, anew: bool = False) -> AsyncGenerator[Arriving, None]:
        """Go on writing an object, as `Storage.arriving` says."""
        if await self.size(key) is not None:
            raise FinishedError(key)
        async with self._spool.arriving(key, offset, anew=anew) as part:
            yield _Spooled(part, self, key)

    async def arrived(self, key: str) -> int:
        """Return how many bytes are there: in the bucket, or on their way to it."""
        finished = await self.size(key)
        return finished if finished is not None else await self._spool.arrived(key)

    async def size(self, key: str) -> int | None:
        """Return the size of an object in the bucket."""
        import obstore  # noqa: PLC0415 - loaded only where there is a bucket

        try:
            return (await obstore.head_async(self._client, key))["size"]
        except FileNotFoundError:
            return None

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of an object in the bucket."""
        import obstore  # noqa: PLC0415 - loaded only where there is a bucket

        if end is not None and end <= start:
            return
        wanted: Any = {"offset": start} if end is None else (start, end)
        try:
            found = await obstore.get_async(self._client, key, options={"range": wanted})
        except FileNotFoundError as error:
            raise MissingError(key) from error
        async for piece in found.stream(PIECE):
            yield bytes(piece)

    async def delete(self, key: str) -> None:
        """Remove an object, and what is on its way."""
        import obstore  # noqa: PLC0415 - loaded only where there is a bucket

        await self._spool.delete(key)
        try:
            await obstore.delete_async(self._client, key)
        except FileNotFoundError:
            return

    async def hand_over(self, key: str) -> None:
        """Put what has arrived whole into the bucket, where it appears at once or not at all."""
        import obstore  # noqa: PLC0415 - loaded only where there is a bucket

        path = self._spool.unfinished(key)
        if not await asyncio.to_thread(path.exists):
            raise MissingError(key)
        await obstore.put_async(self._client, key, path, chunk_size=PART, max_concurrency=AT_ONCE)

    @cached_property
    def _client(self) -> "S3Store":
        from obstore.store import S3Store  # noqa: PLC0415 - loaded only where there is a bucket

        bucket = self._bucket
        given = {
            "endpoint": bucket.endpoint,
            "region": bucket.region,
            "access_key_id": bucket.access_key,
            "secret_access_key": bucket.secret_key,
            "disable_bulk_delete": True,  # not every bucket that speaks S3 knows it
        }
        config: Any = {name: value for name, value in given.items() if value is not None}
        plain = bucket.endpoint is not None and bucket.endpoint.startswith("http://")
        return S3Store(bucket.name, config=config, client_options={"allow_http": plain}, retry_config=RETRIES)


class _Spooled:
    """An object on its way to the bucket."""

    def __init__(self, part: Arriving, store: S3Storage, key: str) -> None:
        self._part = part
        self._store = store
        self._key = key

    @property
    def offset(self) -> int:
        """How many bytes there are."""
        return self._part.offset

    async def write(self, piece: bytes) -> None:
        """Put a piece behind what is there."""
        await self._part.write(piece)

    def sha256(self) -> str:
        """Return the hash of all there is."""
        return self._part.sha256()

    async def finish(self) -> None:
        """Hand the object over, and forget the pieces."""
        await self._store.hand_over(self._key)
        await self._part.drop()

    async def drop(self) -> None:
        """Forget all that arrived."""
        await self._part.drop()
