"""Incidents: commands to many sessions at once, and what became of each."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from dataloaders import incidents as loaders
from dataloaders import sessions as session_loaders
from models.capabilities import Capability
from models.identity import User
from models.incidents import Incident, IncidentSession
from models.sessions import DeliverySession
from resolvers import identity
from resolvers.access import requires
from resolvers.context import Context
from services import incidents
from services.idempotency import Answer
from services.incidents import Command, Listing
from services.incidents_loss import Loss
from services.paging import Page, PageRequest
from services.work import Work


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one chosen session, which is None where it cannot be seen; `problem` is a refusal as kept."""

    session: DeliverySession | None
    seconds: int | None
    problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """A command as kept, and its rows in order."""

    incident: Incident
    rows: Sequence[Row]


@requires(Capability.SESSIONS_READ)
async def incident(context: Context, incident_id: UUID | None) -> Incident | None:
    """Return one incident; None when it cannot be seen."""
    return None if incident_id is None else await context.loaders.of(loaders.by_id).load(incident_id)


@requires(Capability.SESSIONS_READ)
async def incidents_page(context: Context, wanted: Listing, page: PageRequest) -> Page[Incident]:
    """List incidents."""
    return await context.read(incidents.listed, wanted, page)


async def parts_page(context: Context, incident_id: UUID, page: PageRequest) -> Page[IncidentSession]:
    """List the sessions of an incident that the viewer may see."""
    return await context.loaders.of(loaders.parts).load((incident_id, page))


async def part_count(context: Context, incident_id: UUID) -> int:
    """Return how many sessions an incident has."""
    return await context.loaders.of(loaders.part_counts).load(incident_id)


async def part_session(context: Context, part: IncidentSession) -> DeliverySession | None:
    """Return the session of a row of an incident."""
    return await context.loaders.of(session_loaders.by_id).load(part.session_id)


async def creator(context: Context, row: Incident) -> User | None:
    """Return who gave the command."""
    return None if row.created_by is None else await identity.person(context, row.created_by)


@requires(Capability.SESSIONS_PROCTOR)
async def incident_pause(context: Context, command: Command, key: str | None) -> CarriedOut:
    """Stop the clock of the chosen sessions."""

    async def act(work: Work) -> Answer:
        return await incidents.pause(work, command)

    return await _carried_out(context, "incidentPause", key, asdict(command), act)


@requires(Capability.SESSIONS_PROCTOR)
async def incident_resume(context: Context, command: Command, key: str | None) -> CarriedOut:
    """Let the clock of the chosen sessions run again."""

    async def act(work: Work) -> Answer:
        return await incidents.resume(work, command)

    return await _carried_out(context, "incidentResume", key, asdict(command), act)


@requires(Capability.ASSIGNMENTS_OVERRIDE)
async def incident_compensate(
    context: Context, command: Command, loss: Loss, key: str | None, *, is_high_stakes_confirmed: bool
) -> CarriedOut:
    """Give each of the chosen sessions the time that it lost."""

    async def act(work: Work) -> Answer:
        confirmed = is_high_stakes_confirmed
        return await incidents.compensate(work, command, loss, is_high_stakes_confirmed=confirmed)

    given = {"command": asdict(command), "loss": asdict(loss), "confirmed": is_high_stakes_confirmed}
    return await _carried_out(context, "incidentCompensate", key, given, act)


async def _carried_out(
    context: Context, operation: str, key: str | None, given: Any, act: Callable[[Work], Awaitable[Answer]]
) -> CarriedOut:
    answer = await context.write(operation, key, given, act)
    row = await context.loaders.of(loaders.by_id).load(UUID(answer["incident"]))
    if row is None:
        raise LookupError(f"incident {answer['incident']} cannot be read back")
    ids = [UUID(one["session"]) for one in answer["rows"] if one["session"] is not None]
    found = dict(zip(ids, await context.loaders.of(session_loaders.by_id).load_many(ids), strict=True))
    rows = [
        Row(None if one["session"] is None else found[UUID(one["session"])], one["seconds"], one["problem"])
        for one in answer["rows"]
    ]
    return CarriedOut(row, rows)
