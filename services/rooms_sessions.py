"""Putting sessions into rooms: followers see each leave the one room and enter the other (domain.md section 7)."""

from collections.abc import Sequence
from uuid import UUID

from models.sessions import DeliverySession, EventKind
from services import rooms
from services.idempotency import Answer
from services.refusals import Refusal
from services.sessions_acts import Outcomes, Target, each
from services.sessions_events import append_to_each
from services.sessions_hold import drifted
from services.sessions_policy import is_open
from services.sessions_sheet import Happening
from services.work import Work


async def place(work: Work, room_id: UUID | None, targets: Sequence[Target]) -> Answer:
    """Put sessions into a room, or out of every room; refuses, by row, one that has ended or is there already."""
    if room_id is not None:
        await rooms.require_open(work, room_id)
    return await each(work, targets, lambda held: _placed(work, held, room_id))


async def _placed(work: Work, held: Sequence[DeliverySession], room_id: UUID | None) -> Outcomes:
    found: dict[UUID, Refusal | None] = {}
    told: list[tuple[DeliverySession, Happening]] = []
    for session in held:
        before = session.room_id
        if not is_open(session) or before == room_id:
            found[session.id] = drifted(session)
            continue
        found[session.id] = None
        session.room_id = room_id
        session.version += 1
        payload = {"from": None if before is None else str(before), "to": None if room_id is None else str(room_id)}
        told += [(session, Happening(EventKind.ROOM_CHANGED, payload, room_id=one)) for one in (before, room_id) if one]
        work.record("session.room_changed", ("session", session.id), after=payload)
    if told:
        await append_to_each(work, told, at=await work.now(), actor_id=work.viewer.user_id)
    return found
