"""Incidents: one command to many sessions, in one transaction, with an answer for each of them (domain.md section 5).

All sessions are held before anything is written. So a command that is cut short leaves nothing, and the same request
sent again under its key does everything once. What cannot be done with a session is told by its row, and the others
go on. Each command is kept with its sessions, so that it can be looked at later.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias, cast
from uuid import UUID

from sqlalchemy import Select, func, select

from models.assignments import Assignment
from models.base import uuid7
from models.incidents import Incident, IncidentKind, IncidentSession
from models.sessions import DeliverySession, ReasonCategory
from services import incidents_loss, overrides_give, plain, policy, sessions_pause, words
from services.idempotency import Answer
from services.incidents_loss import Loss
from services.paging import Order, Page, PageRequest, paged, paged_each
from services.refusals import (
    ConfirmationNeeded,
    DeadlinePassed,
    InvalidInput,
    NotFound,
    NothingChosen,
    Refusal,
    StateDrift,
    WindowClosed,
)
from services.security import SecurityLevel
from services.sessions_hold import drifted, hold_many, over
from services.sessions_pause import Why
from services.sessions_policy import is_open
from services.sessions_status import DisplayStatus, is_over, shown_as_any
from services.work import Work

MOST = 500
"""Sessions of one command."""

_MEANT = {
    IncidentKind.PAUSE: (DisplayStatus.LIVE, DisplayStatus.IDLE),
    IncidentKind.RESUME: (DisplayStatus.PAUSED,),
    IncidentKind.COMPENSATE: (DisplayStatus.LIVE, DisplayStatus.IDLE, DisplayStatus.PAUSED),
}
"""Sessions of which status a filter finds that names none."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Sessions by what they are now; what is None does not narrow."""

    assignment_id: UUID | None = None
    run_label: str | None = None
    display_status: Sequence[DisplayStatus] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The sessions of a command, exactly one of these ways: a list, a filter, or those that another command reached.

    The list has the ids as they were given, and what they stand for; None where that is nothing.
    """

    listed: Sequence[tuple[str, UUID | None]] | None = None
    filter: Filter | None = None
    incident_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """Which sessions, and why."""

    choice: Choice
    category: ReasonCategory
    reason: str


@dataclass(frozen=True, slots=True)
class Given:
    """Time that a session was given, and the override that gave it."""

    seconds: int
    override_id: UUID


Outcome: TypeAlias = Refusal | Given | None
Outcomes: TypeAlias = Mapping[UUID, Outcome]
Do: TypeAlias = Callable[[Sequence[DeliverySession], Why], Awaitable[Outcomes]]


@dataclass(frozen=True, slots=True)
class Listing:
    """Which incidents are wanted; what is None does not narrow."""

    kind: IncidentKind | None = None
    session_id: UUID | None = None


async def pause(work: Work, command: Command) -> Answer:
    """Stop the clock of the chosen sessions."""

    async def do(held: Sequence[DeliverySession], why: Why) -> Outcomes:
        return await sessions_pause.pause(work, held, why)

    return await _carried_out(work, IncidentKind.PAUSE, command, do)


async def resume(work: Work, command: Command) -> Answer:
    """Let the clock of the chosen sessions run again; each end moves by exactly the session's own pause."""

    async def do(held: Sequence[DeliverySession], why: Why) -> Outcomes:
        return await sessions_pause.resume(work, held, why)

    return await _carried_out(work, IncidentKind.RESUME, command, do)


