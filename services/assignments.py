"""Assignments: closed, relabelled, listed and looked up (domain.md section 5).

Issuing, redeeming and the monitor are `assignments_issue`, `assignments_redeem` and `assignments_monitor`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select

from models.assignments import Assignment, AssignmentStatus
from realtime import topics
from services import run_label, words
from services.idempotency import Answer
from services.paging import Order, Page, PageRequest, paged
from services.refusals import NotFound, StateDrift
from services.work import Work


class AssignmentOrder(StrEnum):
    """By what assignments can be sorted."""

    CREATED_AT = "created_at"
    NAME = "name"
    RUN_LABEL = "run_label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which assignments are wanted; what is None does not narrow. `search` is the beginning of a name."""

    status: Sequence[AssignmentStatus] | None = None
    evaluation_version_id: UUID | None = None
    run_label: str | None = None
    search: str | None = None


async def close(work: Work, assignment_id: UUID, reason: str) -> Answer:
    """Close an assignment: nobody can start any more; sessions that exist go on. Refuses one that is closed."""
    why = words.reason(reason)
    wanted = select(Assignment).where(Assignment.id == assignment_id).with_for_update()
    assignment = (await work.session.scalars(wanted)).one_or_none()
    if assignment is None:
        raise NotFound("Assignment", assignment_id, path=["id"])
    if assignment.status != AssignmentStatus.ACTIVE:
        raise StateDrift("The assignment is closed already.", current_state=assignment.status.upper())
    assignment.status = AssignmentStatus.CLOSED
    assignment.closed_at = closed_at = await work.now()
    work.record(
        "assignment.closed",
        ("assignment", assignment.id),
        reason=why,
        before={"status": AssignmentStatus.ACTIVE},
        after={"status": AssignmentStatus.CLOSED, "closed_at": closed_at.isoformat()},
    )
    work.touch(topics.assignment_sessions(assignment.tenant_id, assignment.id))
    return {"assignment": str(assignment.id)}


async def relabel(work: Work, assignment_id: UUID, label: str) -> Answer:
    """Give an assignment another run label, under which reports group its results; the same one changes nothing."""
    checked = run_label.checked(label)
    wanted = select(Assignment).where(Assignment.id == assignment_id).with_for_update()
    assignment = (await work.session.scalars(wanted)).one_or_none()
    if assignment is None:
        raise NotFound("Assignment", assignment_id, path=["id"])
    before, assignment.run_label = assignment.run_label, checked
    if before != checked:
        told = ("assignment", assignment.id)
        work.record("assignment.relabelled", told, before={"run_label": before}, after={"run_label": checked})
    return {"assignment": str(assignment.id)}


async def by_ids(work: Work, ids: Iterable[UUID]) -> dict[UUID, Assignment]:
    """Return the assignments with these ids, those that the viewer may see."""
    found = await work.session.scalars(select(Assignment).where(Assignment.id.in_(list(ids))))
    return {assignment.id: assignment for assignment in found}


async def require(work: Work, assignment_id: UUID) -> Assignment:
    """Return an assignment that the viewer can see; refuse any other."""
    found = (await by_ids(work, [assignment_id])).get(assignment_id)
    if found is None:
        raise NotFound("Assignment", assignment_id)
    return found


async def listed(
    work: Work,
    wanted: Filter,
    orders: Sequence[tuple[AssignmentOrder, bool]],
    page: PageRequest,
) -> Page[Assignment]:
    """List the assignments of the viewer's org unit; each order is a column and whether it descends, newest first."""
    row = Assignment
    statement = select(row)
    if wanted.status is not None:
        statement = statement.where(row.status.in_(wanted.status))
    if wanted.evaluation_version_id is not None:
        statement = statement.where(row.evaluation_version_id == wanted.evaluation_version_id)
    if wanted.run_label is not None:
        statement = statement.where(row.run_label == wanted.run_label)
    if wanted.search:
        statement = statement.where(row.name.istartswith(wanted.search, autoescape=True))
    columns = {
        AssignmentOrder.CREATED_AT: row.created_at,
        AssignmentOrder.NAME: row.name,
        AssignmentOrder.RUN_LABEL: row.run_label,
    }
    sorting = [Order(columns[column], descending) for column, descending in orders] or [Order(row.created_at, True)]
    return await paged(work, statement, [*sorting, Order(row.id, sorting[0].descending)], page)
