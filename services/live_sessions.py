"""The command centre: sessions of a scope, how many there are of each kind, and their stream (domain.md 6, 7)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, func, select

from models.sessions import DeliverySession
from services import sessions, streams
from services.paging import Page, PageRequest
from services.prepared import Forms
from services.refusals import BadUserInput
from services.sessions import Filter, SortedBy
from services.sessions_status import DisplayStatus, shown_as
from services.streams import Horizon, Stream
from services.work import Work


@dataclass(frozen=True, slots=True)
class Scope:
    """What is watched: at most one of these, else everything in the viewer's org unit."""

    assignment_id: UUID | None = None
    run_label: str | None = None
    room_id: UUID | None = None

    def __post_init__(self) -> None:
        """Refuse two at once."""
        if sum(one is not None for one in (self.assignment_id, self.run_label, self.room_id)) > 1:
            raise BadUserInput("A scope is an assignment, a run label or a room; several were given.")


@dataclass(frozen=True, slots=True)
class Watched:
    """A page of sessions, and where the scope's stream stood in the snapshot that it shows."""

    page: Page[DeliverySession]
    at: Horizon
    cursor: str


def stream_of(tenant_id: UUID, org_unit_id: UUID | None, scope: Scope) -> Stream:
    """Return the stream of a scope; a viewer of all org units at once has to name an assignment or a room."""
    if scope.assignment_id is not None:
        return streams.assignment_stream(tenant_id, scope.assignment_id)
    if scope.room_id is not None:
        return streams.room_stream(tenant_id, scope.room_id)
    if org_unit_id is None:
        raise BadUserInput(
            "The token spans all org units, and a stream is of one.", hint="Name an assignment or a room as the scope."
        )
    if scope.run_label is not None:
        return streams.label_stream(tenant_id, org_unit_id, scope.run_label)
    return streams.unit_stream(tenant_id, org_unit_id)


def narrowed_to(scope: Scope, wanted: Filter) -> Filter:
    """Return a filter that finds nothing outside a scope."""
    values = {"assignment_id": scope.assignment_id, "run_label": scope.run_label, "room_id": scope.room_id}
    return replace(wanted, **{name: value for name, value in values.items() if value is not None})


async def watched(
    work: Work,
    scope: Scope,
    wanted: Filter,
    order: Sequence[SortedBy],
    page: PageRequest,
    secret: bytes,
) -> Watched:
    """Read one page of a scope, with the cursor from which its stream goes on after what the page shows."""
    tenant_id = work.viewer.tenant_id
    if tenant_id is None:
        raise RuntimeError("Nobody's sessions cannot be watched.")
    stream = stream_of(tenant_id, work.viewer.org_unit_id, scope)
    at, position = await streams.here(work, stream)
    found = await sessions.listed(work, narrowed_to(scope, wanted), order, page)
    return Watched(found, at, streams.cursor(secret, stream, at, position))


async def counts(work: Work, wanted: Filter) -> dict[DisplayStatus, int]:
    """Return how many sessions are shown as each status, of those that the filter finds whatever its own statuses."""
    values, sets = sessions.parted(replace(wanted, display_status=None))

    def counting() -> Any:
        columns = [func.count().filter(shown_as(status)).label(status.value) for status in DisplayStatus]
        counted = cast("Select[Any]", select(*columns).select_from(DeliverySession))
        return sessions.narrowed(counted, values, sets)

    row = (await _FORMS.of((tuple(values), sets), counting).fetch(work, values))[0]
    return {status: row[status.value] for status in DisplayStatus}


_FORMS = Forms()
