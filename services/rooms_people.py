"""Who watches a room, and which candidates come into it when they begin (domain.md section 6)."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import delete, select

from models.assignments import Assignment
from models.base import uuid7
from models.identity import User, UserStatus
from models.rooms import RoomProctor, RoomSeat
from realtime import topics
from services import rooms
from services.idempotency import Answer
from services.incidents import kept
from services.refusals import AlreadyExists, InvalidInput, NotFound, Refusal
from services.work import Work

MOST = 500
"""People of one request."""

Named: TypeAlias = Sequence[tuple[str, UUID | None]]
"""People as they were named, and what that stands for; None where it is nothing."""


async def add_proctors(work: Work, room_id: UUID, people: Named) -> Answer:
    """Let people watch a room; refuses, by row, who does not exist, and who does already."""
    room = await rooms.require_open(work, room_id)
    known = {row.user_id for row in (await rooms.proctors(work, [room_id]))[room_id]}
    existing = await _known(work, people)

    def unfit(user_id: UUID) -> Refusal | None:
        if user_id not in existing:
            return NotFound("User", user_id, path=["userIds"])
        return AlreadyExists("This person watches the room already.", path=["userIds"]) if user_id in known else None

    chosen, rows = _sorted(people, unfit)
    work.session.add_all(
        RoomProctor(
            id=uuid7(), org_unit_id=room.org_unit_id, room_id=room_id, user_id=one, assigned_by=work.viewer.user_id
        )
        for one in chosen
    )
    await _changed(work, room_id, "room.proctors_added", chosen)
    return {"room": str(room_id), "rows": rows}


async def remove_proctors(work: Work, room_id: UUID, people: Named) -> Answer:
    """Let people watch a room no more; within a second they see none of it, open streams included."""
    await rooms.held(work, room_id)
    known = {row.user_id for row in (await rooms.proctors(work, [room_id]))[room_id]}

    def unfit(user_id: UUID) -> Refusal | None:
        return None if user_id in known else NotFound("proctor", user_id, path=["userIds"])

    chosen, rows = _sorted(people, unfit)
    gone = delete(RoomProctor).where(RoomProctor.room_id == room_id, RoomProctor.user_id.in_(chosen))
    await work.session.execute(gone)
    await _changed(work, room_id, "room.proctors_removed", chosen)
    return {"room": str(room_id), "rows": rows}


async def seat(work: Work, room_id: UUID, assignment_id: UUID, people: Named) -> Answer:
    """Let the next sessions of these people on an assignment begin in a room; their old room for it counts no more.

    A session that has begun stays where it is.
    """
    room = await rooms.require_open(work, room_id)
    unit = await work.session.scalar(select(Assignment.org_unit_id).where(Assignment.id == assignment_id))
    if unit != room.org_unit_id:
        raise NotFound("Assignment", assignment_id, path=["assignmentId"])
    await work.lock(f"room-seats/{work.viewer.tenant_id}/{assignment_id}")
    existing = await _known(work, people)
    chosen, rows = _sorted(people, lambda one: None if one in existing else NotFound("User", one, path=["userIds"]))
    old = delete(RoomSeat).where(RoomSeat.assignment_id == assignment_id, RoomSeat.user_id.in_(chosen))
    await work.session.execute(old)
    work.session.add_all(
        RoomSeat(
            id=uuid7(),
            org_unit_id=room.org_unit_id,
            room_id=room_id,
            assignment_id=assignment_id,
            user_id=one,
            assigned_by=work.viewer.user_id,
        )
        for one in chosen
    )
    await work.session.flush()
    if chosen:
        told = {"assignment": str(assignment_id), "people": list(map(str, chosen))}
        work.record("room.candidates_seated", ("room", room_id), after=told)
    return {"room": str(room_id), "rows": rows}


def _sorted(people: Named, unfit: Callable[[UUID], Refusal | None]) -> tuple[list[UUID], list[dict[str, Any]]]:
    """Return the people with whom it can be done, and what each row is answered."""
    if not 1 <= len(people) <= MOST:
        raise InvalidInput(f"One request is for 1 to {MOST} people, not {len(people)}.", path=["userIds"])
    chosen: list[UUID] = []
    rows: list[dict[str, Any]] = []
    for n, (given, user_id) in enumerate(people):
        refusal = NotFound("User", given, path=["userIds", n]) if user_id is None else unfit(user_id)
        if refusal is None and user_id in chosen:
            refusal = InvalidInput("The person is named twice.", path=["userIds", n])
        if refusal is None and user_id is not None:
            chosen.append(user_id)
        rows.append({"user": None if refusal else str(user_id), "problem": None if refusal is None else kept(refusal)})
    return chosen, rows


async def _known(work: Work, people: Named) -> set[UUID]:
    """Return those of the people who exist, and were not merged into others."""
    wanted = select(User.id).where(User.id.in_([one for _, one in people if one]), User.status != UserStatus.MERGED)
    return set(await work.session.scalars(wanted))


async def _changed(work: Work, room_id: UUID, act: str, people: Sequence[UUID]) -> None:
    await work.session.flush()
    if not people:
        return
    work.record(act, ("room", room_id), after={"people": list(map(str, people))})
    if work.viewer.tenant_id is not None:
        work.touch(topics.rights(work.viewer.tenant_id))
