"""Objects as files below one directory, on this machine or on a file system that machines share.

What arrives is written to `<key>.part` under a lock, synchronised, and renamed when it is whole, so that a reader sees
all of a file or nothing. Files belong to us alone and are never executable.
"""

import asyncio
import fcntl
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from storage.objects import Arriving, BusyError, FinishedError, MissingError, OffsetError

PIECE: Final = 1_048_576
"""Bytes that are read or written at once: the most that a transfer holds in memory."""

REMEMBERED: Final = 256
"""How many unfinished objects a process knows the hash of; of any other, what is there is hashed again."""

_KEY: Final = re.compile(r"[0-9a-f]{32}/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{32}")


class LocalStorage:
    """Keeps objects in a directory, which is made when the first one arrives."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hashes: OrderedDict[str, tuple[int, Any]] = OrderedDict()

    @asynccontextmanager
    async def arriving(self, key: str, offset: int, *, anew: bool = False) -> AsyncGenerator[Arriving, None]:
        """Go on writing an object, as `Storage.arriving` says."""
        file = await asyncio.to_thread(self._opened, key, offset, anew)
        try:
            known = None if anew else self._hashes.pop(key, None)
            part = _File(file, self._path(key), offset)
            await part.begin(known)
            try:
                yield part
            finally:
                await _to_the_end(part.settle)
                if not part.is_over:
                    self._remember(key, part)
        finally:
            os.close(file)

    async def arrived(self, key: str) -> int:
        """Return how many bytes are there."""
        return await asyncio.to_thread(self._arrived, key)

    async def size(self, key: str) -> int | None:
        """Return the size of a finished object."""
        return await asyncio.to_thread(_size, self._path(key))

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of a finished object."""
        try:
            file = await asyncio.to_thread(os.open, self._path(key), os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise MissingError(key) from error
        try:
            place = start
            while end is None or place < end:
                wanted = PIECE if end is None else min(PIECE, end - place)
                piece = await asyncio.to_thread(os.pread, file, wanted, place)
                if not piece:
                    return
                place += len(piece)
                yield piece
        finally:
            os.close(file)

    async def delete(self, key: str) -> None:
        """Remove an object."""
        self._hashes.pop(key, None)
        await asyncio.to_thread(self._delete, key)

    def unfinished(self, key: str) -> Path:
        """Return where an object lies that has not been finished."""
        return _part(self._path(key))

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"'{key[:80]}' is no key of ours")
        return self._root / key

    def _arrived(self, key: str) -> int:
        path = self._path(key)
        finished = _size(path)
        return finished if finished is not None else _size(_part(path)) or 0

    def _opened(self, key: str, offset: int, anew: bool) -> int:  # noqa: FBT001 - called in a thread, by place
        """Open what arrives, locked; never what was finished, also if it was finished while this waited to open it."""
        path = self._path(key)
        part = _part(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _take(file, part, path)
            if anew:
                os.ftruncate(file, 0)
            _require(file, offset)
        except BaseException:
            os.close(file)
            raise
        return file

    def _remember(self, key: str, part: "_File") -> None:
        self._hashes[key] = part.offset, part.hash
        while len(self._hashes) > REMEMBERED:
            self._hashes.popitem(last=False)

    def _delete(self, key: str) -> None:
        path = self._path(key)
        for one in (path, _part(path)):
            one.unlink(missing_ok=True)


class _File:
    """One file that is being written."""

    def __init__(self, file: int, path: Path, offset: int) -> None:
        self._file = file
        self._path = path
        self.offset = offset
        self.hash: Any = hashlib.sha256()
        self.is_over = False

    async def begin(self, known: tuple[int, Any] | None) -> None:
        """Know the hash of what is there: as it was left by this process, or else by reading it once more."""
        if known is not None and known[0] == self.offset:
            self.hash = known[1]
            return
        await _to_the_end(self._read_again)

    async def write(self, piece: bytes) -> None:
        """Write a piece, and hash it on the way."""
        await _to_the_end(partial(self._write, piece))

    def sha256(self) -> str:
        """Return the hash."""
        return self.hash.hexdigest()

    async def finish(self) -> None:
        """Give the file its own name."""
        await _to_the_end(self._finish)

    async def drop(self) -> None:
        """Remove the file."""
        self.is_over = True
        await asyncio.to_thread(_part(self._path).unlink, missing_ok=True)

    def settle(self) -> None:
        """Have what was written survive a loss of power."""
        os.fsync(self._file)

    def _read_again(self) -> None:
        place = 0
        while piece := os.pread(self._file, PIECE, place):
            self.hash.update(piece)
            place += len(piece)

    def _write(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            written = os.pwrite(self._file, left, self.offset)
            self.hash.update(left[:written])
            self.offset += written
            left = left[written:]

    def _finish(self) -> None:
        self.settle()
        try:
            _part(self._path).rename(self._path)
        except FileNotFoundError as error:
            raise MissingError(self._path.name) from error
        self.is_over = True
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


async def _to_the_end(act: Callable[[], None]) -> None:
    """Run something in a thread, and wait for it also when cancelled: only then may the file be closed.

    The number of a closed file is given to the next one that is opened, and the thread would write into that.
    """
    running = asyncio.create_task(asyncio.to_thread(act))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _take(file: int, part: Path, path: Path) -> None:
    """Lock a file that was opened to be written to; refuse it where somebody else has it, or has made it whole."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyError(part.name) from error
    if not _is_at(file, part):
        raise BusyError(part.name)
    if _size(path) is not None:
        part.unlink()
        raise FinishedError(path.name)


def _require(file: int, offset: int) -> None:
    found = os.fstat(file).st_size
    if found != offset:
        raise OffsetError(found)


def _is_at(file: int, path: Path) -> bool:
    """Tell whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
