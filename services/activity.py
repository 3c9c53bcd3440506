"""The activity ledger as it is read: filtered, newest first, each row with its place in the chain if it has one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_

from models.activity import Activity, ActivitySeal
from services import plain
from services.paging import Order, Page, PageRequest, paged
from services.refusals import BadUserInput
from services.work import Work

LONGEST_PREFIX = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are wanted; what is None does not narrow. `act` and `reason` are beginnings."""

    since: datetime | None = None
    until: datetime | None = None
    actor_id: UUID | None = None
    act: str | None = None
    subject_kind: str | None = None
    subject_id: UUID | None = None
    reason: str | None = None

    def told(self) -> dict[str, str]:
        """Return what narrows, for the ledger row of an export and for the file's first line."""
        given = {
            "from": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "actor": self.actor_id and str(self.actor_id),
            "act": self.act,
            "subject_kind": self.subject_kind,
            "subject_id": self.subject_id and str(self.subject_id),
            "reason": self.reason,
        }
        return {name: value for name, value in given.items() if value is not None}


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    """Return a filter as conditions whose comparisons are leakproof, so that row policies do not disable indexes."""
    row = Activity
    for text in (wanted.act, wanted.reason, wanted.subject_kind):
        if text is not None and (len(text) > LONGEST_PREFIX or "\x00" in text):
            raise BadUserInput(f"A text of the filter has at most {LONGEST_PREFIX} characters, none of them NUL.")
    found: list[ColumnElement[bool] | None] = [
        None if wanted.since is None else row.at >= wanted.since,
        None if wanted.until is None else row.at < wanted.until,
        None if wanted.actor_id is None else row.actor_id == wanted.actor_id,
        None if wanted.act is None else func.starts_with(row.act, wanted.act),
        None if wanted.subject_kind is None else row.subject_kind == wanted.subject_kind,
        None if wanted.subject_id is None else row.subject_id == wanted.subject_id,
        None if wanted.reason is None else func.starts_with(func.coalesce(row.reason, ""), wanted.reason),
    ]
    return [one for one in found if one is not None]


def _statement() -> Select[Any]:
    sealed = and_(ActivitySeal.tenant_id == Activity.tenant_id, ActivitySeal.id == Activity.id)
    columns = [*plain.columns(Activity), ActivitySeal.position, ActivitySeal.hash]
    return cast("Select[Any]", select(*columns).outerjoin(ActivitySeal, sealed))


def _shown(values: Sequence[Any]) -> SimpleNamespace:
    shown = cast("Any", plain.row(Activity, values[:-2]))
    shown.position, shown.hash = values[-2:]
    return shown


async def listed(work: Work, wanted: Filter, page: PageRequest) -> Page[Any]:
    """List rows of the tenant's ledger, the newest first, in the order in which they are sealed."""
    statement = _statement().where(*conditions(wanted))
    orders = [Order(Activity.xid, descending=True), Order(Activity.id, descending=True)]
    found = await paged(work, statement, orders, page)
    return replace(found, rows=[_shown(values) for values in found.rows])


async def of_subjects(work: Work, subjects: Select[Any], page: PageRequest) -> Page[Any]:
    """List rows about any of these subjects, a selection of kind and id, the newest first."""
    told = tuple_(Activity.subject_kind, Activity.subject_id).in_(subjects)
    orders = [Order(Activity.xid, descending=True), Order(Activity.id, descending=True)]
    found = await paged(work, _statement().where(told), orders, page)
    return replace(found, rows=[_shown(values) for values in found.rows])


async def by_id(work: Work, row_id: UUID) -> Any:
    """Return one row; None when there is none to be seen."""
    rows = await work.rows(_statement().where(Activity.id == row_id))
    return _shown(rows[0]) if rows else None
