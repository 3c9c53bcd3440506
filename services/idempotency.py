"""One mechanism for every mutation: the same key and input give the same answer, and one effect (domain.md 12).

The answer is written in the transaction of the effect. Twins wait on the key's lock and then find the answer; what was
refused is not kept, so that a mended request may use its key again.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from prometheus_client import Counter
from sqlalchemy import delete, func, select

from models.idempotency import IdempotencyKey
from services.refusals import IdempotencyMismatch, InvalidInput
from services.work import Work

REPLAYS = Counter("evalium_idempotent_replays", "Requests answered from what was stored under their idempotency key.")

KEPT = timedelta(hours=24)
LONGEST_KEY = 255

Answer = dict[str, Any]
"""What an act answers: JSON values only, ids instead of objects, and never a secret."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as idempotency sees it: which act, under which key, with which input."""

    operation: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, operation: str, key: str, given: Any) -> "Request":
        """Describe a request; a key that is empty, blank, over-long or has control characters is refused."""
        if not key.strip() or len(key) > LONGEST_KEY or not key.isprintable():
            raise InvalidInput(
                f"The idempotency key must be 1 to {LONGEST_KEY} printable characters, not {key[:40]!r}.",
                path=["idempotencyKey"],
                hint="Use a random UUID for each new request.",
            )
        body = orjson.dumps(given, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
        return cls(operation, key, hashlib.sha256(body).hexdigest())


async def once(work: Work, request: Request | None, act: Callable[[Work], Awaitable[Answer]]) -> Answer:
    """Answer a request once: run the act, or return what it answered before under the same key."""
    if request is None:
        return await act(work)
    principal = work.viewer.principal
    await work.lock(f"idempotency/{work.viewer.tenant_id}/{principal}/{request.operation}/{request.key}")
    now = await work.now()
    stored = IdempotencyKey
    same = (stored.principal == principal) & (stored.operation == request.operation) & (stored.key == request.key)
    found = (await work.session.scalars(select(stored).where(same))).one_or_none()
    if found is not None and found.expires_at > now:
        return replayed(request, found.fingerprint, found.answer)
    answer = await act(work)
    await work.session.flush()
    await work.session.execute(delete(stored).where(same))
    work.session.add(
        IdempotencyKey(
            principal=principal,
            operation=request.operation,
            key=request.key,
            fingerprint=request.fingerprint,
            answer=answer,
            session_id=work.viewer.session_id,
            expires_at=now + KEPT,
        ),
    )
    return answer


def replayed(request: Request, fingerprint: str, answer: Answer) -> Answer:
    """Answer as before under the request's key; refuse if it was used with another input."""
    if fingerprint != request.fingerprint:
        raise IdempotencyMismatch(
            f"The idempotency key {request.key!r} was used before with another input.",
            path=["idempotencyKey"],
        )
    REPLAYS.inc()
    return answer


async def prune(work: Work, *, limit: int = 1000) -> int:
    """Remove at most `limit` answers that are no longer kept, in this viewer's scope; return how many."""
    stored = IdempotencyKey
    expired = select(stored.id).where(stored.expires_at < func.evalium_now()).limit(limit)
    removed = await work.rows(delete(stored).where(stored.id.in_(expired)).returning(stored.id))
    return len(removed)
