"""The tenant's default limits, once for whoever asks in one operation."""

from models.policy import PolicyDefaults
from services import policy_defaults
from services.work import Work


async def defaults(work: Work, keys: list[None]) -> list[PolicyDefaults | None]:
    """Return the tenant's row; None while the tenant sets nothing."""
    return [await policy_defaults.current(work)] * len(keys)
