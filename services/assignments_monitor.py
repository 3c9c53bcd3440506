"""The monitor: one row per recipient of an assignment, from counters and the clock, never from events (domain.md 5)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from models.assignments import Assignment, AssignmentTarget, Invitation, TargetKind
from models.identity import User
from models.sessions import DeliverySession
from services import (
    assignments_buckets,
    assignments_changes,
    assignments_groups,
    assignments_policy,
    invitations,
    people_search,
    plain,
    sessions_status,
)
from services.assignments_buckets import Bucket
from services.assignments_changes import Since
from services.invitations import Invited
from services.paging import Listing, Order, Page, PageRequest, listed
from services.prepared import Forms, given
from services.security import LockdownBrowser, Proctoring, SecurityLevel
from services.sessions_status import DisplayStatus
from services.work import Work

LARGEST_PAGE: Final = 200
LONGEST_SEARCH: Final = 254
MOST_GONE: Final = 1000
"""How many rows may have left a list between two looks at it, before it has to be read anew."""

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_AHEAD: Final = datetime(9999, 1, 1, tzinfo=UTC)


class MonitorOrder(StrEnum):
    """By what the monitor's rows can be sorted."""

    EMAIL = "email"
    NAME = "name"
    LAST_ACTIVITY_AT = "last_activity_at"
    DEADLINE_AT = "deadline_at"
    FOCUS_LOST_COUNT = "focus_lost_count"
    ANSWERED_COUNT = "answered_count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows are wanted; what is None does not narrow. `search` is the beginning of a name or an address.

    `since` leaves only rows that may have changed after it: never one too few, sometimes one too many.
    """

    buckets: Sequence[Bucket] | None = None
    display_status: Sequence[DisplayStatus] | None = None
    high_stakes_only: bool = False
    search: str | None = None
    since: Since | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient: their newest invitation, their latest attempt if there is one, and what both mean at `as_of`."""

    target_id: UUID
    user: User
    invitation_values: Sequence[Any]
    """Empty of a brief row."""
    session: DeliverySession | None
    bucket: Bucket
    security_level: SecurityLevel
    as_of: datetime

    @property
    def display_status(self) -> DisplayStatus | None:
        """What the latest attempt is shown as; None before the first."""
        return None if self.session is None else sessions_status.status_of(self.session, self.as_of)

    @property
    def invitation(self) -> Invitation:
        """The newest invitation; made of its columns when it is asked for, which few lists do."""
        return plain.row(Invitation, self.invitation_values)

    @property
    def invited(self) -> Invited:
        """The newest invitation with what became of it; the latest attempt may be an older one's."""
        invitation = self.invitation
        own = self.session if self.session is not None and self.session.invitation_id == invitation.id else None
        return Invited(invitation, own, invitations.standing(invitation, own, self.as_of))

    @property
    def seconds_remaining(self) -> int | None:
        """Whole seconds that the candidate has left, never negative; None before the start and after the end."""
        return None if self.session is None else sessions_status.seconds_remaining(self.session, self.as_of)


async def rows(
    work: Work,
    assignment_id: UUID,
    planned: SecurityLevel,
    wanted: Filter,
    orders: Sequence[tuple[MonitorOrder, bool]],
    page: PageRequest,
    as_of: datetime,
    *,
    brief: bool = False,
) -> Page[Row]:
    """Return one page of an assignment's monitor; each order is a column and whether it descends.

    `planned` is the security level for those who have not started: a session keeps the one that was frozen into it.
    Brief rows have no invitation, and of their session only what `sessions_status.BRIEF` names.
    """
    form = (_shape(wanted, planned), tuple(orders), brief)
    values = _values(assignment_id, wanted)
    sorting = _orders(tuple(orders), is_found_first=_is_found_first(wanted, orders))
    listing = Listing(
        _FORMS,
        form,
        lambda: _keys(wanted, planned, orders),
        sorting,
        values,
        _BRIEF.widened if brief else _FULL.widened,
    )
    found = await listed(work, listing, page)
    taken = (_BRIEF if brief else _FULL).row
    shown = [taken(record, planned, as_of) for record in found.rows]
    return Page(shown, found.cursors, found.has_next, found.has_previous, found.total)


async def gone(work: Work, assignment_id: UUID, planned: SecurityLevel, wanted: Filter) -> list[UUID]:
    """Return which of the rows that changed since `wanted.since` are not in the list, up to one more than is told."""
    form = ("gone", _shape(wanted, planned))
    statement = _FORMS.of(form, lambda: _gone(wanted, planned))
    return [record[0] for record in await statement.fetch(work, _values(assignment_id, wanted))]


