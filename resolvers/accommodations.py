"""Accommodation profiles: shown, written and removed."""

from dataclasses import asdict
from uuid import UUID

from dataloaders import accommodations as loaders
from dataloaders import identity as identity_loaders
from models.accommodations import AccommodationProfile
from models.capabilities import Capability
from models.identity import User
from resolvers.access import requires
from resolvers.context import Context
from services import accommodations
from services.accommodations import Needs
from services.idempotency import Answer
from services.work import Work


@requires(Capability.ACCOMMODATIONS_READ)
async def profile(context: Context, user_id: UUID | None) -> AccommodationProfile | None:
    """Return what a person needs; None when nothing was written down."""
    return None if user_id is None else await context.loaders.of(loaders.of_user).load(user_id)


@requires(Capability.ACCOMMODATIONS_MANAGE)
async def accommodation_update(
    context: Context, user_id: UUID, needs: Needs, reason: str, expected_version: int | None, key: str | None
) -> AccommodationProfile | None:
    """Write down what a person needs."""

    async def act(work: Work) -> Answer:
        return await accommodations.update(work, user_id, needs, reason, expected_version)

    given = {"user": str(user_id), "needs": asdict(needs), "reason": reason, "version": expected_version}
    await context.write("accommodationUpdate", key, given, act)
    return await context.loaders.of(loaders.of_user).load(user_id)


@requires(Capability.ACCOMMODATIONS_MANAGE)
async def accommodation_remove(context: Context, user_id: UUID, reason: str, key: str | None) -> User | None:
    """Remove what was written down of a person's needs."""

    async def act(work: Work) -> Answer:
        return await accommodations.remove(work, user_id, reason)

    await context.write("accommodationRemove", key, {"user": str(user_id), "reason": reason}, act)
    return await context.loaders.of(identity_loaders.users).load(user_id)
