"""Commands to many sessions at once: pause, resume, compensate."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any

import strawberry

from models.sessions import ReasonCategory
from resolvers import incidents
from resolvers.incidents import CarriedOut, Row
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, act, says, told
from schema.incidents import Incident
from schema.nodes import local_id, looked_for
from schema.problems import DeadlinePassed, Problem, Refused, StateDrift, WindowClosed, attempt
from schema.sessions import Session
from schema.users_acts import KEY, WHY
from services.incidents import MOST, Choice, Command, Filter
from services.incidents_loss import Loss
from services.policy import LONGEST_LIMIT_SECONDS
from services.sessions_status import DisplayStatus

CATEGORY = "What kind of reason there is."
SESSIONS = f"Which sessions: at most {MOST}, all of one org unit."


@strawberry.input(description="Sessions by what they are at the moment; what is left out does not narrow.")
class IncidentSessionFilter:
    """A filter that chooses."""

    assignment_id: strawberry.ID | None = told("Only sessions of this assignment.", default=None)
    run_label: str | None = told("Only sessions of assignments with this run label.", default=None)
    display_status: list[DisplayStatus] | None = told(
        "Only sessions shown as one of these now. When left out: LIVE and IDLE, for resuming PAUSED, and for "
        "compensating all three.",
        default=None,
    )

    def plain(self) -> Filter:
        """Return the filter as the service reads it."""
        given = self.assignment_id
        path = ["sessions", "filter", "assignmentId"]
        assignment = None if given is None else local_id("Assignment", given, path=path)
        return Filter(assignment, self.run_label, self.display_status)


@strawberry.input(one_of=True, description="The sessions that a command is for: exactly one of the three.")
class IncidentSessionsInput:
    """A choice."""

    ids: list[strawberry.ID] | None = told("Global ids of the sessions.", default=strawberry.UNSET)
    filter: IncidentSessionFilter | None = told(
        "Sessions by what they are now; one that narrows nothing is refused.", default=strawberry.UNSET
    )
    incident_id: strawberry.ID | None = told(
        "Global id of an earlier command: the sessions with which it was done.", default=strawberry.UNSET
    )

    def plain(self) -> Choice:
        """Return the choice as the service reads it."""
        if isinstance(self.filter, IncidentSessionFilter):
            return Choice(filter=self.filter.plain())
        if isinstance(self.incident_id, str):
            return Choice(incident_id=local_id("Incident", self.incident_id, path=["sessions", "incidentId"]))
        return Choice(listed=[(str(one), looked_for("Session", one)) for one in self.ids or []])


@strawberry.input(description="Sessions to pause, and why.")
class IncidentPauseInput:
    """Input of `incidentPause`."""

    sessions: IncidentSessionsInput = told(SESSIONS)
    category: ReasonCategory = told(CATEGORY)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(description="Sessions to resume, and why.")
class IncidentResumeInput:
    """Input of `incidentResume`."""

    sessions: IncidentSessionsInput = told(SESSIONS)
    category: ReasonCategory = told(CATEGORY)
    reason: str = told(WHY)
    idempotency_key: str | None = told(KEY, default=None)


@strawberry.input(
    description="Sessions to compensate, for what, and why. What was lost is said in one of two ways: by `seconds`, or "
    "by `lostFrom` and `lostUntil`."
)
class IncidentCompensateInput:
    """Input of `incidentCompensate`."""

    sessions: IncidentSessionsInput = told(SESSIONS)
    category: ReasonCategory = told(CATEGORY)
    reason: str = told(WHY)
    seconds: int | None = told(
        f"Each session is given exactly so many seconds, 1 to {LONGEST_LIMIT_SECONDS}; with `pauseIncidentId`, less "
        "what that pause has given it.",
        default=None,
    )
    lost_from: datetime | None = told(
        "Begin of the span in which time was lost. Each session is given as much of the span as its clock ran: from "
        "its start on, without any of its pauses.",
        default=None,
    )
    lost_until: datetime | None = told("End of the span; not in the future.", default=None)
    pause_incident_id: strawberry.ID | None = told(
        "Global id of the command that paused sessions in this incident. How long it paused a session is deducted from "
        "`seconds`; one that it still keeps paused is refused: resume it first.",
        default=None,
    )
    is_high_stakes_confirmed: bool = told(
        "True once a person has confirmed that this touches an assessment with high stakes.", default=False
    )
    idempotency_key: str | None = told(KEY, default=None)

    def loss(self) -> Loss:
        """Return what was lost as the service reads it."""
        pause = self.pause_incident_id
        return Loss(
            self.seconds,
            self.lost_from,
            self.lost_until,
            None if pause is None else local_id("Incident", pause, path=["pauseIncidentId"]),
        )


@strawberry.type(description="What became of one chosen session.")
class IncidentResult:
    """A row of the result."""

    index: int = told("Place of the session among the chosen ones, from 0.")
    session: Session | None = told("The session as it is now; null when there is none to be seen.")
    seconds: int | None = told("How many seconds it was given; null unless it was compensated.")
    problems: list[Problem] = told("Why it could not be done with this session; empty when it was.")


@strawberry.type(description="A command as kept, with one result for each session.")
class IncidentPayload:
    """Answer of the commands."""

    incident: Incident | None = told("The command, to be looked at later; null when nothing was done.")
    results: list[IncidentResult] = told("One for each session: in the order of the list, else in the order of ids.")
    problems: list[Problem] = told("Why nothing was done.")


Given = IncidentPauseInput | IncidentResumeInput | IncidentCompensateInput


def _command(given: Given) -> Command:
    return Command(given.sessions.plain(), given.category, given.reason)


async def _answered(carried_out: Awaitable[CarriedOut]) -> IncidentPayload:
    done, problems = await attempt(carried_out)
    rows = () if done is None else done.rows
    return IncidentPayload(
        incident=done and Incident.of(done.incident),
        results=[_result(index, row) for index, row in enumerate(rows)],
        problems=problems,
    )


def _result(index: int, row: Row) -> IncidentResult:
    """Show what became of one session."""
    return IncidentResult(
        index=index,
        session=row.session and Session.of(row.session),
        seconds=row.seconds,
        problems=[] if row.problem is None else [kept_problem(**row.problem)],
    )


def kept_problem(*, facts: dict[str, Any], **common: Any) -> Problem:
    """Show a refusal of one row as a problem of its own type, where it has one."""
    if "current_state" in facts:
        return StateDrift(**common, **facts)
    if "deadline_at" in facts:
        return DeadlinePassed(**common, deadline_at=datetime.fromisoformat(facts["deadline_at"]))
    if "closed_at" in facts:
        return WindowClosed(**common, closed_at=datetime.fromisoformat(facts["closed_at"]))
    return Refused(**common)


@strawberry.type
class IncidentsMutation:
    """Commands to many sessions."""

    @act(
        incidents.incident_pause,
        "Stop the clock of many sessions at once, in one transaction. While a session is paused, nothing is taken in "
        "and no time passes. What cannot be paused is refused by row, and the others are paused.",
    )
    async def incident_pause(
        self, info: Info, input: Annotated[IncidentPauseInput, says("Which sessions, and why.")]
    ) -> IncidentPayload:
        """Pause."""

        async def pause() -> CarriedOut:
            return await incidents.incident_pause(info.context, _command(input), input.idempotency_key)

        return await _answered(pause())

    @act(
        incidents.incident_resume,
        "Let the clock of many sessions run again, in one transaction. The end of each moves by exactly its own pause, "
        "to the microsecond; what is not paused is refused by row.",
    )
    async def incident_resume(
        self, info: Info, input: Annotated[IncidentResumeInput, says("Which sessions, and why.")]
    ) -> IncidentPayload:
        """Resume."""

        async def resume() -> CarriedOut:
            return await incidents.incident_resume(info.context, _command(input), input.idempotency_key)

        return await _answered(resume())

    @act(
        incidents.incident_compensate,
        "Give many sessions the time back that they lost and that no pause has given them already, in one transaction. "
        "Each person gets an override of their own, for this session alone; `overrideReverse` takes it back. A part of "
        "a second is given to the candidate. Who lost nothing is refused by row, as is what has ended.",
    )
    async def incident_compensate(
        self, info: Info, input: Annotated[IncidentCompensateInput, says("Which sessions, for what, and why.")]
    ) -> IncidentPayload:
        """Compensate."""

        async def compensate() -> CarriedOut:
            return await incidents.incident_compensate(
                info.context,
                _command(input),
                input.loss(),
                input.idempotency_key,
                is_high_stakes_confirmed=input.is_high_stakes_confirmed,
            )

        return await _answered(compensate())
