"""Acknowledging what calls for attention: somebody has seen it, and it calls no more until it gets worse."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from models.attention import AttentionLevel
from models.sessions import DeliverySession
from services import attention, attention_rules, sessions_attention, words
from services.attention import Rules
from services.idempotency import Answer
from services.refusals import InvalidInput, NotFound, Refusal, StateDrift
from services.sessions_events import append_to_each
from services.sessions_hold import hold_many
from services.sessions_sheet import Happening
from services.work import Work

MOST = 100
"""Sessions in one request."""


async def acknowledge(work: Work, listed: Sequence[tuple[str, UUID | None]], note: str) -> Answer:
    """Acknowledge all that calls for attention in these sessions, given by their ids and what those stand for.

    A session that needs no attention, as after somebody else's acknowledgement, is refused by row, and so is one that
    cannot be seen or is named twice.
    """
    text = words.reason(note, path=("note",))
    if not 1 <= len(listed) <= MOST:
        said = f"1 to {MOST} sessions are acknowledged at once, not {len(listed)}."
        raise InvalidInput(said, path=["sessionIds"], hint="Send several requests.")
    ids = [session_id for _, session_id in listed if session_id is not None]
    held = {session.id: session for session in await hold_many(work, list(dict.fromkeys(ids)))}
    rules, now = await attention_rules.current(work), await work.now()
    told: list[tuple[DeliverySession, Happening]] = []
    rows: list[dict[str, Any]] = []
    seen: set[UUID] = set()
    for n, (given, session_id) in enumerate(listed):
        session = None if session_id is None else held.get(session_id)
        refusal = _refusal(session, given, n, is_twin=session_id in seen)
        if session is not None and refusal is None:
            before = {"level": session.attention_level, "rules": session.attention_rules}
            signals = attention.seen(session, rules, now)
            by = None if work.viewer.user_id is None else str(work.viewer.user_id)
            session.attention_acknowledged = {"by": by, "at": now.isoformat(), "note": text, "signals": signals}
            told.append((session, _silenced(session, rules, now)))
            seen.add(session.id)
            after = {"level": session.attention_level, "signals": signals}
            work.record(
                "session.attention_acknowledged", ("session", session.id), reason=text, before=before, after=after
            )
        rows.append(_row(session, refusal))
    if told:
        await append_to_each(work, told, at=now, actor_id=work.viewer.user_id, reason=text)
    return {"rows": rows}


def _silenced(session: DeliverySession, rules: Rules, now: datetime) -> Happening:
    happening = sessions_attention.settle(session, rules, now, acknowledged=True).happening
    if happening is None:
        raise LookupError(f"the attention of session {session.id} did not change")
    return happening


def _refusal(session: DeliverySession | None, given: str, n: int, *, is_twin: bool) -> Refusal | None:
    if session is None:
        return NotFound("Session", given, path=["sessionIds", n])
    if is_twin:
        return InvalidInput("The session is named twice.", path=["sessionIds", n])
    if session.attention_level == AttentionLevel.NONE:
        return StateDrift(
            "The session needs no attention.",
            current_state=session.state.upper(),
            current_version=session.version,
            hint="It has ended, or somebody else has acknowledged it: read it again.",
        )
    return None


def _row(session: DeliverySession | None, refusal: Refusal | None) -> dict[str, Any]:
    """Return what a row is answered, as it is kept under the request's key."""
    shown = None if session is None else str(session.id)
    if refusal is None:
        return {"session": shown, "problem": None, "drift": None}
    drift = None
    if isinstance(refusal, StateDrift):
        drift = {"current_state": refusal.current_state, "current_version": refusal.current_version}
    problem = {
        "code": refusal.code,
        "message": refusal.message,
        "path": [str(step) for step in refusal.path],
        "hint": refusal.advice,
    }
    return {"session": shown, "problem": problem, "drift": drift}
