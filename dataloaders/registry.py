"""The dataloaders of one operation, made when first asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast

from strawberry.dataloader import DataLoader

from services.work import Work

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Reading = Callable[[], AbstractAsyncContextManager[Work]]
Batch = Callable[[Work, list[K]], Awaitable[Sequence[V]]]


class SharedLoader(DataLoader[K, V]):
    """A loader whose answers are shared: a field that is cancelled, as its sibling failed, cancels no other's."""

    def load(self, key: K) -> Awaitable[V]:
        """Return the value of `key`, to be awaited once."""
        return asyncio.shield(super().load(key))


class Loaders:
    """Batches reads by key within one operation; a batch function answers in the order of its keys."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._loaders: dict[object, SharedLoader[Any, Any]] = {}

    def of(self, batch: Batch[K, V]) -> SharedLoader[K, V]:
        """Return this operation's loader for a batch function."""
        if batch not in self._loaders:

            async def load(keys: list[K]) -> Sequence[V]:
                async with self._reading() as work:
                    return await batch(work, keys)

            self._loaders[batch] = SharedLoader(load_fn=load, max_batch_size=500)
        return cast("SharedLoader[K, V]", self._loaders[batch])