async def compensate(work: Work, command: Command, loss: Loss, *, is_high_stakes_confirmed: bool) -> Answer:
    """Give each of the chosen sessions the time that it lost and that no pause has given back, by an override each.

    Refuses the whole when a session is high stakes and that was not confirmed.
    """
    incidents_loss.check(loss, await work.now())
    await _check_pause(work, loss)

    async def do(held: Sequence[DeliverySession], why: Why) -> Outcomes:
        if not is_high_stakes_confirmed and any(map(_is_high_stakes, held)):
            raise ConfirmationNeeded("A chosen session is high stakes.", path=["isHighStakesConfirmed"])
        return await _given(work, held, why, loss)

    return await _carried_out(work, IncidentKind.COMPENSATE, command, do, loss)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Incident]:
    """Return the incidents with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(Incident).where(Incident.id.in_(ids)))
    return {row.id: row for row in found}


async def listed(work: Work, wanted: Listing, page: PageRequest) -> Page[Incident]:
    """List incidents, the newest first."""
    row, part = Incident, IncidentSession
    statement: Select[Any] = select(row)
    if wanted.kind is not None:
        statement = statement.where(row.kind == wanted.kind)
    if wanted.session_id is not None:
        touched = select(part.incident_id).where(part.session_id == wanted.session_id)
        statement = statement.where(row.id.in_(touched))
    return await paged(work, statement, [Order(row.id, descending=True)], page)


async def parts(work: Work, ids: Sequence[UUID], page: PageRequest) -> dict[UUID, Page[IncidentSession]]:
    """List the sessions of each of these incidents: one page for each, all with one statement."""
    statement = cast("Select[Any]", select(*plain.columns(IncidentSession)))
    pages = await paged_each(work, statement, IncidentSession.incident_id, ids, [Order(IncidentSession.id)], page)
    return {key: replace(one, rows=[plain.row(IncidentSession, row) for row in one.rows]) for key, one in pages.items()}


async def part_counts(work: Work, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many sessions each of these incidents has."""
    part = IncidentSession
    counted = select(part.incident_id, func.count().label("sessions")).where(part.incident_id.in_(ids))
    return {row.incident_id: row.sessions for row in await work.rows(counted.group_by(part.incident_id))}


def _is_high_stakes(session: DeliverySession) -> bool:
    return policy.from_json(session.policy).security.value.level is SecurityLevel.HIGH_STAKES


async def _check_pause(work: Work, loss: Loss) -> None:
    if loss.pause_id is None:
        return
    known = (await by_ids(work, [loss.pause_id])).get(loss.pause_id)
    if known is None or known.kind != IncidentKind.PAUSE:
        raise NotFound("pausing Incident", loss.pause_id, path=["pauseIncidentId"])


async def _given(work: Work, held: Sequence[DeliverySession], why: Why, loss: Loss) -> Outcomes:
    now = await work.now()
    pauses = await incidents_loss.pauses_of(work, [session.id for session in held], now)
    found: dict[UUID, Outcome] = {}
    gifts: list[tuple[DeliverySession, int]] = []
    for session in held:
        try:
            if is_over(session, now):
                raise over(session, now)
            if not is_open(session):
                raise drifted(session)
            gifts.append((session, incidents_loss.owed(loss, session, pauses[session.id])))
        except Refusal as refusal:
            found[session.id] = refusal
    made = await overrides_give.give(work, gifts, why, now)
    return found | {session.id: Given(seconds, made[session.id]) for session, seconds in gifts}


async def _carried_out(work: Work, kind: IncidentKind, command: Command, do: Do, loss: Loss | None = None) -> Answer:
    """Hold the chosen sessions, do it with those that can be seen, and keep what became of each."""
    text = words.reason(command.reason)
    chosen = await _chosen(work, kind, command.choice)
    ids = [session_id for _, session_id in chosen if session_id is not None]
    held = {session.id: session for session in await hold_many(work, list(dict.fromkeys(ids)))}
    first = next((held[one] for one in ids if one in held), None)
    if first is None:
        raise NothingChosen("None of the chosen sessions can be seen.", path=["sessions"])
    unit, incident_id = first.org_unit_id, uuid7()
    here = [session for session in held.values() if session.org_unit_id == unit]
    outcomes = await do(here, Why(command.category, text, incident_id))
    rows = _rows(chosen, outcomes)
    done = sum(row["problem"] is None for row in rows)
    incident = Incident(
        id=incident_id,
        org_unit_id=unit,
        kind=kind,
        category=command.category,
        reason=text,
        created_by=work.viewer.user_id,
        chosen=_told(command.choice),
        chosen_count=len(rows),
        done_count=done,
        **asdict(loss or Loss()),
    )
    work.session.add(incident)
    await work.session.flush()
    work.session.add_all(_part(incident, session, outcomes[session.id]) for session in here)
    told = {"kind": kind, "category": command.category, "chosen": len(rows), "done": done}
    work.record("incident.commanded", ("incident", incident_id), reason=text, after=told | _lost(loss))
    return {"incident": str(incident_id), "rows": rows}


async def _chosen(work: Work, kind: IncidentKind, choice: Choice) -> list[tuple[str, UUID | None]]:
    """Return the chosen sessions in order; refuse none at all, and more than one command may have."""
    found = await _found(work, kind, choice)
    if not found:
        raise NothingChosen("No session was chosen.", path=["sessions"])
    if len(found) > MOST:
        raise InvalidInput(
            f"One command is for at most {MOST} sessions.", path=["sessions"], hint="Send several commands."
        )
    return found


