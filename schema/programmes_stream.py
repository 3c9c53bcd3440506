"""What happens to the enrolments of a programme, live: by one cursor as pages and as a stream."""

from collections.abc import AsyncGenerator, Hashable
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from models.programmes_enrolments import ProgrammeEvent as EventRow
from models.programmes_enrolments import ProgrammeEventKind
from resolvers import identity, programmes_enrolments, programmes_stream
from resolvers.sources import Frame
from schema.access import Info, ask, follow, says, told
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import global_id, looked_for
from schema.programmes import ProgrammeRequirement
from schema.programmes_enrolments import ProgrammeEnrolment
from schema.streams import After, First, checked, frame_of, page_of

closed_set(
    ProgrammeEventKind,
    "ProgrammeEventKind",
    "What happened to an enrolment, or to one requirement of it.",
    {
        ProgrammeEventKind.ENROLLED: "They were enrolled; `facts` name the enrolment that it renews.",
        ProgrammeEventKind.ATTEMPT_HANDED_IN: "They handed in; `facts` tell how often they have now.",
        ProgrammeEventKind.ATTEMPT_SCHEDULED: "`facts` tell when the next attempt is issued; null for never.",
        ProgrammeEventKind.ATTEMPT_ISSUED: "A further attempt was issued; `facts` tell which one.",
        ProgrammeEventKind.REQUIREMENT_MET: "A submission meets the requirement, or another one than before.",
        ProgrammeEventKind.REQUIREMENT_FAILED: "No attempt at the requirement is left.",
        ProgrammeEventKind.REQUIREMENT_HELD: "A correction calls the requirement into question until a person decides.",
        ProgrammeEventKind.REQUIREMENT_KEPT: "Somebody decided that the requirement stays met.",
        ProgrammeEventKind.REQUIREMENT_REOPENED: "The requirement is neither met nor failed any more.",
        ProgrammeEventKind.COMPLETED: "All mandatory requirements are met.",
        ProgrammeEventKind.CERTIFIED: "A certificate was issued; `facts` name it, and its last day.",
        ProgrammeEventKind.CERTIFICATE_REVOKED: "Its certificate was revoked; `facts` name it, and the cause.",
        ProgrammeEventKind.TRANSFERRED: "It goes on by a newer version; `facts` tell which, and what was kept.",
        ProgrammeEventKind.REOPENED: "It is not completed any more.",
        ProgrammeEventKind.CANCELLED: "It was ended.",
    },
)


@strawberry.type(description="Something that happened to an enrolment. Rows are never changed or removed.")
class ProgrammeEvent:
    """An event."""

    row: strawberry.Private[EventRow]
    id: strawberry.ID = told("Global id of the event; a stream never gives the same one twice.")
    kind: ProgrammeEventKind = told("What happened.")
    at: datetime = told("When, by the database's clock.")
    reason: str | None = told("Why, where a person said it.")
    facts: JSON = told("What else belongs to it, such as which attempt was issued.")

    @ask(programmes_enrolments.enrolment, "The enrolment that it happened to, as it is now.")
    async def enrolment(self, info: Info) -> ProgrammeEnrolment | None:
        """Show the enrolment."""
        row = await programmes_enrolments.enrolment(info.context, self.row.enrolment_id)
        return row and ProgrammeEnrolment.of(row)

    @strawberry.field(description="The requirement that it happened to; null when it concerns the whole enrolment.")
    async def requirement(self, info: Info) -> ProgrammeRequirement | None:
        """Show the requirement."""
        one = self.row.requirement_id
        row = None if one is None else await programmes_stream.requirement(info.context, one)
        return row and ProgrammeRequirement.of(row, row.position)

    @strawberry.field(description="Who did it; null when Evalium itself did.")
    async def actor(self, info: Info) -> User | None:
        """Show the actor."""
        person = None if self.row.actor_id is None else await identity.person(info.context, self.row.actor_id)
        return person and User.of(person)

    @classmethod
    def of(cls, row: EventRow) -> "ProgrammeEvent":
        """Show an event."""
        return cls(
            row=row,
            id=global_id("ProgrammeEvent", row.id),
            kind=ProgrammeEventKind(row.kind),
            at=row.at,
            reason=row.reason,
            facts=JSON(row.payload),
        )


@strawberry.type(description="What happened to a programme's enrolments, in commit order, and where to go on.")
class ProgrammeEventPage:
    """One page of the past."""

    cursor: str = told("Behind the last of these events: for `after` of the next page, or of the subscription.")
    as_of: datetime = told("The database's clock when this was read.")
    events: list[ProgrammeEvent] = told("Oldest first.")

    @classmethod
    def of(cls, frame: Frame) -> "ProgrammeEventPage":
        """Show a page."""
        return page_of(cls, frame, ProgrammeEvent.of)


@strawberry.type(description="What the stream delivers at once. Every event comes exactly once, in commit order.")
class ProgrammeStreamFrame(ProgrammeEventPage):
    """One frame of a programme, live."""

    once: strawberry.Private[dict[Hashable, Any]]
    heartbeat: bool = told("True when nothing happened for ten seconds: the cursor tells how far the stream is.")

    @classmethod
    def of(cls, frame: Frame) -> "ProgrammeStreamFrame":
        """Show a frame."""
        return frame_of(cls, frame, ProgrammeEvent.of)


ProgrammeId = Annotated[strawberry.ID, says("Global id of the programme.")]


@strawberry.type
class ProgrammesStreamQuery:
    """The past of a programme."""

    @ask(
        programmes_stream.events,
        "What happened to a programme's enrolments after a cursor, or from the first event on.",
    )
    async def programme_events(
        self, info: Info, programme_id: ProgrammeId, after: After = None, first: First = 100
    ) -> ProgrammeEventPage:
        """Page through the events."""
        programme = looked_for("Programme", programme_id)
        return ProgrammeEventPage.of(await programmes_stream.events(info.context, programme, after, checked(first)))


@strawberry.type
class ProgrammesStreamSubscription:
    """A programme, live."""

    @follow(programmes_stream.stream, "Follow a programme's enrolments, after a cursor or from now on.")
    async def programme_stream(
        self, info: Info, programme_id: ProgrammeId, after: After = None
    ) -> AsyncGenerator[ProgrammeStreamFrame, None]:
        """Follow the programme."""
        programme = looked_for("Programme", programme_id)
        async for frame in programmes_stream.stream(info.context, programme, after):
            yield ProgrammeStreamFrame.of(frame)
