"""Attention that sessions need: under which thresholds, and who has acknowledged it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from dataloaders import attention as loaders
from dataloaders import sessions as session_loaders
from models.attention import AttentionRules
from models.capabilities import Capability
from models.sessions import DeliverySession
from resolvers.access import requires
from resolvers.context import Context
from services import attention_rules, sessions_acknowledge
from services.attention_rules import Wanted
from services.idempotency import Answer
from services.work import Work


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What became of one session, which is None where it cannot be seen; problem and drift are a refusal as kept."""

    session: DeliverySession | None
    problem: dict[str, Any] | None
    drift: dict[str, Any] | None


@requires(Capability.SESSIONS_READ)
async def rules(context: Context) -> AttentionRules | None:
    """Return what the tenant has set."""
    return await context.loaders.of(loaders.rules).load(None)


@requires(Capability.POLICY_MANAGE)
async def rules_update(
    context: Context, wanted: Wanted, reason: str, expected_version: int | None, key: str | None
) -> AttentionRules | None:
    """Set the tenant's thresholds."""

    async def act(work: Work) -> Answer:
        return await attention_rules.update(work, wanted, reason, expected_version)

    given = {"wanted": asdict(wanted), "reason": reason, "version": expected_version}
    await context.write("attentionRulesUpdate", key, given, act)
    return await context.loaders.of(loaders.rules).load(None)


@requires(Capability.SESSIONS_PROCTOR)
async def acknowledge(
    context: Context, listed: Sequence[tuple[str, UUID | None]], note: str, key: str | None
) -> list[Acknowledged]:
    """Acknowledge what calls for attention in sessions."""

    async def act(work: Work) -> Answer:
        return await sessions_acknowledge.acknowledge(work, listed, note)

    given = {"sessions": [one for one, _ in listed], "note": note}
    answer = await context.write("sessionAttentionAcknowledge", key, given, act)
    ids = [UUID(row["session"]) for row in answer["rows"] if row["session"] is not None]
    found = dict(zip(ids, await context.loaders.of(session_loaders.by_id).load_many(ids), strict=True))
    return [
        Acknowledged(None if row["session"] is None else found[UUID(row["session"])], row["problem"], row["drift"])
        for row in answer["rows"]
    ]
