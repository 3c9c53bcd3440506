"""Acts on rooms: make, change and close them, and say who watches and who comes in."""

from collections.abc import Awaitable
from typing import Annotated
from uuid import UUID

import strawberry

from models.rooms import Room as RoomRow
from resolvers import rooms
from resolvers.rooms import PeopleDone
from resolvers.sessions_acts import Row
from schema.access import Info, act, says, told
from schema.incidents_acts import kept_problem
from schema.nodes import global_id, local_id, looked_for
from schema.problems import Problem, attempt
from schema.rooms import Room
from schema.sessions_acts import SESSIONS, SessionActPayload, SessionTargetInput, answered
from schema.users_acts import KEY, WHY
from services.rooms import LARGEST_CAPACITY
from services.rooms_people import MOST

ROOM = "Global id of the room."
NAME = "Name of the room, 1 to 200 characters, unique in its org unit."
CAPACITY = f"How many it is meant for, 1 to {LARGEST_CAPACITY}; it stops nobody."
PEOPLE = f"Global ids of people, 1 to {MOST}, each once."


@strawberry.input(description="A room to make.")
class RoomCreateInput:
    """A room."""

    name: str = told(NAME)
    capacity: int | None = told(CAPACITY, default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A room to change: what is left out, it does not have any more.")
class RoomUpdateInput:
    """Which room, and how."""

    id: strawberry.ID = told(ROOM)
    name: str = told(NAME)
    capacity: int | None = told(CAPACITY, default=None)
    expected_version: int | None = told("Version that the change was decided on; any when left out.", default=None)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="A room to close for good, and why.")
class RoomArchiveInput:
    """Which room."""

    id: strawberry.ID = told(ROOM)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="People who shall watch a room.")
class RoomProctorsAddInput:
    """Which room, and who."""

    id: strawberry.ID = told(ROOM)
    user_ids: list[strawberry.ID] = told(PEOPLE)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="People who shall watch a room no more.")
class RoomProctorsRemoveInput:
    """Which room, and who."""

    id: strawberry.ID = told(ROOM)
    user_ids: list[strawberry.ID] = told(PEOPLE)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Candidates of an assignment whose next sessions shall begin in a room.")
class RoomCandidatesAssignInput:
    """Which room, which assignment, and who."""

    id: strawberry.ID = told(ROOM)
    assignment_id: strawberry.ID = told("Global id of the assignment.")
    user_ids: list[strawberry.ID] = told(PEOPLE)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Sessions to put into a room, or out of every room.")
class RoomSessionsMoveInput:
    """Which sessions, and where to."""

    id: strawberry.ID | None = told("Global id of the room; null to put them out of the one that they are in.")
    sessions: list[SessionTargetInput] = told(SESSIONS)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.type(description="A room as changed.")
class RoomPayload:
    """Answer of acts on a room."""

    room: Room | None = told("The room; null when nothing was changed.")
    problems: list[Problem] = told("Why nothing was changed.")


@strawberry.type(description="What became of one person of a request.")
class RoomPersonResult:
    """A row of the result."""

    index: int = told("Place of the person in the request, from 0.")
    user_id: strawberry.ID | None = told("Global id of the person; null when nothing was done.")
    problems: list[Problem] = told("Why nothing was done with this person.")


@strawberry.type(description="A room as changed, with one result for each person.")
class RoomPeoplePayload:
    """Answer of acts on people of a room."""

    room: Room | None = told("The room; null when nothing was done.")
    results: list[RoomPersonResult] = told("One for each person, in order.")
    problems: list[Problem] = told("Why nothing was done at all.")


def _named(ids: list[strawberry.ID]) -> list[tuple[str, UUID | None]]:
    return [(str(one), looked_for("User", one)) for one in ids]


async def _changed(done: Awaitable[RoomRow]) -> RoomPayload:
    row, problems = await attempt(done)
    return RoomPayload(room=row and Room.of(row), problems=problems)


