"""What proctors do with sessions, and what came of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from dataloaders import sessions as loaders
from models.capabilities import Capability
from models.sessions import DeliverySession, SessionEvent
from resolvers import sessions
from resolvers.access import requires
from resolvers.context import Context
from services import sessions_actions, sessions_acts
from services.idempotency import Answer
from services.sessions_actions import Available
from services.sessions_acts import Target
from services.sessions_pause import Why
from services.work import Work


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one session, which is None where it cannot be seen; `problem` is a refusal as kept."""

    session: DeliverySession | None
    problem: dict[str, Any] | None


@requires(Capability.SESSIONS_PROCTOR)
async def session_pause(context: Context, targets: Sequence[Target], why: Why, key: str | None) -> list[Row]:
    """Stop the clock of sessions."""

    async def act(work: Work) -> Answer:
        return await sessions_acts.pause(work, targets, why)

    return await _acted(context, ("sessionPause", key), _given(targets, why=asdict(why)), act)


@requires(Capability.SESSIONS_PROCTOR)
async def session_resume(context: Context, targets: Sequence[Target], why: Why, key: str | None) -> list[Row]:
    """Let the clock of sessions run again."""

    async def act(work: Work) -> Answer:
        return await sessions_acts.resume(work, targets, why)

    return await _acted(context, ("sessionResume", key), _given(targets, why=asdict(why)), act)


@requires(Capability.SESSIONS_PROCTOR)
async def session_terminate(context: Context, targets: Sequence[Target], why: Why, key: str | None) -> list[Row]:
    """End sessions for good."""

    async def act(work: Work) -> Answer:
        return await sessions_acts.terminate(work, targets, why)

    return await _acted(context, ("sessionTerminate", key), _given(targets, why=asdict(why)), act)


@requires(Capability.SESSIONS_PROCTOR)
async def session_extend(
    context: Context, targets: Sequence[Target], seconds: int, why: Why, key: str | None
) -> list[Row]:
    """Give sessions more time."""

    async def act(work: Work) -> Answer:
        return await sessions_acts.extend(work, targets, seconds, why)

    given = _given(targets, why=asdict(why), seconds=seconds)
    return await _acted(context, ("sessionExtend", key), given, act)


@requires(Capability.SESSIONS_PROCTOR)
async def session_message(context: Context, targets: Sequence[Target], text: str, key: str | None) -> list[Row]:
    """Write to the candidates of sessions."""

    async def act(work: Work) -> Answer:
        return await sessions_acts.message(work, targets, text)

    return await _acted(context, ("sessionMessage", key), _given(targets, text=text), act)


@requires(Capability.SESSIONS_PROCTOR)
async def session_note(context: Context, targets: Sequence[Target], text: str, key: str | None) -> list[Row]:
    """Note something at sessions, for staff."""

    async def act(work: Work) -> Answer:
        return await sessions_acts.note(work, targets, text)

    return await _acted(context, ("sessionNote", key), _given(targets, text=text), act)


async def available(context: Context, rows: Sequence[DeliverySession]) -> list[list[Available]]:
    """Return what the viewer can do with each of these sessions now."""
    may = Capability.SESSIONS_PROCTOR in await context.capabilities()
    now = await sessions.clock(context)
    return [sessions_actions.available(row, now, may=may) for row in rows]


async def my_messages(context: Context, session_id: UUID) -> list[SessionEvent]:
    """Return what the candidate was written."""
    return await context.loaders.of(loaders.messages).load(session_id)


def _given(targets: Sequence[Target], **more: Any) -> dict[str, Any]:
    return {"targets": [asdict(one) for one in targets], **more}


async def _acted(
    context: Context, named: tuple[str, str | None], given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> list[Row]:
    """Act once per key, and return what became of each session, as it is now."""
    answer = await context.write(*named, given, act)
    ids = [UUID(one["session"]) for one in answer["rows"] if one["session"] is not None]
    found = dict(zip(ids, await context.loaders.of(loaders.by_id).load_many(ids), strict=True))
    return [
        Row(None if one["session"] is None else found[UUID(one["session"])], one["problem"]) for one in answer["rows"]
    ]
