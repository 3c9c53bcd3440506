"""Incidents: what was commanded to many sessions at once, and what became of each."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from models.incidents import Incident as IncidentRow
from models.incidents import IncidentKind
from models.incidents import IncidentSession as PartRow
from models.sessions import ReasonCategory
from resolvers import incidents, overrides
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, ask, says, told
from schema.connections import After, Before, Connection, First, Last, connect
from schema.enums import closed_set
from schema.identity import User
from schema.nodes import Node, global_id, local_id, looked_for
from schema.overrides import Override
from schema.sessions import Session
from services.incidents import Listing
from services.paging import PageRequest
from services.sessions_status import DisplayStatus


class ChosenBy(StrEnum):
    """How the sessions of a command were chosen."""

    LIST = "list"
    FILTER = "filter"
    INCIDENT = "incident"


closed_set(
    IncidentKind,
    "IncidentKind",
    "What was commanded.",
    {
        IncidentKind.PAUSE: "To stop the clock.",
        IncidentKind.RESUME: "To let the clock run again.",
        IncidentKind.COMPENSATE: "To give back the time that was lost.",
    },
)

closed_set(
    ChosenBy,
    "IncidentChosenBy",
    "How the sessions of a command were chosen.",
    {
        ChosenBy.LIST: "One by one.",
        ChosenBy.FILTER: "By what they were at that moment.",
        ChosenBy.INCIDENT: "Those that another command had reached.",
    },
)


@strawberry.type(description="How the sessions of a command were chosen.")
class IncidentChoice:
    """A choice as kept."""

    by: ChosenBy = told("In which way.")
    assignment_id: strawberry.ID | None = told("Global id of the assignment that the filter named; null for none.")
    run_label: str | None = told("The run label that the filter named; null for none.")
    display_status: list[DisplayStatus] | None = told("The statuses that the filter named; null for none.")
    incident_id: strawberry.ID | None = told("Global id of the command whose sessions were chosen; null for none.")

    @classmethod
    def of(cls, chosen: dict[str, Any]) -> "IncidentChoice":
        """Show a choice."""
        assignment, incident, shown = chosen.get("assignment"), chosen.get("incident"), chosen.get("display_status")
        return cls(
            by=ChosenBy(chosen["by"]),
            assignment_id=None if assignment is None else global_id("Assignment", assignment),
            run_label=chosen.get("run_label"),
            display_status=None if shown is None else [DisplayStatus(status) for status in shown],
            incident_id=None if incident is None else global_id("Incident", incident),
        )


@strawberry.type(description="One session that a command was for.")
class IncidentSession:
    """A row of an incident."""

    row: strawberry.Private[PartRow]
    seconds: int | None = told("How many seconds it was given; null when it was given none.")
    refusal: str | None = told("Code of why it could not be done with this session; null when it was.")

    @strawberry.field(description="The session as it is now.")
    async def session(self, info: Info) -> Session | None:
        """Show the session."""
        row = await incidents.part_session(info.context, self.row)
        return row and Session.of(row)

    @ask(overrides.override, "The override that gave the time, to be reversed if it was a mistake; null for none.")
    async def override(self, info: Info) -> Override | None:
        """Show the override."""
        if self.row.override_id is None:
            return None
        row = await overrides.override(info.context, self.row.override_id)
        return row and Override.of(row)

    @classmethod
    def of(cls, row: PartRow) -> "IncidentSession":
        """Show a row."""
        return cls(row=row, seconds=row.seconds, refusal=row.refusal)


@strawberry.type(description="One command to many sessions at once. It never changes.")
class Incident(Node):
    """An incident."""

    row: strawberry.Private[IncidentRow]
    kind: IncidentKind = told("What was commanded.")
    category: ReasonCategory = told("What kind of reason there was.")
    reason: str = told("Why.")
    created_at: datetime = told("When.")
    chosen_count: int = told("How many sessions were chosen.")
    done_count: int = told("With how many of them it was done; the others were refused.")
    seconds: int | None = told("How many seconds were lost; null unless that is what was said.")
    lost_from: datetime | None = told("Since when time was lost; null unless that is what was said.")
    lost_until: datetime | None = told("Until when time was lost; null unless that is what was said.")

    @strawberry.field(description="How the sessions were chosen.")
    def choice(self) -> IncidentChoice:
        """Show the choice."""
        return IncidentChoice.of(self.row.chosen)

    @strawberry.field(description="Who gave the command; null for a service token.")
    async def created_by(self, info: Info) -> User | None:
        """Show who."""
        person = await incidents.creator(info.context, self.row)
        return person and User.of(person)

    @strawberry.field(description="The sessions that it was for, in the order of their ids.")
    async def sessions(self, info: Info, first: First = None, after: After = None) -> Connection[IncidentSession]:
        """List the sessions."""
        page = await incidents.parts_page(info.context, self.uuid, PageRequest(first, after))
        return connect(page, IncidentSession.of, lambda context: incidents.part_count(context, self.uuid))

    @classmethod
    def of(cls, row: IncidentRow) -> "Incident":
        """Show an incident."""
        return cls(
            row=row,
            id=global_id("Incident", row.id),
            uuid=row.id,
            kind=IncidentKind(row.kind),
            category=ReasonCategory(row.category),
            reason=row.reason,
            created_at=row.created_at,
            chosen_count=row.chosen_count,
            done_count=row.done_count,
            seconds=row.seconds,
            lost_from=row.lost_from,
            lost_until=row.lost_until,
        )


@strawberry.input(description="Which incidents are wanted; what is left out does not narrow.")
class IncidentFilter:
    """Filter of `incidents`."""

    kind: IncidentKind | None = told("Only commands of this kind.", default=None)
    session_id: strawberry.ID | None = told("Only commands that were for this session.", default=None)

    def plain(self) -> Listing:
        """Return the filter as the service reads it."""
        session = self.session_id
        return Listing(
            self.kind, None if session is None else local_id("Session", session, path=["filter", "sessionId"])
        )


@strawberry.type
class IncidentsQuery:
    """Queries about incidents."""

    @ask(incidents.incident, "One command to many sessions; null when there is none to be seen.")
    async def incident(
        self, info: Info, id: Annotated[strawberry.ID, says("Global id of the incident.")]
    ) -> Incident | None:
        """Show an incident."""
        row = await incidents.incident(info.context, looked_for("Incident", id))
        return row and Incident.of(row)

    @ask(incidents.incidents_page, "Commands to many sessions, the newest first.")
    async def incidents(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[IncidentFilter | None, says("Which incidents.")] = None,
    ) -> Connection[Incident]:
        """List incidents."""
        page, wanted = PageRequest(first, after, last, before), (filter or IncidentFilter()).plain()
        return connect(await incidents.incidents_page(info.context, wanted, page), Incident.of)
