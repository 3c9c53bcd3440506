"""Rooms: sessions that are watched together; who watches and who comes in is elsewhere (domain.md section 6)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from models.base import uuid7
from models.rooms import Room, RoomProctor, RoomSeat
from models.sessions import TERMINAL, DeliverySession
from services import plain, words
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals import AlreadyExists, InvalidInput, NotFound, StateDrift, StillInUse
from services.work import Work

LARGEST_CAPACITY = 10_000


async def create(work: Work, name: str, capacity: int | None) -> Answer:
    """Make a room; refuses a name that another one of the org unit has."""
    said = await _named(work, name, None)
    room = Room(id=uuid7(), name=said, capacity=_checked(capacity), created_by=work.viewer.user_id)
    work.session.add(room)
    await work.session.flush()
    work.record("room.created", ("room", room.id), after=_told(room))
    return {"room": str(room.id)}


async def update(work: Work, room_id: UUID, name: str, capacity: int | None, expected_version: int | None) -> Answer:
    """Give a room another name and capacity."""
    said = await _named(work, name, room_id)
    room = await held(work, room_id, expected_version)
    before = _told(room)
    room.name, room.capacity = said, _checked(capacity)
    room.version += 1
    work.record("room.updated", ("room", room.id), before=before, after=_told(room))
    return {"room": str(room.id)}


async def archive(work: Work, room_id: UUID, reason: str) -> Answer:
    """Close a room for good; refuses one in which a session goes on. Nobody comes into it any more."""
    why = words.reason(reason)
    await _lead(work)
    room = await held(work, room_id)
    if room.archived_at is not None:
        raise StateDrift("The room is archived.", current_state="ARCHIVED", current_version=room.version)
    inside = select(func.count()).where(DeliverySession.room_id == room_id, DeliverySession.state.not_in(TERMINAL))
    if count := await work.session.scalar(inside):
        raise StillInUse(f"{count} sessions go on in the room '{room.name}'.", hint="Put them into another room first.")
    room.archived_at = await work.now()
    room.version += 1
    work.record("room.archived", ("room", room.id), reason=why, before=_told(room))
    return {"room": str(room.id)}


async def held(work: Work, room_id: UUID, expected_version: int | None = None) -> Room:
    """Return a room to be changed; refuse one that cannot be seen, and another version than the expected one."""
    wanted = select(Room).where(Room.id == room_id).with_for_update()
    room = (await work.session.scalars(wanted)).one_or_none()
    if room is None:
        raise NotFound("Room", room_id)
    if expected_version is not None and room.version != expected_version:
        raise StateDrift("The room was changed meanwhile.", current_state="CHANGED", current_version=room.version)
    return room


async def require_open(work: Work, room_id: UUID) -> Room:
    """Return a room that somebody may come into; refuse one that is archived."""
    room = (await work.session.scalars(select(Room).where(Room.id == room_id))).one_or_none()
    if room is None:
        raise NotFound("Room", room_id, path=["roomId"])
    if room.archived_at is not None:
        raise StateDrift("The room is archived.", current_state="ARCHIVED", current_version=room.version)
    return room


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Room]:
    """Return the rooms with these ids, those that the viewer may see: of a proctor of rooms, their own."""
    found = {row.id: row for row in await plain.by(work, Room, "id", ids)}
    own = work.viewer.rooms
    return found if own is None else {room_id: row for room_id, row in found.items() if room_id in own}


async def listed(work: Work, page: PageRequest, *, with_archived: bool) -> Page[Room]:
    """List rooms of the org unit by name; of a proctor of rooms, their own."""
    statement: Select[Any] = select(Room)
    if not with_archived:
        statement = statement.where(Room.archived_at.is_(None))
    if work.viewer.rooms is not None:
        statement = statement.where(Room.id.in_(work.viewer.rooms))
    return await paged(work, statement, [Order(Room.name), Order(Room.id)], page)


async def open_counts(work: Work, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many sessions go on in each of these rooms."""
    row = DeliverySession
    wanted = select(row.room_id, func.count().label("sessions")).where(row.room_id.in_(ids), row.state.not_in(TERMINAL))
    found = {one.room_id: one.sessions for one in await work.rows(wanted.group_by(row.room_id))}
    return {room_id: found.get(room_id, 0) for room_id in ids}


async def proctors(work: Work, ids: Sequence[UUID]) -> dict[UUID, list[RoomProctor]]:
    """Return who watches each of these rooms, those first who were assigned first."""
    found: dict[UUID, list[RoomProctor]] = {one: [] for one in ids}
    for row in sorted(await plain.by(work, RoomProctor, "room_id", ids), key=lambda one: one.id):
        found[row.room_id].append(row)
    return found


async def seat_counts(work: Work, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return for how many candidates each of these rooms is meant."""
    seat = RoomSeat
    wanted = select(seat.room_id, func.count().label("seats")).where(seat.room_id.in_(ids)).group_by(seat.room_id)
    found = {one.room_id: one.seats for one in await work.rows(wanted)}
    return {room_id: found.get(room_id, 0) for room_id in ids}


async def room_of(work: Work, assignment_id: UUID, user_id: UUID) -> UUID | None:
    """Return the room that a session of this person on this assignment begins in."""
    seat = select(RoomSeat.room_id).where(RoomSeat.assignment_id == assignment_id, RoomSeat.user_id == user_id)
    open_ = select(Room.id).where(Room.id.in_(seat), Room.archived_at.is_(None))
    return await work.session.scalar(open_)


async def _lead(work: Work) -> None:
    await work.lock(f"rooms/{work.viewer.tenant_id}/{work.viewer.org_unit_id}")


async def _named(work: Work, name: str, room_id: UUID | None) -> str:
    """Return a name that no other room of the org unit has; rooms of one org unit are named in turn."""
    said = words.name(name)
    await _lead(work)
    same = select(Room.id).where(Room.name == said, Room.org_unit_id == work.viewer.org_unit_id)
    taken = await work.session.scalar(same)
    if taken is not None and taken != room_id:
        raise AlreadyExists(f"There is a room '{said}' already.", path=["name"])
    return said


def _checked(capacity: int | None) -> int | None:
    if capacity is not None and not 1 <= capacity <= LARGEST_CAPACITY:
        raise InvalidInput(f"'capacity' is 1 to {LARGEST_CAPACITY}, not {capacity}.", path=["capacity"])
    return capacity


def _told(room: Room) -> dict[str, Any]:
    return {"name": room.name, "capacity": room.capacity, "version": room.version}
