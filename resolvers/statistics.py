"""Statistics of an evaluation version: how its questions and its markers measured."""

from models.capabilities import Capability
from resolvers.access import requires
from resolvers.context import Context
from services import statistics_read
from services.statistics_read import Statistics, Wanted


@requires(Capability.STATISTICS_READ)
async def evaluation_statistics(context: Context, wanted: Wanted | None) -> Statistics | None:
    """Return the statistics of the viewer's org unit; None where there is nothing to be seen."""
    return None if wanted is None else await context.read(statistics_read.read, wanted)
