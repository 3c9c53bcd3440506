"""The tenant's default limits: shown and changed."""

from dataclasses import asdict

from dataloaders import policy as loaders
from models.capabilities import Capability
from models.policy import PolicyDefaults
from resolvers.access import requires
from resolvers.context import Context
from services import policy_defaults
from services.idempotency import Answer
from services.policy_defaults import Defaults
from services.work import Work


async def current(context: Context) -> PolicyDefaults | None:
    """Return what the tenant sets, for limits of objects that the viewer may already see."""
    return await context.loaders.of(loaders.defaults).load(None)


@requires(Capability.ASSIGNMENTS_READ)
async def defaults(context: Context) -> PolicyDefaults | None:
    """Return what the tenant sets."""
    return await current(context)


@requires(Capability.POLICY_MANAGE)
async def policy_defaults_update(
    context: Context, wanted: Defaults, reason: str, expected_version: int | None, key: str | None
) -> PolicyDefaults | None:
    """Set the tenant's defaults."""

    async def act(work: Work) -> Answer:
        return await policy_defaults.update(work, wanted, reason, expected_version)

    given = {"wanted": asdict(wanted), "reason": reason, "version": expected_version}
    await context.write("policyDefaultsUpdate", key, given, act)
    return await current(context)
