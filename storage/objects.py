"""What a store of files can do, whatever it keeps them in.

An object has a key that we make, never a name that somebody gave. It arrives in pieces, one after the other, and is
there for readers only once it was finished.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID


class StorageError(Exception):
    """A store could not do what it was asked for."""


class BusyError(StorageError):
    """Somebody else is writing to the object."""


class FinishedError(StorageError):
    """The object is whole; nothing is written to it any more."""


class MissingError(StorageError):
    """There is no such object."""


class OffsetError(StorageError):
    """More or less of the object is there than the writer believes; `offset` is how many bytes there are."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"{offset} bytes are there")
        self.offset = offset


class Arriving(Protocol):
    """An object that is being written to, by nobody else. What was written is durable when it is left."""

    @property
    def offset(self) -> int:
        """How many bytes there are."""
        ...

    async def write(self, piece: bytes) -> None:
        """Put a piece behind what is there."""
        ...

    def sha256(self) -> str:
        """Return the hash of all there is, in lower-case hexadecimal."""
        ...

    async def finish(self) -> None:
        """Make the object whole: from now on it is read, and never written to again."""
        ...

    async def drop(self) -> None:
        """Forget all that arrived."""
        ...


class Storage(Protocol):
    """Keeps objects."""

    def arriving(self, key: str, offset: int, *, anew: bool = False) -> AbstractAsyncContextManager[Arriving]:
        """Go on writing an object at `offset`, or begin it `anew`.

        Raises BusyError while somebody else does, FinishedError when it is whole, and OffsetError where more or less of
        it is there.
        """
        ...

    async def arrived(self, key: str) -> int:
        """Return how many bytes of an object are there, finished or not; 0 where there is nothing."""
        ...

    async def size(self, key: str) -> int | None:
        """Return the size of a finished object in bytes; None where there is none."""
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of a finished object from `start` up to but not including `end`; raises MissingError."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object and whatever arrived of it; removing what is not there does nothing."""
        ...


def key_of(tenant_id: UUID, object_id: UUID) -> str:
    """Return the key of an object: its tenant, two folders that spread objects evenly, and its id."""
    name = object_id.hex
    return f"{tenant_id.hex}/{name[-2:]}/{name[-4:-2]}/{name}"
