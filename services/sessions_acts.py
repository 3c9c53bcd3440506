"""Acts of a proctor on one or many sessions: one transaction, all locks first, and an answer for each (domain.md 6).

What cannot be done with a session is told by its row, and the others go on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from models.sessions import DeliverySession
from services import overrides_give, sessions_expiry, sessions_messages, sessions_pause, sessions_terminate, words
from services.idempotency import Answer
from services.incidents import kept
from services.policy import LONGEST_LIMIT_SECONDS
from services.refusals import InvalidInput, NotFound, Refusal
from services.sessions_hold import drifted, hold_many, over
from services.sessions_pause import Why
from services.sessions_policy import is_open
from services.sessions_status import is_over
from services.work import Work

MOST = 200
"""Sessions of one act."""


@dataclass(frozen=True, slots=True)
class Target:
    """A session as it was named, what that stands for (None where it is nothing), and the version it was decided on."""

    given: str
    session_id: UUID | None
    expected_version: int | None = None


Outcomes: TypeAlias = Mapping[UUID, Refusal | None]
Hold: TypeAlias = Callable[[Work, Sequence[UUID]], Awaitable[list[DeliverySession]]]
Do: TypeAlias = Callable[[Sequence[DeliverySession]], Awaitable[Outcomes]]


async def pause(work: Work, targets: Sequence[Target], why: Why) -> Answer:
    """Stop the clock of these sessions; refuses, by row, what `sessions_pause.pause` refuses."""
    checked = _with_reason(why)
    return await each(work, targets, lambda held: sessions_pause.pause(work, held, checked))


async def resume(work: Work, targets: Sequence[Target], why: Why) -> Answer:
    """Let the clock of these sessions run again; a reason may be given, and need not."""
    checked = _with_reason(why) if why.text.strip() else why
    return await each(work, targets, lambda held: sessions_pause.resume(work, held, checked))


async def terminate(work: Work, targets: Sequence[Target], why: Why) -> Answer:
    """End these sessions for good; refuses, by row, what `sessions_terminate.terminate` refuses."""
    checked = _with_reason(why)
    do = partial(sessions_terminate.terminate, work, why=checked)
    return await each(work, targets, do, hold=sessions_expiry.hold_many_to_end)


async def extend(work: Work, targets: Sequence[Target], seconds: int, why: Why) -> Answer:
    """Give each of these sessions so many seconds more, by an override for that session alone.

    Refuses, by row, a session that has ended, and one that runs without an end.
    """
    if not 1 <= seconds <= LONGEST_LIMIT_SECONDS:
        raise InvalidInput(f"'seconds' is 1 to {LONGEST_LIMIT_SECONDS}, not {seconds}.", path=["seconds"])
    checked = _with_reason(why)
    return await each(work, targets, lambda held: _extended(work, held, seconds, checked))


async def message(work: Work, targets: Sequence[Target], text: str) -> Answer:
    """Tell the candidates of these sessions something; refuses, by row, a session that has ended."""
    said = words.message(text)
    return await each(work, targets, lambda held: sessions_messages.message(work, held, said))


async def note(work: Work, targets: Sequence[Target], text: str) -> Answer:
    """Note something at these sessions, for staff alone, in whatever state they are."""
    said = words.message(text)
    return await each(work, targets, lambda held: sessions_messages.note(work, held, said))


async def _extended(work: Work, held: Sequence[DeliverySession], seconds: int, why: Why) -> Outcomes:
    now = await work.now()
    found: dict[UUID, Refusal | None] = {}
    for session in held:
        found[session.id] = None
        if is_over(session, now):
            found[session.id] = over(session, now)
        elif not is_open(session):
            found[session.id] = drifted(session)
        elif session.deadline_at is None and session.started_at is not None:
            found[session.id] = InvalidInput(
                "The session runs without an end, which cannot be moved.", path=["seconds"]
            )
    gifts = [(session, seconds) for session in held if found[session.id] is None]
    await overrides_give.give(work, gifts, why, now)
    return found


async def each(work: Work, targets: Sequence[Target], do: Do, *, hold: Hold = hold_many) -> Answer:
    """Hold the sessions, act on those that are as expected, and return what each row is answered."""
    if not 1 <= len(targets) <= MOST:
        raise InvalidInput(f"One act is for 1 to {MOST} sessions, not {len(targets)}.", path=["sessions"])
    ids = list(dict.fromkeys(one.session_id for one in targets if one.session_id is not None))
    held = {session.id: session for session in await hold(work, ids)}
    refused: list[Refusal | None] = []
    ready: list[DeliverySession] = []
    seen: set[UUID] = set()
    for n, target in enumerate(targets):
        session = None if target.session_id is None else held.get(target.session_id)
        refused.append(_unfit(n, target, session, seen))
        if session is not None:
            seen.add(session.id)
            if refused[n] is None:
                ready.append(session)
    outcomes: Outcomes = await do(sorted(ready, key=lambda session: session.id)) if ready else {}
    rows: list[dict[str, Any]] = []
    for target, refusal in zip(targets, refused, strict=True):
        visible = target.session_id is not None and target.session_id in held
        told = refusal or (outcomes[target.session_id] if visible and target.session_id is not None else None)
        shown = str(target.session_id) if visible else None
        rows.append({"session": shown, "problem": None if told is None else kept(told)})
    return {"rows": rows}


def _unfit(n: int, target: Target, session: DeliverySession | None, seen: set[UUID]) -> Refusal | None:
    """Say why nothing is done with a row at all, or None."""
    if session is None:
        return NotFound("Session", target.given, path=["sessions", n])
    if session.id in seen:
        return InvalidInput("The session is named twice.", path=["sessions", n])
    if target.expected_version is not None and target.expected_version != session.version:
        return drifted(session)
    return None


def _with_reason(why: Why) -> Why:
    return Why(why.category, words.reason(why.text), why.incident_id)
