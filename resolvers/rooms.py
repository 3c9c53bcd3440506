"""Rooms, who watches them, and who is put into them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from dataloaders import rooms as loaders
from models.capabilities import Capability
from models.rooms import Room, RoomProctor
from resolvers import sessions_acts, streams
from resolvers.access import requires
from resolvers.context import Context
from resolvers.sessions_acts import Row
from resolvers.sources import Frame
from services import rooms, rooms_people, rooms_sessions
from services import streams as stream_rules
from services.idempotency import Answer
from services.paging import Page, PageRequest
from services.refusals import NotFound
from services.rooms_people import Named
from services.sessions_acts import Target
from services.work import Work


@dataclass(frozen=True, slots=True)
class PeopleDone:
    """A room as people were let into or out of it, and what became of each of them."""

    room: Room
    rows: Sequence[dict[str, Any]]


@requires(Capability.SESSIONS_READ)
async def room(context: Context, room_id: UUID | None) -> Room | None:
    """Return one room; None when it cannot be seen."""
    return None if room_id is None else await context.loaders.of(loaders.by_id).load(room_id)


@requires(Capability.SESSIONS_READ)
async def rooms_by_id(context: Context, ids: Sequence[UUID]) -> list[Room | None]:
    """Return rooms, in order; None where there is none to be seen."""
    return await context.loaders.of(loaders.by_id).load_many(ids)


@requires(Capability.SESSIONS_READ)
async def rooms_page(context: Context, page: PageRequest, *, with_archived: bool) -> Page[Room]:
    """List rooms."""
    return await context.read(rooms.listed, page, with_archived=with_archived)


async def proctors(context: Context, ids: Sequence[UUID]) -> list[list[RoomProctor]]:
    """Return who watches rooms that the viewer may see, in order."""
    return await context.loaders.of(loaders.proctors).load_many(ids)


async def open_counts(context: Context, ids: Sequence[UUID]) -> list[int]:
    """Return how many sessions go on in rooms that the viewer may see, in order."""
    return await context.loaders.of(loaders.open_counts).load_many(ids)


async def seat_counts(context: Context, ids: Sequence[UUID]) -> list[int]:
    """Return for how many candidates rooms that the viewer may see are meant, in order."""
    return await context.loaders.of(loaders.seat_counts).load_many(ids)


@requires(Capability.SESSIONS_READ)
async def room_events(context: Context, room_id: UUID | None, after: str | None, first: int) -> Frame:
    """Read what happened in a room after a cursor, at most `first` events."""
    return await streams.page(context, await _stream(context, room_id), after, first)


@requires(Capability.SESSIONS_READ)
async def room_stream(context: Context, room_id: UUID | None, after: str | None) -> AsyncGenerator[Frame, None]:
    """Follow what happens in a room, after a cursor or from now on."""
    stream = await _stream(context, room_id)
    async for frame in streams.follow(context, stream, after, Capability.SESSIONS_READ):
        yield frame


@requires(Capability.ROOMS_MANAGE)
async def room_create(context: Context, name: str, capacity: int | None, key: str | None) -> Room:
    """Make a room."""

    async def act(work: Work) -> Answer:
        return await rooms.create(work, name, capacity)

    return await _changed(context, "roomCreate", key, {"name": name, "capacity": capacity}, act)


@requires(Capability.ROOMS_MANAGE)
async def room_update(
    context: Context, room_id: UUID, name: str, capacity: int | None, version: int | None, key: str | None
) -> Room:
    """Give a room another name and capacity."""

    async def act(work: Work) -> Answer:
        return await rooms.update(work, room_id, name, capacity, version)

    given = {"room": str(room_id), "name": name, "capacity": capacity, "version": version}
    return await _changed(context, "roomUpdate", key, given, act)


@requires(Capability.ROOMS_MANAGE)
async def room_archive(context: Context, room_id: UUID, reason: str, key: str | None) -> Room:
    """Close a room for good."""

    async def act(work: Work) -> Answer:
        return await rooms.archive(work, room_id, reason)

    return await _changed(context, "roomArchive", key, {"room": str(room_id), "reason": reason}, act)


@requires(Capability.ROOMS_MANAGE)
async def room_proctors_add(context: Context, room_id: UUID, people: Named, key: str | None) -> PeopleDone:
    """Let people watch a room."""

    async def act(work: Work) -> Answer:
        return await rooms_people.add_proctors(work, room_id, people)

    return await _people(context, "roomProctorsAdd", key, {"room": str(room_id), "people": people}, act)


@requires(Capability.ROOMS_MANAGE)
async def room_proctors_remove(context: Context, room_id: UUID, people: Named, key: str | None) -> PeopleDone:
    """Let people watch a room no more."""

    async def act(work: Work) -> Answer:
        return await rooms_people.remove_proctors(work, room_id, people)

    return await _people(context, "roomProctorsRemove", key, {"room": str(room_id), "people": people}, act)


@requires(Capability.ROOMS_MANAGE)
async def room_candidates_assign(
    context: Context, room_id: UUID, assignment_id: UUID, people: Named, key: str | None
) -> PeopleDone:
    """Let the next sessions of candidates begin in a room."""

    async def act(work: Work) -> Answer:
        return await rooms_people.seat(work, room_id, assignment_id, people)

    given = {"room": str(room_id), "assignment": str(assignment_id), "people": people}
    return await _people(context, "roomCandidatesAssign", key, given, act)


@requires(Capability.ROOMS_MANAGE)
async def room_sessions_move(
    context: Context, room_id: UUID | None, targets: Sequence[Target], key: str | None
) -> list[Row]:
    """Put sessions into a room, or out of every room."""

    async def act(work: Work) -> Answer:
        return await rooms_sessions.place(work, room_id, targets)

    given = {"room": None if room_id is None else str(room_id), "sessions": [asdict(one) for one in targets]}
    return await sessions_acts.acted(context, ("roomSessionsMove", key), given, act)


async def _stream(context: Context, room_id: UUID | None) -> stream_rules.Stream:
    if room_id is None or await room(context, room_id) is None:
        raise NotFound("Room", room_id or "given")
    return stream_rules.room_stream(context.tenant_id, room_id)


async def _changed(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> Room:
    return await _read_back(context, await context.write(operation, key, given, act))


async def _people(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> PeopleDone:
    answer = await context.write(operation, key, given, act)
    return PeopleDone(await _read_back(context, answer), answer["rows"])


async def _read_back(context: Context, answer: Answer) -> Room:
    row = await context.loaders.of(loaders.by_id).load(UUID(answer["room"]))
    if row is None:
        raise LookupError(f"room {answer['room']} cannot be read back")
    return row
