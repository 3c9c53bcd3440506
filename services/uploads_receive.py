"""Receiving a file: piece by piece into the store, hashed on the way, and whole only when all of it is as announced."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from models.evidence import Upload
from services.refusals import InProgress, InvalidInput, NotFound, StateDrift
from services.refusals_files import ChecksumMismatch, FileTooLarge
from storage.objects import Arriving, BusyError, FinishedError, MissingError, OffsetError, Storage

GATHERED: Final = 1_048_576
"""Bytes that are gathered before they are written: all that a transfer holds in memory."""


@dataclass(frozen=True, slots=True)
class Part:
    """Where in the file a body belongs, and whether it begins the file anew.

    `length` is how long the body is, and `total` how long the file, in bytes, where that is told.
    """

    offset: int
    length: int | None = None
    total: int | None = None
    anew: bool = False


async def receive(
    store: Storage,
    upload: Upload,
    pieces: AsyncIterator[bytes],
    finish: Callable[[], Awaitable[None]],
    part: Part,
) -> int:
    """Take in a part, or all of it; return how many bytes are there.

    With the last byte the hash is compared, and `finish` is awaited while nobody else can write. Where the sender
    breaks off, what has come stays. Refuses another offset than the one that is there (STATE_DRIFT, whose version is
    the right one), more than was announced, and another hash, of which nothing is kept.
    """
    try:
        async with store.arriving(upload.object_key, part.offset, anew=part.anew) as file:
            await _take_in(file, pieces, upload.size)
            if file.offset == upload.size:
                if file.sha256() != upload.sha256:
                    await file.drop()
                    raise ChecksumMismatch(file.sha256(), upload.sha256)
                await file.finish()
                await finish()
            return file.offset
    except BusyError as error:
        raise InProgress from error
    except MissingError as error:
        raise NotFound("Upload", upload.id) from error
    except OffsetError as error:
        raise StateDrift(
            f"{error.offset} bytes of the file are here, not {part.offset}.",
            current_state=upload.state.upper(),
            current_version=error.offset,
            hint="Go on behind the bytes that are here.",
        ) from error
    except FinishedError:
        return await _noted(store, upload, finish)


def require_room(upload: Upload, part: Part) -> None:
    """Refuse another size than was announced, and more bytes than it leaves, before the first of them is taken in."""
    if part.total is not None and part.total != upload.size:
        raise InvalidInput(f"{upload.size} bytes were announced, not {part.total}.", path=["sizeBytes"])
    if part.offset + (part.length or 0) > upload.size:
        raise FileTooLarge(part.offset + (part.length or 0), upload.size)


async def _take_in(part: Arriving, pieces: AsyncIterator[bytes], size: int) -> None:
    gathered = bytearray()
    try:
        async for piece in pieces:
            if part.offset + len(gathered) + len(piece) > size:
                raise FileTooLarge(part.offset + len(gathered) + len(piece), size)
            gathered += piece
            if len(gathered) >= GATHERED:
                whole, gathered = bytes(gathered), bytearray()
                await part.write(whole)
    finally:
        if gathered:
            await part.write(bytes(gathered))


async def _noted(store: Storage, upload: Upload, finish: Callable[[], Awaitable[None]]) -> int:
    """Note a file that arrived whole, of which that could not be noted then."""
    found = await digest(store, upload.object_key)
    if found != (upload.size, upload.sha256):
        await store.delete(upload.object_key)
        raise ChecksumMismatch(found[1], upload.sha256)
    await finish()
    return upload.size


async def digest(store: Storage, key: str) -> tuple[int, str]:
    """Return size and SHA-256 of what is stored, read once more; raises MissingError."""
    size, digest_ = 0, hashlib.sha256()
    async for piece in store.read(key):
        size += len(piece)
        await asyncio.to_thread(digest_.update, piece)
    return size, digest_.hexdigest()
