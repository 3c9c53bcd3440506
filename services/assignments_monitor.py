"""The monitor: one row per recipient of an assignment, from counters and the clock, never from events (domain.md 5).

The bucket is computed in SQL only, so that what a row shows, what a filter finds and what is counted cannot differ.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Subquery,
    Text,
    Uuid,
    and_,
    any_,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import aliased

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget, Invitation, InvitationStatus
from models.identity import User
from models.sessions import DeliverySession, SessionState
from models.submissions import ScoreVersion, Submission
from services import assignments_policy, invitations, plain, sessions_status
from services.invitations import Invited
from services.paging import Listing, Order, Page, PageRequest, listed
from services.prepared import Forms, given
from services.security import LockdownBrowser, Proctoring, SecurityLevel
from services.sessions_status import DisplayStatus
from services.work import Work

LARGEST_PAGE: Final = 200
LONGEST_SEARCH: Final = 254

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_AHEAD: Final = datetime(9999, 1, 1, tzinfo=UTC)


class Bucket(StrEnum):
    """How far a recipient has come."""

    INVITED = "invited"
    STARTED = "started"
    COMPLETED = "completed"
    EXPIRED = "expired"


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
    """Which rows are wanted; what is None does not narrow. `search` is the beginning of a name or an address."""

    buckets: Sequence[Bucket] | None = None
    display_status: Sequence[DisplayStatus] | None = None
    high_stakes_only: bool = False
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient: their newest invitation, their latest attempt if there is one, and what both mean at `as_of`."""

    target_id: UUID
    user: User
    invitation: Invitation
    session: DeliverySession | None
    bucket: Bucket
    security_level: SecurityLevel
    as_of: datetime

    @property
    def display_status(self) -> DisplayStatus | None:
        """What the latest attempt is shown as; None before the first."""
        return None if self.session is None else sessions_status.status_of(self.session, self.as_of)

    @property
    def invited(self) -> Invited:
        """The newest invitation with what became of it; the latest attempt may be an older one's."""
        own = self.session if self.session is not None and self.session.invitation_id == self.invitation.id else None
        return Invited(self.invitation, own, invitations.standing(self.invitation, own, self.as_of))

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
) -> Page[Row]:
    """Return one page of an assignment's monitor; each order is a column and whether it descends.

    `planned` is the security level for those who have not started: a session keeps the one that was frozen into it.
    """
    form = (_shape(wanted, planned), tuple(orders))
    values: dict[str, Any] = {"assignment_id": assignment_id}
    if wanted.search:
        values["search"] = _beginning(wanted.search.strip())
        values["folded"] = values["search"].casefold()
    listing = Listing(
        _FORMS, form, lambda: _keys(wanted, planned, orders), _orders(tuple(orders)), values, widen=_widened
    )
    found = await listed(work, listing, page)
    shown = [_row(record, planned, as_of) for record in found.rows]
    return Page(shown, found.cursors, found.has_next, found.has_previous, found.total)


def is_whole(wanted: Filter) -> bool:
    """Tell whether a filter leaves every recipient in, so that the list is as long as the buckets together."""
    return wanted.buckets is None and wanted.display_status is None and not (wanted.high_stakes_only or wanted.search)


_FORMS: Final = Forms()
_BY_PERSON: Final = frozenset({MonitorOrder.EMAIL, MonitorOrder.NAME})


def _shape(wanted: Filter, planned: SecurityLevel) -> Hashable:
    """Return all of a filter that decides the text of the statement."""
    buckets = None if wanted.buckets is None else tuple(wanted.buckets)
    statuses = None if wanted.display_status is None else tuple(wanted.display_status)
    return buckets, statuses, wanted.high_stakes_only and planned, bool(wanted.search)


def _keys(wanted: Filter, planned: SecurityLevel, orders: Sequence[tuple[MonitorOrder, bool]]) -> Select[Any]:
    """Select the recipients that are wanted; attempts are looked at only where filter or order speak of them."""
    target = AssignmentTarget
    by_person = all(column in _BY_PERSON for column, _ in orders)
    narrowed = wanted.buckets is not None or wanted.display_status is not None or wanted.high_stakes_only
    selected = (
        cast("Select[Any]", select(target.id.label("target_id")).join(User, User.id == target.user_id))
        if by_person and not narrowed
        else _recipients(target.id.label("target_id"))
    )
    return selected.where(target.assignment_id == given("assignment_id"), *_conditions(wanted, planned))


def _widened(page: Subquery) -> Select[Any]:
    """Select what is shown of the recipients of a page."""
    shown_of = (User, Invitation, DeliverySession)
    columns = (column for one in shown_of for column in plain.columns(one))
    of_it = given("assignment_id")
    named = (Assignment.id, AssignmentTarget.assignment_id, Invitation.assignment_id)
    return (
        _recipients(AssignmentTarget.id, _bucket(), *columns)
        .join(page, page.c.target_id == AssignmentTarget.id)
        .where(*(column == of_it for column in named))
    )


@lru_cache(maxsize=256)
def _orders(orders: Sequence[tuple[MonitorOrder, bool]]) -> list[Order]:
    sorting = [Order(_column(column), descending=descending) for column, descending in orders] or [Order(User.email)]
    return [*sorting, Order(AssignmentTarget.id)]