async def _found(work: Work, kind: IncidentKind, choice: Choice) -> list[tuple[str, UUID | None]]:
    if choice.listed is not None:
        return list(choice.listed)
    statement: Select[Any] = select(DeliverySession.id).order_by(DeliverySession.id).limit(MOST + 1)
    if choice.incident_id is not None:
        if not await by_ids(work, [choice.incident_id]):
            raise NotFound("Incident", choice.incident_id, path=["sessions", "incidentId"])
        part = IncidentSession
        reached = select(part.session_id).where(part.incident_id == choice.incident_id, part.refusal.is_(None))
        statement = statement.where(DeliverySession.id.in_(reached))
    else:
        statement = _filtered(statement, kind, choice.filter or Filter())
    return [(str(row.id), row.id) for row in await work.rows(statement)]


def _filtered(statement: Select[Any], kind: IncidentKind, wanted: Filter) -> Select[Any]:
    row = DeliverySession
    if wanted == Filter():
        raise InvalidInput("The filter narrows nothing.", path=["sessions", "filter"], hint="Name an assignment.")
    if wanted.assignment_id is not None:
        statement = statement.where(row.assignment_id == wanted.assignment_id)
    if wanted.run_label is not None:
        labelled = select(Assignment.id).where(Assignment.run_label == wanted.run_label)
        statement = statement.where(row.assignment_id.in_(labelled))
    shown = _MEANT[kind] if wanted.display_status is None else wanted.display_status
    return statement.where(shown_as_any(shown))


def _rows(chosen: Sequence[tuple[str, UUID | None]], outcomes: Outcomes) -> list[dict[str, Any]]:
    """Return what each row is answered, in order; a session that is named twice counts at its first place."""
    rows: list[dict[str, Any]] = []
    seen: set[UUID] = set()
    for n, (given, session_id) in enumerate(chosen):
        outcome: Outcome = NotFound("Session", given, path=["sessions", "ids", n])
        shown = None
        if session_id is not None and session_id in outcomes:
            outcome, shown = outcomes[session_id], str(session_id)
            if session_id in seen:
                outcome = InvalidInput("The session is named twice.", path=["sessions", "ids", n])
            seen.add(session_id)
        problem = kept(outcome) if isinstance(outcome, Refusal) else None
        seconds = outcome.seconds if isinstance(outcome, Given) else None
        rows.append({"session": shown, "seconds": seconds, "problem": problem})
    return rows


def kept(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal of one row as it is kept with the answer."""
    facts: dict[str, Any] = {}
    match refusal:
        case StateDrift():
            facts = {"current_state": refusal.current_state, "current_version": refusal.current_version}
        case DeadlinePassed():
            facts = {"deadline_at": refusal.deadline_at.isoformat()}
        case WindowClosed():
            facts = {"closed_at": refusal.closed_at.isoformat()}
        case _:
            pass
    return {
        "code": refusal.code,
        "message": refusal.message,
        "path": [str(step) for step in refusal.path],
        "hint": refusal.advice,
        "facts": facts,
    }


def _part(incident: Incident, session: DeliverySession, outcome: Outcome) -> IncidentSession:
    given = outcome if isinstance(outcome, Given) else None
    return IncidentSession(
        id=uuid7(),
        org_unit_id=incident.org_unit_id,
        incident_id=incident.id,
        session_id=session.id,
        override_id=None if given is None else given.override_id,
        seconds=None if given is None else given.seconds,
        refusal=outcome.code if isinstance(outcome, Refusal) else None,
    )


def _told(choice: Choice) -> dict[str, Any]:
    """Return how sessions were chosen, as it is kept."""
    if choice.listed is not None:
        return {"by": "list"}
    if choice.incident_id is not None:
        return {"by": "incident", "incident": str(choice.incident_id)}
    wanted = choice.filter or Filter()
    shown = None if wanted.display_status is None else [str(status) for status in wanted.display_status]
    assignment = None if wanted.assignment_id is None else str(wanted.assignment_id)
    return {"by": "filter", "assignment": assignment, "run_label": wanted.run_label, "display_status": shown}


def _lost(loss: Loss | None) -> dict[str, Any]:
    if loss is None:
        return {}
    span = [None if at is None else at.isoformat() for at in (loss.lost_from, loss.lost_until)]
    pause = None if loss.pause_id is None else str(loss.pause_id)
    return {"seconds": loss.seconds, "lost_from": span[0], "lost_until": span[1], "pause": pause}
