"""Receiving a file: piece by piece into the store, hashed on the way, and whole only when all of it is as announced."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from models.evidence import Upload
from services.refusals import ChecksumMismatch, FileTooLarge, InProgress, NotFound, StateDrift
from storage.objects import Arriving, BusyError, FinishedError, MissingError, OffsetError, Storage

GATHERED: Final = 1_048_576
"""Bytes that are gathered before they are written: all that a transfer holds in memory."""


async def receive(
    store: Storage,
    upload: Upload,
    pieces: AsyncIterator[bytes],
    finish: Callable[[], Awaitable[None]],
    *,
    offset: int = 0,
    anew: bool = False,
) -> int:
    """Take in what comes behind `offset`, or all of it `anew`; return how many bytes are there.

    With the last byte the hash is compared, and `finish` is awaited while nobody else can write. Where the sender
    breaks off, what has come stays. Refuses another offset than the one that is there (STATE_DRIFT, whose version is
    the right one), more than was announced, and another hash, of which nothing is kept.
    """
    try:
        async with store.arriving(upload.object_key, offset, anew=anew) as part:
            await _take_in(part, pieces, upload.size)
            if part.offset == upload.size:
                if part.sha256() != upload.sha256:
                    await part.drop()
                    raise ChecksumMismatch(part.sha256(), upload.sha256)
                await part.finish()
                await finish()
            return part.offset
    except BusyError as error:
        raise InProgress from error
    except MissingError as error:
        raise NotFound("Upload", upload.id) from error
    except OffsetError as error:
        raise StateDrift(
            f"{error.offset} bytes of the file are here, not {offset}.",
            current_state=upload.state.upper(),
            current_version=error.offset,
            hint="Go on behind the bytes that are here.",
        ) from error
    except FinishedError:
        return await _noted(store, upload, finish)


def require_room(upload: Upload, offset: int, length: int | None) -> None:
    """Refuse more bytes than were announced, before the first of them is taken in."""
    if offset + (length or 0) > upload.size:
        raise FileTooLarge(offset + (length or 0), upload.size)


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
