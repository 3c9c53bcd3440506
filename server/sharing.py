"""One execution for identical reads that wait at the same time.

Identical means the same document, variables and operation, asked by the same person in the same scope: rights follow
from these, so they are part of the key. A read joins only an execution that has not begun, so that its answer is
never older than its question; while one runs, those that come meanwhile wait together for the next. Whoever asks
again and again comes back just after an answer, so that the next execution waits a moment for a crowd to be back:
else it would begin for the first of them, and the others would wait for it and for the one after it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

CROWD: Final = 4
"""How many must have been answered or be waiting, when an execution ends, for the next one to wait for all of them."""

RETURN_SECONDS: Final = 0.02
"""How long after an answer a crowd may come back to be waited for, and for how long it is waited for at most."""


@dataclass(slots=True, eq=False)
class _Execution(Generic[T]):
    """One execution and how many wait for it."""

    task: asyncio.Task[T]
    waiting: int = 0
    wanted: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class SharedAnswers(Generic[T]):
    """The executions of one process that are open to others, and those that run, by what was asked."""

    def __init__(self) -> None:
        self._open: dict[Hashable, _Execution[T]] = {}
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self._crowds: dict[Hashable, int] = {}

    async def of(self, key: Hashable, execute: Callable[[], Awaitable[T]]) -> T:
        """Return the answer of an execution that begins after this call; it is cancelled when nobody waits for it."""
        execution = self._open.get(key)
        if execution is None:
            task = asyncio.create_task(self._execute(key, execute))
            execution = self._open[key] = _Execution(task)
        execution.waiting += 1
        if execution.waiting == execution.wanted:
            execution.complete.set()
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
            await self._gathered(key)
            crowd = self._close(key, current)
            self._running[key] = current
            answer = await execute()
            following = self._open.get(key)
            crowd += 0 if following is None else following.waiting
            if crowd >= CROWD:
                self._crowds[key] = crowd
                asyncio.get_running_loop().call_later(RETURN_SECONDS, self._crowds.pop, key, None)
            return answer
        finally:
            self._close(key, current)
            if self._running.get(key) is current:
                del self._running[key]

    async def _gathered(self, key: Hashable) -> None:
        """Wait until all are back who were answered just now, if they were many, or for a moment."""
        execution, crowd = self._open.get(key), self._crowds.pop(key, 0)
        if execution is None or execution.waiting >= crowd:
            return
        execution.wanted = crowd
        with suppress(TimeoutError):  # not all of them came back
            async with asyncio.timeout(RETURN_SECONDS):
                await execution.complete.wait()

    def _close(self, key: Hashable, task: "asyncio.Task[T]") -> int:
        """Let nobody join an execution any more; tell how many wait for it."""
        execution = self._open.get(key)
        if execution is None or execution.task is not task:
            return 0
        del self._open[key]
        return execution.waiting
