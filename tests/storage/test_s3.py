"""Objects in a bucket: gathered here, handed over whole, read in ranges, over real HTTP to a bucket in memory."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import uvicorn

from storage.local import LocalStorage
from storage.objects import BusyError, FinishedError, MissingError, OffsetError, key_of
from storage.s3 import PART, Bucket, S3Storage
from tests.storage.bucket import FakeBucket


@pytest.fixture
async def bucket() -> AsyncIterator[tuple[FakeBucket, Bucket]]:
    fake = FakeBucket()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(fake.app, log_level="warning", lifespan="off"))
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[listener]))
    yield fake, Bucket("b", f"http://127.0.0.1:{listener.getsockname()[1]}", "eu-west-1", "key", "secret")
    server.should_exit = True
    await task


def files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


async def whole(store: S3Storage, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(key, start, end)])


async def test_an_object_arrives_in_pieces_and_is_handed_over_whole(bucket: tuple[FakeBucket, Bucket], tmp_path: Path):
    fake, where = bucket
    store, key = S3Storage(where, LocalStorage(tmp_path)), key_of(uuid4(), uuid4())
    body = bytes(range(256)) * 40_000 + b"end"
    half = len(body) // 2
    with pytest.raises(ConnectionError):
        async with store.arriving(key, 0) as part:
            await part.write(body[:half])
            raise ConnectionError
    assert (await store.arrived(key), await store.size(key), fake.objects) == (half, None, {})
    with pytest.raises(MissingError):
        await whole(store, key)
    with pytest.raises(OffsetError):
        async with store.arriving(key, 1):
            pass
    async with store.arriving(key, half) as part:
        with pytest.raises(BusyError):
            async with S3Storage(where, LocalStorage(tmp_path)).arriving(key, half):
                pass
        await part.write(body[half:])
        assert (part.offset, part.sha256()) == (len(body), hashlib.sha256(body).hexdigest())
        await part.finish()
    assert fake.objects == {key: body}
    assert len([one for one in fake.asked if "partNumber" in one]) == -(-len(body) // PART) == 2
    assert files(tmp_path) == []
    assert (await store.size(key), await store.arrived(key)) == (len(body), len(body))
    assert await whole(store, key) == body
    assert (await whole(store, key, 5, 9), await whole(store, key, len(body) - 3)) == (body[5:9], b"end")
    assert await whole(store, key, 5, 5) == b""
    with pytest.raises(FinishedError):
        async with store.arriving(key, 0, anew=True):
            pass
    await store.delete(key)
    await store.delete(key)
    assert (await store.size(key), fake.objects) == (None, {})


async def test_what_is_dropped_never_reaches_the_bucket(bucket: tuple[FakeBucket, Bucket], tmp_path: Path):
    fake, where = bucket
    store, key = S3Storage(where, LocalStorage(tmp_path)), key_of(uuid4(), uuid4())
    async with store.arriving(key, 0) as part:
        await part.write(b"false")
        await part.drop()
    assert (await store.arrived(key), fake.objects) == (0, {})
    assert not [one for one in fake.asked if one.startswith(("PUT", "POST"))]


def test_a_bucket_does_not_show_its_secret() -> None:
    assert "hush" not in repr(Bucket("b", None, None, "key", "hush"))
