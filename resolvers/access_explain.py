"""Explaining who may do what, now and at past instants."""

from datetime import datetime
from uuid import UUID

from dataloaders import org_units as loaders
from models.capabilities import Capability
from models.identity import OrgUnit
from resolvers.access import requires
from resolvers.context import Context
from services import access_explain
from services.access_explain import Explanation


@requires(Capability.ROLES_READ)
async def access_explain_query(
    context: Context, user_id: UUID, capability: str, place: tuple[str, UUID] | None, at: datetime | None
) -> Explanation:
    """Explain a decision; one of the past tells from the ledger, so it needs the right to read that too."""
    if at is not None:
        await context.require(Capability.ACTIVITY_READ)
    viewer = await context.read(access_explain.reach)
    async with context.house.office.snapshot(viewer) as work:
        return await access_explain.explain(work, user_id, capability, place, at)


async def org_unit(context: Context, org_unit_id: UUID | None) -> OrgUnit | None:
    """Return the org unit that an explanation is about."""
    return None if org_unit_id is None else await context.loaders.of(loaders.by_id).load(org_unit_id)
