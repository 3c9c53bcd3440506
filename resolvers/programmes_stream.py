"""What happens to the enrolments of a programme: as pages, and live."""

from collections.abc import AsyncGenerator
from uuid import UUID

from dataloaders import programmes as loaders
from models.capabilities import Capability
from models.programmes import ProgrammeRequirement
from resolvers import streams
from resolvers.access import requires
from resolvers.context import Context
from resolvers.sources import Frame
from services.refusals import NotFound
from services.streams import Stream, programme_stream


@requires(Capability.PROGRAMMES_READ)
async def events(context: Context, programme_id: UUID | None, after: str | None, first: int) -> Frame:
    """Read what happened to a programme's enrolments after a cursor, at most `first` events."""
    return await streams.page(context, await _stream(context, programme_id), after, first)


@requires(Capability.PROGRAMMES_READ)
async def stream(context: Context, programme_id: UUID | None, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow a programme's enrolments, after a cursor or from now on."""
    followed = await _stream(context, programme_id)
    async for frame in streams.follow(context, followed, after, Capability.PROGRAMMES_READ):
        yield frame


async def requirement(context: Context, requirement_id: UUID) -> ProgrammeRequirement | None:
    """Return the requirement of an event that the viewer may see."""
    return await context.loaders.of(loaders.requirement).load(requirement_id)


async def _stream(context: Context, programme_id: UUID | None) -> Stream:
    """Return the stream of a programme that the viewer may see; refuse any other."""
    row = None if programme_id is None else await context.loaders.of(loaders.by_id).load(programme_id)
    if row is None:
        raise NotFound("Programme", programme_id or "given", path=["programmeId"])
    return programme_stream(context.tenant_id, row.id)
