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
from services import programmes
from services.streams import Stream, programme_stream


@requires(Capability.PROGRAMMES_READ)
async def events(context: Context, programme_id: UUID, after: str | None, first: int) -> Frame:
    """Read what happened to a programme's enrolments after a cursor, at most `first` events."""
    await context.read(programmes.require, programme_id)
    return await streams.page(context, _stream(context, programme_id), after, first)


@requires(Capability.PROGRAMMES_READ)
async def stream(context: Context, programme_id: UUID, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow a programme's enrolments, after a cursor or from now on."""
    await context.read(programmes.require, programme_id)
    async for frame in streams.follow(context, _stream(context, programme_id), after, Capability.PROGRAMMES_READ):
        yield frame


async def requirement(context: Context, requirement_id: UUID) -> ProgrammeRequirement | None:
    """Return the requirement of an event that the viewer may see."""
    return await context.loaders.of(loaders.requirement).load(requirement_id)


def _stream(context: Context, programme_id: UUID) -> Stream:
    return programme_stream(context.tenant_id, programme_id)
