"""The queue of reviews, live: events with the reviews they happened to, by one cursor as pages and as a stream."""

from collections.abc import AsyncGenerator, Hashable
from datetime import datetime
from typing import Any

import strawberry

from resolvers import reviews_stream
from resolvers.sources import Frame
from schema.access import Info, ask, follow, told
from schema.reviews import ReviewEvent
from schema.streams import After, First, checked, frame_of, page_of


@strawberry.type(description="What happened to reviews, in commit order, and the cursor from which to go on.")
class ReviewEventPage:
    """One page of the past."""

    cursor: str = told("Behind the last of these events: for `after` of the next page, or of the subscription.")
    as_of: datetime = told("The database's clock when this was read.")
    events: list[ReviewEvent] = told("Oldest first.")

    @classmethod
    def of(cls, frame: Frame) -> "ReviewEventPage":
        """Show a page."""
        return page_of(cls, frame, ReviewEvent.of)


@strawberry.type(description="What the stream delivers at once. Every event comes exactly once, in commit order.")
class ReviewStreamFrame(ReviewEventPage):
    """One frame of the live queue."""

    once: strawberry.Private[dict[Hashable, Any]]
    heartbeat: bool = told("True when nothing happened for ten seconds: the cursor tells how far the stream is.")

    @classmethod
    def of(cls, frame: Frame) -> "ReviewStreamFrame":
        """Show a frame."""
        return frame_of(cls, frame, ReviewEvent.of)


@strawberry.type
class ReviewsStreamQuery:
    """The past of the queue."""

    @ask(reviews_stream.events, "What happened to the reviews of the org unit after a cursor, or from the first on.")
    async def review_events(self, info: Info, after: After = None, first: First = 100) -> ReviewEventPage:
        """Page through the events."""
        return ReviewEventPage.of(await reviews_stream.events(info.context, after, checked(first)))


@strawberry.type
class ReviewsStreamSubscription:
    """The queue, live."""

    @follow(
        reviews_stream.stream,
        "Follow the reviews of the org unit, after a cursor or from now on. What is the caller's own, such as "
        "`myFence`, is not told here.",
    )
    async def review_stream(self, info: Info, after: After = None) -> AsyncGenerator[ReviewStreamFrame, None]:
        """Follow the queue."""
        async for frame in reviews_stream.stream(info.context, after):
            yield ReviewStreamFrame.of(frame)
