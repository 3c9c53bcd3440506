"""One execution for identical reads that wait at the same time.

Identical means the same document, variables and operation, asked by the same person in the same scope: rights follow
from these, so they are part of the key. A read joins only an execution that has not begun, so that its answer is
never older than its question; while one runs, those that come meanwhile wait together for the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Execution(Generic[T]):
    """One execution and how many wait for it."""

    task: asyncio.Task[T]
    waiting: int = 0


class SharedAnswers(Generic[T]):
    """The executions of one process that are open to others, and those that run, by what was asked."""

    def __init__(self) -> None:
        self._open: dict[Hashable, _Execution[T]] = {}
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def of(self, key: Hashable, execute: Callable[[], Awaitable[T]]) -> T:
        """Return the answer of an execution that begins after this call; it is cancelled when nobody waits for it."""
        execution = self._open.get(key)
        if execution is None:
            task = asyncio.create_task(self._execute(key, execute))
            execution = self._open[key] = _Execution(task)
        execution.waiting += 1
        try:
            return await asyncio.shield(execution.task)
        finally:
            execution.waiting -= 1
            if execution.waiting == 0 and not execution.task.done():
                self._close(key, execution.task)
                execution.task.cancel()

    async def _execute(self, key: Hashable, execute: Callable[[], Awaitable[T]]) -> T:
        current = asyncio.current_task()
        assert current is not None  # noqa: S101 - a coroutine of a task
        try:
            before = self._running.get(key)
            if before is not None:
                await asyncio.wait({before})
            self._close(key, current)
            self._running[key] = current
            return await execute()
        finally:
            self._close(key, current)
            if self._running.get(key) is current:
                del self._running[key]

    def _close(self, key: Hashable, task: "asyncio.Task[T]") -> None:
        """Let nobody join an execution any more."""
        execution = self._open.get(key)
        if execution is not None and execution.task is task:
            del self._open[key]