def _gone(wanted: Filter, planned: SecurityLevel) -> Select[Any]:
    target = AssignmentTarget
    listed_now = and_(is_shown(), *_conditions(wanted, planned))
    return (
        _recipients(target.id)
        .where(target.assignment_id == given("assignment_id"), assignments_changes.since(assignments_buckets.now()))
        .where(~func.coalesce(listed_now, literal(value=False)))
        .order_by(target.id)
        .limit(MOST_GONE + 1)
    )


def _values(assignment_id: UUID, wanted: Filter) -> dict[str, Any]:
    """Return the values that the statements of a filter are given."""
    values: dict[str, Any] = {"assignment_id": assignment_id}
    if wanted.search:
        values |= people_search.values(wanted.search)
    if wanted.since is not None:
        values |= wanted.since.values()
    return values


def is_whole(wanted: Filter) -> bool:
    """Tell whether a filter leaves every recipient in, so that the list is as long as the buckets together."""
    narrow = wanted.high_stakes_only or wanted.search or wanted.since is not None
    return wanted.buckets is None and wanted.display_status is None and not narrow


_FORMS: Final = Forms()
_BY_PERSON: Final = frozenset({MonitorOrder.EMAIL, MonitorOrder.NAME})


def _shape(wanted: Filter, planned: SecurityLevel) -> Hashable:
    """Return all of a filter that decides the text of the statement."""
    buckets = None if wanted.buckets is None else tuple(wanted.buckets)
    statuses = None if wanted.display_status is None else tuple(wanted.display_status)
    return buckets, statuses, wanted.high_stakes_only and planned, bool(wanted.search), wanted.since is not None


def _keys(wanted: Filter, planned: SecurityLevel, orders: Sequence[tuple[MonitorOrder, bool]]) -> Select[Any]:
    """Select the recipients that are wanted; attempts are looked at only where filter or order speak of them."""
    if _is_found_first(wanted, orders):
        first = _found_first()
        people: Select[Any] = select(first.id.label("target_id")).join(User, User.id == first.user_id)
        return people.where(is_shown(first), *_conditions(wanted, planned))
    target = AssignmentTarget
    changed = [] if wanted.since is None else [assignments_changes.since(assignments_buckets.now())]
    listed_now = (is_shown(), *_conditions(wanted, planned))
    selected = _recipients(target.id.label("target_id"))
    return selected.where(target.assignment_id == given("assignment_id"), *changed, *listed_now)


def _is_found_first(wanted: Filter, orders: Sequence[tuple[MonitorOrder, bool]]) -> bool:
    """Tell whether filter and order speak of nothing but the recipients and who they are."""
    narrowed = wanted.buckets is not None or wanted.display_status is not None or wanted.high_stakes_only
    return not narrowed and wanted.since is None and all(column in _BY_PERSON for column, _ in orders)


@cache
def _found_first() -> Any:
    """Return the assignment's recipients, read before anything is joined to them.

    Below row-level security the planner expects five people in a tenant, and would look for each of all its people
    among the recipients.
    """
    target = AssignmentTarget
    columns = (target.tenant_id, target.id, target.assignment_id, target.user_id, target.kind)
    own = select(*columns).where(target.assignment_id == given("assignment_id"))
    return aliased(target, own.cte("recipients").prefix_with("MATERIALIZED"))


def is_shown(target: Any = AssignmentTarget) -> ColumnElement[bool]:
    """Leave out who left the group that they were invited with before they began."""
    began = exists().where(
        DeliverySession.assignment_id == target.assignment_id,
        DeliverySession.user_id == target.user_id,
    )
    through_a_group = or_(assignments_groups.still_addressed(target), began.correlate(target))
    return case((target.kind != TargetKind.GROUP, literal(value=True)), else_=through_a_group)


