"""Files in a directory: what arrives in pieces is whole or not there, whoever writes and whatever breaks off."""

import asyncio
import hashlib
import os
import stat
import threading
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.local import LocalStorage
from storage.objects import BusyError, FinishedError, MissingError, OffsetError, key_of

KEY = key_of(UUID(int=7), UUID(int=2**64 + 5))


def files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


async def whole(store: LocalStorage, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(key, start, end)])


async def test_what_arrives_is_read_only_once_it_is_whole(tmp_path: Path):
    store = LocalStorage(tmp_path)
    async with store.arriving(KEY, 0) as part:
        await part.write(b"one ")
        assert (await store.arrived(KEY), await store.size(KEY)) == (4, None)
        with pytest.raises(MissingError):
            await whole(store, KEY)
        await part.write(b"two")
        assert part.sha256() == hashlib.sha256(b"one two").hexdigest()
        await part.finish()
    assert (await store.size(KEY), await whole(store, KEY), await whole(store, KEY, 2, 5)) == (7, b"one two", b"e t")
    with pytest.raises(FinishedError):
        async with store.arriving(KEY, 0, anew=True):
            pass
    assert await whole(store, KEY) == b"one two"
    (file,) = files(tmp_path)
    assert file == tmp_path / KEY
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("forgets", [False, True])
async def test_who_goes_on_has_the_hash_of_all_of_it(tmp_path: Path, *, forgets: bool):
    store = LocalStorage(tmp_path)
    with pytest.raises(ConnectionError):
        async with store.arriving(KEY, 0) as part:
            await part.write(b"first half, ")
            raise ConnectionError
    with pytest.raises(OffsetError) as found:
        async with store.arriving(KEY, 5):
            pass
    assert found.value.offset == 12
    store = LocalStorage(tmp_path) if forgets else store
    async with store.arriving(KEY, 12) as part:
        await part.write(b"second half")
        assert part.sha256() == hashlib.sha256(b"first half, second half").hexdigest()
        await part.drop()
    assert await store.arrived(KEY) == 0
    assert files(tmp_path) == []


async def test_two_never_write_to_one_object(tmp_path: Path):
    one, other = LocalStorage(tmp_path), LocalStorage(tmp_path)
    async with one.arriving(KEY, 0) as part:
        await part.write(b"mine")
        with pytest.raises(BusyError):
            async with other.arriving(KEY, 0, anew=True):
                pass
        await part.finish()
    assert await whole(other, KEY) == b"mine"


async def test_of_many_who_begin_anew_at_once_the_object_is_one_of_theirs(tmp_path: Path):
    async def send(n: int) -> bool:
        try:
            async with LocalStorage(tmp_path).arriving(KEY, 0, anew=True) as part:
                for _ in range(20):
                    await part.write(bytes([n]) * 100)
                await part.finish()
        except (BusyError, FinishedError):
            return False
        return True

    done = await asyncio.gather(*(send(n) for n in range(16)))
    assert sum(done) >= 1
    found = await whole(LocalStorage(tmp_path), KEY)
    assert (len(found), len(set(found))) == (2000, 1)


async def test_what_is_removed_is_gone_and_may_be_removed_again(tmp_path: Path):
    store = LocalStorage(tmp_path)
    async with store.arriving(KEY, 0) as part:
        await part.write(b"x")
        await part.finish()
    await store.delete(KEY)
    await store.delete(KEY)
    assert (await store.arrived(KEY), await store.size(KEY)) == (0, None)


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "", f"{KEY}/..", f"{KEY}\n", "/etc/passwd"])
async def test_a_key_that_is_not_ours_reaches_nothing(tmp_path: Path, key: str):
    with pytest.raises(ValueError, match="no key of ours"):
        await LocalStorage(tmp_path).size(key)


async def test_a_link_that_was_planted_is_not_followed(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    place = tmp_path / "files" / KEY
    place.parent.mkdir(parents=True)
    place.symlink_to(secret)
    store = LocalStorage(tmp_path / "files")
    with pytest.raises(OSError, match="symbolic"):
        await whole(store, KEY)
    assert place.is_symlink()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=8), cuts=st.sets(st.integers(0, 7)))
def test_however_it_is_cut_it_arrives_as_it_was_sent(tmp_path: Path, pieces: list[bytes], cuts: set[int]):
    async def send() -> None:
        store, key, place = LocalStorage(tmp_path), key_of(uuid4(), uuid4()), 0
        groups: list[list[bytes]] = [[]]
        for n, piece in enumerate(pieces):
            groups[-1].append(piece)
            if n in cuts:
                groups.append([])
        for group in groups:
            async with store.arriving(key, place) as part:
                for piece in group:
                    await part.write(piece)
                place = part.offset
                if group is groups[-1]:
                    assert part.sha256() == hashlib.sha256(b"".join(pieces)).hexdigest()
                    await part.finish()
        assert await whole(store, key) == b"".join(pieces)

    asyncio.run(send())


async def test_no_file_is_closed_while_a_thread_still_writes_into_it(tmp_path: Path, monkeypatch):
    """Somebody who is cancelled waits for the piece that is being written, which then counts as one that has come."""
    store, begun, may_end = LocalStorage(tmp_path), threading.Event(), threading.Event()
    write = os.pwrite

    def slowly(file: int, piece: memoryview, place: int) -> int:
        begun.set()
        assert may_end.wait(20)
        return write(file, piece, place)

    async def send() -> None:
        async with store.arriving(KEY, 0) as part:
            await part.write(b"a piece")

    monkeypatch.setattr(os, "pwrite", slowly)
    sending = asyncio.create_task(send())
    await asyncio.to_thread(begun.wait, 20)
    sending.cancel()
    assert (await asyncio.wait([sending], timeout=0.05))[0] == set()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    monkeypatch.undo()
    async with store.arriving(KEY, 7) as part:
        assert part.sha256() == hashlib.sha256(b"a piece").hexdigest()