def _beginning(search: str) -> str:
    """Return the pattern for what begins so."""
    return search.replace("/", "//").replace("%", "/%").replace("_", "/_") + "%"


def _row(values: Sequence[Any], planned: SecurityLevel, as_of: datetime) -> Row:
    """Take a selected row apart: target, bucket, and the columns of person, invitation and session."""
    to_person = 2 + len(plain.columns(User))
    to_invitation = to_person + len(plain.columns(Invitation))
    session = plain.row(DeliverySession, values[to_invitation:])
    known = None if cast("UUID | None", session.id) is None else session
    return Row(
        values[0],
        plain.row(User, values[2:to_person]),
        plain.row(Invitation, values[to_person:to_invitation]),
        known,
        Bucket(values[1]),
        _level(known, planned),
        as_of,
    )


async def counts(work: Work, assignment_ids: Sequence[UUID]) -> dict[UUID, dict[Bucket, int]]:
    """Return how many recipients of each assignment are in each bucket."""
    found: dict[UUID, dict[Bucket, int]] = {one: dict.fromkeys(Bucket, 0) for one in assignment_ids}
    statement = _FORMS.of("counts", _counted)
    for record in await statement.fetch(work, {"assignment_ids": list(assignment_ids)}):
        found[record["assignment_id"]][Bucket(record["bucket"])] = record["number"]
    return found


def _counted() -> Select[Any]:
    """Count recipients by bucket; newest invitations and latest attempts are each found in one pass."""
    ids = given("assignment_ids", ARRAY(Uuid()))
    invitation, session = (
        _last(Invitation, Invitation.ordinal, ids),
        _last(DeliverySession, DeliverySession.attempt, ids),
    )
    target = AssignmentTarget
    bucket = _bucket(invitation, session)
    invited = and_(invitation.assignment_id == target.assignment_id, invitation.user_id == target.user_id)
    attempted = and_(session.assignment_id == target.assignment_id, session.user_id == target.user_id)
    each = (
        select(target.assignment_id.label("assignment_id"), bucket)
        .join(Assignment, Assignment.id == target.assignment_id)
        .join(invitation, invited)
        .outerjoin(session, attempted)
        .where(target.assignment_id == any_(ids))
        .subquery()
    )
    keys = (each.c.assignment_id, each.c.bucket)
    return cast("Select[Any]", select(*keys, func.count().label("number")).group_by(*keys))


def _last(model: Any, number: Any, assignment_ids: BindParameter[Any]) -> Any:
    """Return the row with the highest number of each recipient, under the name of its table."""
    chosen = (
        select(*plain.columns(model))
        .where(model.assignment_id == any_(assignment_ids))
        .ext(distinct_on(model.assignment_id, model.user_id))
        .order_by(model.assignment_id, model.user_id, number.desc())
        .subquery(model.__tablename__)
    )
    return aliased(model, chosen, name=model.__tablename__)


async def outcomes(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the newest outcome of each session that was handed in."""
    newest = and_(
        ScoreVersion.submission_id == Submission.id,
        ScoreVersion.number == Submission.latest_score_version,
    )
    wanted = select(Submission.session_id, ScoreVersion.outcome).join(ScoreVersion, newest)
    return {
        row.session_id: row.outcome for row in await work.rows(wanted.where(Submission.session_id.in_(session_ids)))
    }


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


def _bucket(invitation: Any = Invitation, session: Any = DeliverySession) -> ColumnElement[str]:
    """Decide the bucket: by the latest attempt, and before the first one by invitation and window."""
    now, state = func.evalium_now(), session.state
    shut = or_(
        invitation.status == InvitationStatus.REVOKED,
        invitation.expires_at <= now,
        Assignment.status != AssignmentStatus.ACTIVE,
        func.coalesce(Assignment.valid_until <= now, literal(value=False)),
    )
    ended = or_(state.in_([SessionState.EXPIRED, SessionState.TERMINATED]), sessions_status.due(session))
    return case(
        (and_(session.id.is_(None), shut), literal(Bucket.EXPIRED)),
        (session.id.is_(None), literal(Bucket.INVITED)),
        (state == SessionState.SUBMITTED, literal(Bucket.COMPLETED)),
        (ended, literal(Bucket.EXPIRED)),
        else_=literal(Bucket.STARTED),
    ).label("bucket")


def _level(session: DeliverySession | None, planned: SecurityLevel) -> SecurityLevel:
    return planned if session is None else assignments_policy.frozen_level(session)


def _conditions(wanted: Filter, planned: SecurityLevel) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.buckets is not None:
        conditions.append(_bucket().in_(wanted.buckets))
    if wanted.display_status is not None:
        conditions.append(sessions_status.shown_as_any(wanted.display_status))
    if wanted.high_stakes_only:
        frozen, unstarted = DeliverySession.policy["security"]["value"], DeliverySession.id.is_(None)
        by_browser = frozen["lockdown_browser"].astext == LockdownBrowser.REQUIRED
        by_person = frozen["proctoring"].astext == Proctoring.LIVE
        started = or_(by_browser, by_person)
        conditions.append(or_(unstarted, started) if planned is SecurityLevel.HIGH_STAKES else started)
    if wanted.search:
        named = func.lower(User.display_name).like(func.lower(given("search", Text())), escape="/")
        conditions.append(or_(User.email.like(given("folded", Text()), escape="/"), named))
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