async def _people(done: Awaitable[PeopleDone]) -> RoomPeoplePayload:
    result, problems = await attempt(done)
    rows = () if result is None else result.rows
    results = [
        RoomPersonResult(
            index=index,
            user_id=None if row["user"] is None else global_id("User", row["user"]),
            problems=[] if row["problem"] is None else [kept_problem(**row["problem"])],
        )
        for index, row in enumerate(rows)
    ]
    return RoomPeoplePayload(room=result and Room.of(result.room), results=results, problems=problems)


@strawberry.type
class RoomsMutation:
    """Acts on rooms."""

    @act(rooms.room_create, "Make a room.")
    async def room_create(self, info: Info, input: Annotated[RoomCreateInput, says("The room.")]) -> RoomPayload:
        """Create."""
        return await _changed(rooms.room_create(info.context, input.name, input.capacity, input.idempotency_key))

    @act(rooms.room_update, "Give a room another name and capacity.")
    async def room_update(self, info: Info, input: Annotated[RoomUpdateInput, says("The room.")]) -> RoomPayload:
        """Update."""

        async def update() -> RoomRow:
            version, key = input.expected_version, input.idempotency_key
            return await rooms.room_update(
                info.context, local_id("Room", input.id), input.name, input.capacity, version, key
            )

        return await _changed(update())

    @act(rooms.room_archive, "Close a room for good. Refused while sessions go on in it.")
    async def room_archive(
        self, info: Info, input: Annotated[RoomArchiveInput, says("Which, and why.")]
    ) -> RoomPayload:
        """Archive."""

        async def archive() -> RoomRow:
            return await rooms.room_archive(
                info.context, local_id("Room", input.id), input.reason, input.idempotency_key
            )

        return await _changed(archive())

    @act(
        rooms.room_proctors_add,
        "Let people watch a room. Whoever proctors rooms only (`rooms.proctor`) sees its sessions from then on.",
    )
    async def room_proctors_add(
        self, info: Info, input: Annotated[RoomProctorsAddInput, says("Which room, and who.")]
    ) -> RoomPeoplePayload:
        """Add proctors."""

        async def add() -> PeopleDone:
            room_id, key = local_id("Room", input.id), input.idempotency_key
            return await rooms.room_proctors_add(info.context, room_id, _named(input.user_ids), key)

        return await _people(add())

    @act(
        rooms.room_proctors_remove,
        "Let people watch a room no more. Within a second, whoever proctors rooms only sees none of it.",
    )
    async def room_proctors_remove(
        self, info: Info, input: Annotated[RoomProctorsRemoveInput, says("Which room, and who.")]
    ) -> RoomPeoplePayload:
        """Remove proctors."""

        async def remove() -> PeopleDone:
            room_id, key = local_id("Room", input.id), input.idempotency_key
            return await rooms.room_proctors_remove(info.context, room_id, _named(input.user_ids), key)

        return await _people(remove())

    @act(
        rooms.room_candidates_assign,
        "Let the next sessions of candidates on an assignment begin in a room. What has begun stays where it is.",
    )
    async def room_candidates_assign(
        self, info: Info, input: Annotated[RoomCandidatesAssignInput, says("Which room, and who.")]
    ) -> RoomPeoplePayload:
        """Seat candidates."""

        async def seat() -> PeopleDone:
            room_id, key = local_id("Room", input.id), input.idempotency_key
            assignment_id = local_id("Assignment", input.assignment_id, path=["assignmentId"])
            return await rooms.room_candidates_assign(info.context, room_id, assignment_id, _named(input.user_ids), key)

        return await _people(seat())

    @act(
        rooms.room_sessions_move,
        "Put sessions into a room, or out of every room, in one transaction. Followers of both rooms are told. What "
        "has ended, or is there already, is refused by row.",
    )
    async def room_sessions_move(
        self, info: Info, input: Annotated[RoomSessionsMoveInput, says("Which sessions, and where to.")]
    ) -> SessionActPayload:
        """Move sessions."""

        async def move() -> list[Row]:
            room_id = None if input.id is None else local_id("Room", input.id)
            targets = [one.plain() for one in input.sessions]
            return await rooms.room_sessions_move(info.context, room_id, targets, input.idempotency_key)

        return await answered(move())
