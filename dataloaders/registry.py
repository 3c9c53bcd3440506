"""The dataloaders of one operation, made when first asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, TypeVar, cast

from services.work import Work

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LARGEST_BATCH: Final = 500
"""How many keys one statement is given."""

Reading = Callable[[], AbstractAsyncContextManager[Work]]
Batch = Callable[[Work, list[K]], Awaitable[Sequence[V]]]


class Loader(Generic[K, V]):
    """Reads values by key, each key once in an operation, and together what is asked for at the same time.

    Whoever asks for many keys waits once, not once for each. A field that is cancelled, as its sibling failed, takes
    no value from the others: reading goes on without it.
    """

    def __init__(self, reading: Reading, batch: Batch[K, V]) -> None:
        self._reading = reading
        self._batch = batch
        self._known: dict[K, V] = {}
        self._waiting: dict[K, None] = {}
        self._read: asyncio.Task[None] | None = None
        self._reads: dict[K, asyncio.Task[None]] = {}
        self.is_asked = False
        """Whether anybody has asked for any value."""

    async def load(self, key: K) -> V:
        """Return the value of `key`."""
        self.is_asked = True
        if key not in self._known:
            await self._wait([key])
        return self._known[key]

    async def load_many(self, keys: Sequence[K]) -> list[V]:
        """Return the values of `keys`, in order."""
        self.is_asked = True
        unknown = [key for key in keys if key not in self._known]
        if unknown:
            await self._wait(unknown)
        return [self._known[key] for key in keys]

    def prime(self, values: Mapping[K, V]) -> None:
        """Take values that were read already, in the same snapshot and by the same viewer."""
        self._known.update(values)

    async def _wait(self, keys: Sequence[K]) -> None:
        for key in keys:
            if key not in self._reads:
                if self._read is None:
                    self._read = asyncio.get_running_loop().create_task(self._run())
                    self._read.add_done_callback(_seen)
                self._waiting[key] = None
                self._reads[key] = self._read
        for task in dict.fromkeys(self._reads[key] for key in keys):
            await asyncio.shield(task)

    async def _run(self) -> None:
        """Read all that was asked for until now: one turn of the loop is left to whoever asks side by side."""
        await asyncio.sleep(0)
        keys, self._waiting, self._read = list(self._waiting), {}, None
        for start in range(0, len(keys), LARGEST_BATCH):
            part = keys[start : start + LARGEST_BATCH]
            async with self._reading() as work:
                found = await self._batch(work, part)
            if len(found) != len(part):
                raise LookupError(f"A batch answered {len(found)} values for {len(part)} keys.")
            self._known.update(zip(part, found, strict=True))


def _seen(task: asyncio.Task[None]) -> None:
    """Take note of a failure that perhaps nobody waits for any more; whoever does is told."""
    if not task.cancelled():
        task.exception()


class Loaders:
    """Batches reads by key within one operation; a batch function answers in the order of its keys."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._loaders: dict[object, Loader[Any, Any]] = {}

    @property
    def asked(self) -> bool:
        """Whether anything was asked for."""
        return bool(self._loaders)

    def of(self, batch: Batch[K, V]) -> Loader[K, V]:
        """Return this operation's loader for a batch function."""
        loader = self._loaders.get(batch)
        if loader is None:
            loader = self._loaders[batch] = Loader(self._reading, batch)
        return cast("Loader[K, V]", loader)
