"""The assignments and attempts of a run label, read with a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from models.assignments import Assignment
from models.submissions import Outcome
from services import assignments_buckets, cohorts
from services.assignments_buckets import Bucket
from services.cohorts import Attempt, Attempts, Figures
from services.paging import Order, Page, PageRequest, paged
from services.work import Work

_ASSIGNMENTS: Final = """
select id, name from assignments
where run_label = $1 and ($2::uuid is null or evaluation_version_id = $2) order by created_at, id"""
_ATTEMPTS: Final = """
select d.assignment_id, d.user_id, d.attempt, v.outcome, v.percent,
 case when d.started_at is null or d.ended_at is null then null
  else greatest(0, floor(extract(epoch from d.ended_at - d.started_at) - d.paused_seconds)::bigint) end as seconds
from delivery_sessions d
left join submissions s on s.session_id = d.id
left join submission_score_versions v on v.submission_id = s.id and v.number = s.latest_score_version
where d.assignment_id = any($1)"""


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one assignment of a cohort, with its recipients by bucket."""

    assignment_id: UUID
    name: str
    buckets: dict[Bucket, int]
    figures: Figures


@dataclass(frozen=True, slots=True)
class Cohort:
    """The figures of a run label, and those of each of its assignments in the order in which they were issued."""

    run_label: str
    buckets: dict[Bucket, int]
    figures: Figures
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Label:
    """A run label with how many assignments bear it, and when the newest of them was issued."""

    run_label: str
    assignments: int
    newest_at: datetime


async def labels(work: Work, begins: str | None, page: PageRequest) -> Page[Label]:
    """List the run labels that the viewer sees, by name; `begins` narrows to those that begin so."""
    row = Assignment
    named = select(row.run_label, func.count().label("assignments"), func.max(row.created_at).label("newest_at"))
    if begins:
        named = named.where(row.run_label.startswith(begins, autoescape=True))
    each = named.group_by(row.run_label).subquery()
    listed = await paged(work, select(each), [Order(each.c.run_label)], page)
    rows = [Label(*one[:3]) for one in listed.rows]
    return Page(rows, listed.cursors, listed.has_next, listed.has_previous, listed.total)


async def cohort(work: Work, run_label: str, which: Attempts, version_id: UUID | None) -> Cohort | None:
    """Return what came of the assignments with a run label that the viewer sees; None where there are none.

    The newest score version of each submission counts. Three statements, however many people there are.
    """
    names = {row["id"]: row["name"] for row in await work.fetch(_ASSIGNMENTS, run_label, version_id)}
    if not names:
        return None
    buckets = await assignments_buckets.counts(work, list(names))
    counted = cohorts.counting([_attempt(row) for row in await work.fetch(_ATTEMPTS, list(names))], which)
    own: dict[UUID, list[Attempt]] = {one: [] for one in names}
    for one in counted:
        own[one.assignment_id].append(one)
    parts = [Part(one, name, buckets[one], cohorts.figures(own[one])) for one, name in names.items()]
    together = {bucket: sum(part.buckets[bucket] for part in parts) for bucket in Bucket}
    return Cohort(run_label, together, cohorts.figures(counted), parts)


def _attempt(row: Any) -> Attempt:
    assignment_id, user_id, number, outcome, percent, seconds = tuple(row)
    return Attempt(assignment_id, user_id, number, None if outcome is None else Outcome(outcome), percent, seconds)
