"""The tenant's thresholds of attention, read once in an operation."""

from models.attention import AttentionRules
from services import attention_rules
from services.work import Work


async def rules(work: Work, keys: list[None]) -> list[AttentionRules | None]:
    """Return what the tenant has set, for each time that it is asked for."""
    return [await attention_rules.row(work)] * len(keys)
