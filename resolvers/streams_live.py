"""One open subscription: its frames with the right to them, and the answers that others were given for the same.

Who asks the same question of a stream with the same standing gets the same answer, so it is made by the first of them,
and the others take it as it was encoded, without an execution of their own.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from typing import Any

from models.sessions import SessionEvent
from realtime.shared import Feed, Frame
from resolvers.context import Context, Standing
from resolvers.rights import STALE, Watch
from resolvers.sources import Frame as Shown
from resolvers.sources import Lent, Source

Execute = Callable[[Shown, Standing, Lent | None], Awaitable[Any]]
"""Executes a frame for all of one standing, in a snapshot that is lent if there is one; None when it failed."""


class Pending:
    """An answer that is being made by the first who needs it; None when nothing came of it."""

    __slots__ = ("answer", "settled")

    def __init__(self) -> None:
        self.settled = asyncio.Event()
        self.answer: Any = None


class Live:
    """Takes the frames of one subscription, in order and each once, whoever makes the answer.

    `question` is what the answer depends on beside frame and standing; the executor tells it with the first frame.
    """

    def __init__(
        self,
        context: Context,
        source: Source,
        frames: AsyncGenerator[Frame[SessionEvent], None],
        watch: Watch,
        feed: Feed,
    ) -> None:
        self._context = context
        self._source = source
        self._frames = frames
        self._watch = watch
        self._feed = feed
        self._scope = context.viewer.impersonal()
        self._standing = Standing(self._scope, watch.held)
        self._back: Frame[SessionEvent] | None = None
        self._error: Exception | None = None
        self._led: Pending | None = None
        self._key: Hashable = None
        self._shown = False
        self._waits = False
        self._answer_of: Callable[[Any], Any] | None = None
        self._push: Callable[[Any], bool] | None = None
        self.question: Hashable | None = None
        self.execute: Execute | None = None
        self.extensions: dict[str, Any] | None = None
        """What every answer says beside its data, as the last one did that was not shared."""
        feed.taker = self

    def leave(self) -> None:
        """Forget whoever followed."""
        self._feed.taker = self.execute = self._answer_of = self._push = None

    def offer(self, answer_of: Callable[[Any], Any], push: Callable[[Any], bool]) -> None:
        """Offer to be pushed answers, which `answer_of` makes of results, while `known` waits."""
        self._answer_of, self._push = answer_of, push

    @property
    def key(self) -> Hashable | None:
        """What the next answer depends on beside its frame, if it can be pushed now; else None."""
        if not self._waits or self._push is None or self.execute is None or self.question is None:
            return None
        if time.monotonic() - self._watch.at > STALE:
            return None
        self._stand()
        return self._key

    async def make(self, frame: Frame[SessionEvent]) -> Any:
        """Make the answer for all of the same key, in the snapshot of the frame; others who come find it, too."""
        execute, answer_of, standing = self.execute, self._answer_of, self._standing
        if execute is None or answer_of is None or self._key in frame.once:
            return None
        pending = frame.once[self._key] = Pending()
        try:
            result = await execute(self._source.show(frame), standing, self._source.lent_to(standing.scope))
            if result is None:
                self.execute = None  # its answers have errors to be masked and noted: from now on it comes for them
            else:
                result.extensions = self.extensions
                answer = answer_of(result)
                pending.answer = answer if answer.was_executed else None
        finally:
            pending.settled.set()
        return pending.answer

    def give(self, answer: Any) -> bool:
        """Push an answer; false when it was not taken."""
        return self._push is not None and self._push(answer)

    async def take(self) -> Frame[SessionEvent]:
        """Return the next frame for an execution; raises the reason why the stream must end."""
        frame = await self._next()
        self._context.standing = self._standing
        self._shown = True
        return frame

    async def known(self) -> Any:
        """Wait for the next frame; return its answer if others have it or make it, else leave the frame to `take`."""
        if self.question is None or self._error is not None:
            return None
        try:
            return await self._known()
        except Exception as error:  # noqa: BLE001 - `take` raises it, where it is answered
            self._error = error
            return None

    def settle(self, answer: Any) -> None:
        """Give the answer that was made to whoever waits for it; None when there is none for others."""
        led, self._led = self._led, None
        if led is not None:
            led.answer = answer if self._shown else None
            led.settled.set()

    async def _known(self) -> Any:
        self._waits = True
        try:
            frame = await self._next()
        finally:
            self._waits = False
        found = frame.once.get(self._key)
        if found is None:
            self._led = frame.once[self._key] = Pending()
            self._back, self._shown = frame, False
            return None
        if not found.settled.is_set():
            await found.settled.wait()
            self._feed.check()
        if found.answer is None:
            self._back = frame
        return found.answer

    async def _next(self) -> Frame[SessionEvent]:
        if self._error is not None:
            raise self._error
        frame, self._back = self._back, None
        if frame is None:
            frame = await anext(self._frames)
            if time.monotonic() - self._watch.at > STALE:
                await self._context.house.rights.ensure(self._context.viewer, self._watch)
            self._stand()
        self._feed.check()
        return frame

    def _stand(self) -> None:
        """Note what may be seen now, and under which key others find the same."""
        if self._standing.capabilities is not self._watch.held:
            self._standing, self._key = Standing(self._scope, self._watch.held), None
        if self._key is None and self.question is not None:
            self._key = self._source.key((self.question, self._standing))
