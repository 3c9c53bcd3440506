"""Rooms: sessions that are watched together, and who watches them (domain.md section 6)."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.rooms import Room as RoomRow
from resolvers import identity, rooms, sessions
from resolvers.context import Context
from schema.access import Info, alone, ask, follow, says, told
from schema.connections import After, Before, Connection, First, Last, connect
from schema.identity import User
from schema.nodes import Node, global_id, looked_for
from schema.plans import together
from schema.streams import After as Cursor
from schema.streams import EventPage, StreamFrame, checked
from schema.streams import First as Most
from services.paging import PageRequest
from services.sessions import Filter

if TYPE_CHECKING:
    from schema.sessions import Session


async def _proctors(context: Context, shown: Sequence["Room"]) -> list[list[User]]:
    found = await rooms.proctors(context, [one.row.id for one in shown])
    people = {one.user_id for row in found for one in row}
    known = {person.id: User.of(person) for person in await identity.people(context, list(people)) if person}
    return [[known[one.user_id] for one in row if one.user_id in known] for row in found]


async def _open(context: Context, shown: Sequence["Room"]) -> list[int]:
    return await rooms.open_counts(context, [one.row.id for one in shown])


async def _seats(context: Context, shown: Sequence["Room"]) -> list[int]:
    return await rooms.seat_counts(context, [one.row.id for one in shown])


@strawberry.type(description="Sessions that are watched together, in one place or not.")
class Room(Node):
    """A room."""

    row: strawberry.Private[RoomRow]
    name: str = told("Name of the room, unique in its org unit.")
    capacity: int | None = told("How many it is meant for; null when nothing is set. It stops nobody.")
    created_at: datetime = told("When it was made.")
    archived_at: datetime | None = told("When it was closed for good; null while it is open.")
    version: int = told("Counts the changes, for `expectedVersion`.")

    @strawberry.field(description="Who watches it, those first who were assigned first.")
    @together(_proctors)
    async def proctors(self, info: Info) -> list[User]:
        """Show the proctors."""
        return await alone(_proctors, info, self)

    @strawberry.field(description="How many sessions go on in it.")
    @together(_open)
    async def open_session_count(self, info: Info) -> int:
        """Count the sessions."""
        return await alone(_open, info, self)

    @strawberry.field(description="For how many candidates it is meant: theirs are sessions that have not begun, too.")
    @together(_seats)
    async def seat_count(self, info: Info) -> int:
        """Count the seats."""
        return await alone(_seats, info, self)

    @ask(sessions.sessions_page, "The sessions in it, the newest first.")
    async def sessions(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Annotated["Session", strawberry.lazy("schema.sessions")]]:
        """List the sessions."""
        from schema.sessions import Session  # noqa: PLC0415 - the types refer to each other

        page = PageRequest(first, after, last, before)
        return connect(await sessions.sessions_page(info.context, Filter(room_id=self.row.id), [], page), Session.of)

    @classmethod
    def of(cls, row: RoomRow) -> "Room":
        """Show a room."""
        return cls(
            row=row,
            id=global_id("Room", row.id),
            uuid=row.id,
            name=row.name,
            capacity=row.capacity,
            created_at=row.created_at,
            archived_at=row.archived_at,
            version=row.version,
        )


RoomId = Annotated[strawberry.ID, says("Global id of the room.")]


@strawberry.type
class RoomsQuery:
    """Queries about rooms."""

    @ask(rooms.room, "One room; null when there is none to be seen. Who proctors rooms only sees the own ones.")
    async def room(self, info: Info, id: RoomId) -> Room | None:
        """Show a room."""
        row = await rooms.room(info.context, looked_for("Room", id))
        return row and Room.of(row)

    @ask(rooms.room_events, "What happened in a room after a cursor, or from the first event on.")
    async def room_events(self, info: Info, room_id: RoomId, after: Cursor = None, first: Most = 100) -> EventPage:
        """Page through a room's events."""
        room = looked_for("Room", room_id)
        return EventPage.of(await rooms.room_events(info.context, room, after, checked(first)))

    @ask(rooms.rooms_page, "The rooms of the org unit, by name. Who proctors rooms only sees the own ones.")
    async def rooms(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        include_archived: Annotated[bool | None, says("True: those that are closed for good are listed, too.")] = None,
    ) -> Connection[Room]:
        """List rooms."""
        page = PageRequest(first, after, last, before)
        return connect(await rooms.rooms_page(info.context, page, with_archived=bool(include_archived)), Room.of)


@strawberry.type
class RoomsSubscription:
    """Rooms, live."""

    @follow(rooms.room_stream, "Follow the sessions of a room, after a cursor or from now on.")
    async def room_stream(self, info: Info, room_id: RoomId, after: Cursor = None) -> AsyncGenerator[StreamFrame, None]:
        """Follow a room."""
        room = looked_for("Room", room_id)
        async for frame in rooms.room_stream(info.context, room, after):
            yield StreamFrame.of(frame)