@dataclass(frozen=True)
class _Width:
    """How much is read of each recipient of a page."""

    invitation: plain.Only
    session: plain.Only

    def widened(self, page: Subquery) -> Select[Any]:
        """Select what is shown of the recipients of a page."""
        columns = (
            *plain.columns(User),
            *plain.columns(Invitation, self.invitation),
            *plain.columns(DeliverySession, self.session),
        )
        of_it = given("assignment_id")
        named = (Assignment.id, AssignmentTarget.assignment_id, Invitation.assignment_id)
        return (
            _recipients(AssignmentTarget.id, assignments_buckets.bucket(), *columns)
            .join(page, page.c.target_id == AssignmentTarget.id)
            .where(*(column == of_it for column in named))
        )

    @cached_property
    def _bounds(self) -> tuple[int, int]:
        """Return where the columns of the person end, and those of the invitation."""
        to_person = 2 + len(plain.columns(User))
        return to_person, to_person + len(plain.columns(Invitation, self.invitation))

    def row(self, values: Sequence[Any], planned: SecurityLevel, as_of: datetime) -> Row:
        """Take a selected row apart: target, bucket, and the columns of person, invitation and session."""
        to_person, to_invitation = self._bounds
        session = plain.row(DeliverySession, values[to_invitation:], self.session)
        known = None if cast("UUID | None", session.id) is None else session
        return Row(
            values[0],
            plain.row(User, values[2:to_person]),
            values[to_person:to_invitation],
            known,
            Bucket(values[1]),
            _level(known, planned),
            as_of,
        )


_FULL: Final = _Width(None, None)
_BRIEF: Final = _Width(frozenset(), sessions_status.BRIEF)


@lru_cache(maxsize=256)
def _orders(orders: Sequence[tuple[MonitorOrder, bool]], *, is_found_first: bool) -> list[Order]:
    target = _found_first() if is_found_first else AssignmentTarget
    sorting = [Order(_column(column), descending=descending) for column, descending in orders] or [Order(User.email)]
    return [*sorting, Order(target.id)]


def _recipients(*columns: Any) -> Select[Any]:
    """Select from recipients with their newest invitation and their latest attempt, each found by its own index."""
    target, session = AssignmentTarget, DeliverySession
    later_invitation, later_session = aliased(Invitation), aliased(DeliverySession)
    newest = (
        select(func.max(later_invitation.ordinal))
        .where(later_invitation.assignment_id == target.assignment_id, later_invitation.user_id == target.user_id)
        .scalar_subquery()
    )
    latest = (
        select(func.max(later_session.attempt))
        .where(later_session.assignment_id == target.assignment_id, later_session.user_id == target.user_id)
        .scalar_subquery()
    )
    invited = and_(
        Invitation.assignment_id == target.assignment_id,
        Invitation.user_id == target.user_id,
        Invitation.ordinal == newest,
    )
    attempted = and_(
        session.assignment_id == target.assignment_id,
        session.user_id == target.user_id,
        session.attempt == latest,
    )
    selected = (
        select(*columns)
        .select_from(target)
        .join(Assignment, Assignment.id == target.assignment_id)
        .join(User, User.id == target.user_id)
        .join(Invitation, invited)
        .outerjoin(session, attempted)
    )
    return cast("Select[Any]", selected)


def _level(session: DeliverySession | None, planned: SecurityLevel) -> SecurityLevel:
    return planned if session is None else assignments_policy.frozen_level(session)


def _conditions(wanted: Filter, planned: SecurityLevel) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.buckets is not None:
        conditions.append(assignments_buckets.bucket().in_(wanted.buckets))
    if wanted.display_status is not None:
        conditions.append(sessions_status.shown_as_any(wanted.display_status))
    if wanted.high_stakes_only:
        frozen, unstarted = DeliverySession.policy["security"]["value"], DeliverySession.id.is_(None)
        by_browser = frozen["lockdown_browser"].astext == LockdownBrowser.REQUIRED
        by_person = frozen["proctoring"].astext == Proctoring.LIVE
        started = or_(by_browser, by_person)
        conditions.append(or_(unstarted, started) if planned is SecurityLevel.HIGH_STAKES else started)
    if wanted.search:
        conditions.append(people_search.found())
    return conditions


def _column(order: MonitorOrder) -> ColumnElement[Any]:
    """Return what is sorted by; where there is no attempt yet, the value that sorts last in the usual direction."""
    session = DeliverySession
    columns: dict[MonitorOrder, ColumnElement[Any]] = {
        MonitorOrder.EMAIL: User.email.expression,
        MonitorOrder.NAME: User.display_name.expression,
        MonitorOrder.LAST_ACTIVITY_AT: func.coalesce(session.last_activity_at, _LONG_AGO),
        MonitorOrder.DEADLINE_AT: func.coalesce(session.deadline_at, _FAR_AHEAD),
        MonitorOrder.FOCUS_LOST_COUNT: func.coalesce(session.focus_lost_count, 0),
        MonitorOrder.ANSWERED_COUNT: func.coalesce(session.answered_count, 0),
    }
    return columns[order]
