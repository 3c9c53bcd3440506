"""What a candidate's browser says to stay connected, and what it sends when it is back."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from resolvers.access import candidate
from resolvers.context import Context
from services.refusals import Refusal
from services.sessions_answers import Saved
from services.sessions_connection import Pulse


@candidate
async def heartbeat(context: Context, key: str | None, *, with_revisions: bool) -> Pulse:
    """Note that the candidate's browser is there."""
    request = await context.writing("sessionHeartbeat", key, {"revisions": with_revisions})
    return await context.house.session_writes.beat(context.viewer, request, with_revisions=with_revisions)


@candidate
async def answers_save(
    context: Context, answers: Sequence[tuple[UUID, int, Any]], key: str | None
) -> list[Saved | Refusal]:
    """Save several answers; each is saved or refused by itself."""
    given = {"answers": [{"item": str(item), "revision": n, "response": one} for item, n, one in answers]}
    request = await context.writing("answersSave", key, given)
    return await context.house.session_writes.save_many(context.viewer, answers, request)
