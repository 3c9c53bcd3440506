"""The dataloaders of one operation, made when first asked for."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast

from strawberry.dataloader import DataLoader

from services.work import Work

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Reading = Callable[[], AbstractAsyncContextManager[Work]]
Batch = Callable[[Work, list[K]], Awaitable[Sequence[V]]]


class Loaders:
    """Batches reads by key within one operation; a batch function answers in the order of its keys."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._loaders: dict[object, DataLoader[Any, Any]] = {}

    def of(self, batch: Batch[K, V]) -> DataLoader[K, V]:
        """Return this operation's loader for a batch function."""
        if batch not in self._loaders:

            async def load(keys: list[K]) -> Sequence[V]:
                async with self._reading() as work:
                    return await batch(work, keys)

            self._loaders[batch] = DataLoader(load_fn=load, max_batch_size=500)
        return cast("DataLoader[K, V]", self._loaders[batch])
