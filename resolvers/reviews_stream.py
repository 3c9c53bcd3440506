"""What happens to the reviews of an org unit: as pages, and live."""

from collections.abc import AsyncGenerator

from models.capabilities import Capability
from resolvers import streams
from resolvers.access import requires
from resolvers.context import Context
from resolvers.sources import Frame
from services.refusals import BadUserInput
from services.streams import Stream, review_stream


@requires(Capability.SUBMISSIONS_READ)
async def events(context: Context, after: str | None, first: int) -> Frame:
    """Read what happened to reviews after a cursor, at most `first` events."""
    return await streams.page(context, _stream(context), after, first)


@requires(Capability.SUBMISSIONS_READ)
async def stream(context: Context, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow the reviews, after a cursor or from now on."""
    async for frame in streams.follow(context, _stream(context), after, Capability.SUBMISSIONS_READ):
        yield frame


def _stream(context: Context) -> Stream:
    if context.viewer.org_unit_id is None:
        raise BadUserInput(
            "The token spans all org units, and a stream is of one.", hint="Use a token of one org unit."
        )
    return review_stream(context.tenant_id, context.viewer.org_unit_id)
