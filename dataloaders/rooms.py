"""Rooms by their id, with who watches them and how many are in them."""

from uuid import UUID

from models.rooms import Room, RoomProctor
from services import rooms
from services.work import Work


async def by_id(work: Work, ids: list[UUID]) -> list[Room | None]:
    """Return the rooms with these ids, in order; None where there is none to be seen."""
    found = await rooms.by_ids(work, ids)
    return [found.get(one) for one in ids]


async def proctors(work: Work, ids: list[UUID]) -> list[list[RoomProctor]]:
    """Return who watches each room, in order."""
    found = await rooms.proctors(work, ids)
    return [found[one] for one in ids]


async def open_counts(work: Work, ids: list[UUID]) -> list[int]:
    """Return how many sessions go on in each room, in order."""
    found = await rooms.open_counts(work, ids)
    return [found[one] for one in ids]


async def seat_counts(work: Work, ids: list[UUID]) -> list[int]:
    """Return for how many candidates each room is meant, in order."""
    found = await rooms.seat_counts(work, ids)
    return [found[one] for one in ids]
