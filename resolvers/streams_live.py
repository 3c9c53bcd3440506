"""One open subscription: its frames with the right to them, and the answers that others were given for the same.

Who asks the same question of a stream with the same standing gets the same answer, so it is made by the first of them,
and the others take it as it was encoded, without an execution of their own.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Hashable
from typing import Any

from models.sessions import SessionEvent
from realtime.shared import Feed, Frame
from resolvers.context import Context, Standing
from resolvers.rights import STALE, Watch
from resolvers.sources import Source


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
        self.question: Hashable | None = None

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
        frame = await self._next()
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
