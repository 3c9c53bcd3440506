"""Sessions: opened by redeem, started by the candidate, read by both sides (domain.md section 6).

An act on a session begins with `hold`, decides on the database's clock, then writes row, counters and events in one
transaction. Answers, telemetry, handing in and expiry are `sessions_answers`, `sessions_events`, `submissions` and
`sessions_expiry`.
"""

import secrets
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, Subquery, Uuid, and_, any_, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from models.assignments import Assignment, Invitation
from models.attention import AttentionLevel
from models.base import uuid7
from models.identity import User
from models.lockdown import LockdownState
from models.sessions import DeliverySession, EventKind, SessionPaper, SessionState
from services import (
    deadlines,
    lockdown,
    lockdown_probe,
    paging,
    people_search,
    plain,
    rooms,
    sessions_attention,
    sessions_paper,
    sessions_policy,
    sessions_status,
)
from services import policy as policies
from services.idempotency import Answer
from services.paging import Listing, Order, Page, PageRequest
from services.prepared import Forms, given
from services.sessions_events import append
from services.sessions_hold import drifted, hold, over
from services.sessions_sheet import Happening
from services.sessions_status import DisplayStatus, due, is_over, shown_as_any
from services.work import Work

__all__ = [
    "Filter",
    "SessionOrder",
    "SortedBy",
    "by_ids",
    "hold",
    "in_company",
    "listed",
    "open_session",
    "papers",
    "start",
]


async def open_session(
    work: Work,
    *,
    assignment: Assignment,
    invitation: Invitation,
    policy: dict[str, Any],
    policy_rows: list[dict[str, Any]],
    attempt: int,
    window_until: datetime | None,
    grace_seconds: int,
) -> DeliverySession:
    """Create a session with its frozen policy and its own paper, drawn from a fresh seed that the row keeps.

    Part of redeeming: it runs in that transaction, behind its locks, with the rights of the system, because whoever
    redeems may not read what a paper is drawn from. Until the start, the deadline is the close of the window.
    """
    seed = secrets.randbits(63)
    paper = await sessions_paper.draw(work, assignment.evaluation_version_id, seed)
    is_high_stakes, focus_loss_limit = sessions_policy.supervised(policies.from_json(policy))
    session = DeliverySession(
        id=uuid7(),
        org_unit_id=assignment.org_unit_id,
        tenant_id=assignment.tenant_id,
        assignment_id=assignment.id,
        invitation_id=invitation.id,
        evaluation_version_id=assignment.evaluation_version_id,
        user_id=invitation.user_id,
        room_id=await rooms.room_of(work, assignment.id, invitation.user_id),
        attempt=attempt,
        state=SessionState.CREATED,
        seed=seed,
        policy=policy,
        policy_rows=policy_rows,
        grace_seconds=grace_seconds,
        window_until=window_until,
        deadline_at=window_until,
        item_count=len(paper.items),
        answered_count=0,
        focus_lost_count=0,
        tab_switch_count=0,
        paste_count=0,
        disconnect_count=0,
        disconnected_seconds=0,
        is_high_stakes=is_high_stakes,
        focus_loss_limit=focus_loss_limit,
        attention_level=AttentionLevel.NONE,
        paused_seconds=0,
        probe_failed_count=0,
        event_seq=0,
        version=0,
    )
    work.session.add(session)
    await work.session.flush()
    work.session.add(
        SessionPaper(
            id=session.id,
            org_unit_id=session.org_unit_id,
            session_id=session.id,
            title=paper.title,
            instructions=paper.instructions,
            items=paper.items,
        ),
    )
    created = Happening(EventKind.CREATED, {"attempt": attempt})
    await append(work, session, [created], at=await work.now(), actor_id=session.user_id)
    return session


async def start(work: Work, session_id: UUID) -> Answer:
    """Start the clock; starting again answers the same. Refuses a session that is over or was handed in.

    One whose lockdown browser is not verified is refused, or starts with an exception, as its policy says. It needs
    rights that reach the ledger: the work is the candidate's, elevated, and the id comes from the verified token.
    """
    session = await hold(work, session_id)
    now = await work.now()
    if session.state == SessionState.EXPIRED or is_over(session, now):
        raise over(session, now)
    if session.state not in {SessionState.CREATED, SessionState.ACTIVE}:
        raise drifted(session)
    if session.state == SessionState.CREATED:
        exceptions = lockdown_probe.admit(work, session, now)
        session.state = SessionState.ACTIVE
        session.started_at = session.last_activity_at = now
        session.deadline_at = _deadline(session, now)
        sessions_attention.begin(session, now)
        session.version += 1
        started = [Happening(EventKind.STARTED), *exceptions]
        await append(work, session, started, at=now, actor_id=session.user_id)
    return {"session_id": str(session.id)}


def _deadline(session: DeliverySession, started_at: datetime) -> datetime | None:
    return deadlines.deadline(
        policies.from_json(session.policy).limits(),
        started_at=started_at,
        window_until=session.window_until,
        paused_seconds=session.paused_seconds,
    )


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, DeliverySession]:
    """Return the sessions with these ids, those that the viewer may see."""
    return {session.id: session for session in await plain.by(work, DeliverySession, "id", ids)}


Company = tuple[DeliverySession, Assignment | None, User | None]
"""A session with its assignment and its candidate, as far as the viewer may see them."""


async def in_company(work: Work, ids: Sequence[UUID]) -> dict[UUID, Company]:
    """Return the sessions with these ids that the viewer may see, with assignment and candidate, in one statement."""
    models = (DeliverySession, Assignment, User)
    statement = _FORMS.of("in company", _in_company)
    found: list[Company] = await plain.joined(work, statement, {"ids": list(ids)}, models)
    return {company[0].id: company for company in found}


def _in_company() -> Select[Any]:
    models = (DeliverySession, Assignment, User)
    statement = cast("Select[Any]", select(*(column for one in models for column in plain.columns(one)), plain.clock()))
    return (
        statement.select_from(DeliverySession)
        .outerjoin(Assignment, Assignment.id == DeliverySession.assignment_id)
        .outerjoin(User, User.id == DeliverySession.user_id)
        .where(DeliverySession.id == any_(given("ids", ARRAY(Uuid()))))
    )


async def papers(work: Work, session_ids: Sequence[UUID]) -> dict[UUID, SessionPaper]:
    """Return the papers of these sessions."""
    found = await work.session.scalars(select(SessionPaper).where(SessionPaper.session_id.in_(session_ids)))
    return {paper.session_id: paper for paper in found}


class SessionOrder(StrEnum):
    """By what sessions can be sorted."""

    CREATED_AT = "created_at"
    LAST_ACTIVITY_AT = "last_activity_at"
    ANSWERED_COUNT = "answered_count"
    FOCUS_LOST_COUNT = "focus_lost_count"
    ATTENTION_LEVEL = "attention_level"
    DEADLINE_AT = "deadline_at"
    CANDIDATE_NAME = "candidate_name"


@dataclass(frozen=True, slots=True)
class SortedBy:
    """One column of an order."""

    by: SessionOrder
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Which sessions are wanted; what is None does not narrow.

    `search` is the beginning of the candidate's name or address. `ended_within_seconds` leaves out what ended earlier;
    with 0 only what goes on is left.
    """

    assignment_id: UUID | None = None
    user_id: UUID | None = None
    run_label: str | None = None
    display_status: Sequence[DisplayStatus] | None = None
    lockdown: Sequence[LockdownState] | None = None
    attention: Sequence[AttentionLevel] | None = None
    room_id: UUID | None = None
    search: str | None = None
    is_high_stakes: bool | None = None
    ended_within_seconds: int | None = None


async def listed(
    work: Work,
    wanted: Filter,
    order: Sequence[SortedBy],
    page: PageRequest,
    *,
    brief: bool = False,
) -> Page[DeliverySession]:
    """List sessions of the viewer's org unit; without an order, the newest first. Brief: `sessions_status.BRIEF`."""
    only = sessions_status.BRIEF if brief else None
    sorting = tuple(order) or (_NEWEST_FIRST,)
    values, sets = parted(wanted)
    keys = cast("Select[Any]", select(DeliverySession.id.label("session_id")))
    form, widen = (tuple(values), sets, sorting, brief), partial(_widened, only)
    listing = Listing(_FORMS, form, lambda: narrowed(keys, values, sets), _orders(sorting), values, widen=widen)
    found = await paging.listed(work, listing, page)
    return replace(found, rows=[plain.row(DeliverySession, record, only) for record in found.rows])


def _widened(only: plain.Only, page: Subquery) -> Select[Any]:
    """Select the sessions of a page."""
    statement = cast("Select[Any]", select(*plain.columns(DeliverySession, only)))
    return statement.join(page, page.c.session_id == DeliverySession.id)


NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Where a session without an end stands among deadlines: behind all of them."""

_FORMS = Forms()
_NEWEST_FIRST = SortedBy(SessionOrder.CREATED_AT, descending=True)


Sets: TypeAlias = tuple[tuple[Any, ...] | None, tuple[Any, ...] | None, tuple[Any, ...] | None]
"""The closed sets of a filter, which are written into a statement: display status, lockdown browser, attention."""

_BY_VALUE: Final = (
    "assignment_id",
    "user_id",
    "run_label",
    "room_id",
    "is_high_stakes",
    "ended_within_seconds",
)


def parted(wanted: Filter) -> tuple[dict[str, Any], Sets]:
    """Part a filter into the values that a statement is given, and the sets that are written into it."""
    values = {name: value for name in _BY_VALUE if (value := getattr(wanted, name)) is not None}
    if wanted.search is not None and wanted.search.strip():
        values |= people_search.values(wanted.search)
    sets = (wanted.display_status, wanted.lockdown, wanted.attention)
    first, second, third = (None if one is None else tuple(one) for one in sets)
    return values, (first, second, third)


def narrowed(statement: Select[Any], wanted: Container[str], sets: Sets) -> Select[Any]:
    """Narrow a statement about sessions to what is wanted of them, each value to be given by its name."""
    row = DeliverySession
    for name in ("assignment_id", "room_id", "user_id", "is_high_stakes"):
        if name in wanted:
            statement = statement.where(getattr(row, name) == given(name))
    if "run_label" in wanted:
        labelled = select(Assignment.id).where(Assignment.run_label == given("run_label"))
        statement = statement.where(row.assignment_id.in_(labelled))
    if "search" in wanted:
        statement = statement.where(row.user_id.in_(select(User.id).where(people_search.found())))
    if "ended_within_seconds" in wanted:
        ago = func.evalium_now() - given("ended_within_seconds", Integer()) * text("interval '1 second'")
        # In two conditions, of which an index serves the first: what the second looks at may not be looked at before.
        # The upper bound, which always holds, tells the planner that few are between the two.
        lately = and_(row.ended_at > ago, row.ended_at <= func.evalium_now())
        statement = statement.where(or_(row.ended_at.is_(None), lately))
        statement = statement.where(or_(row.ended_at.is_not(None), func.coalesce(~due(), True)))
    shown, locked, attention = sets
    if locked is not None:
        statement = statement.where(lockdown.shown_as_any(locked))
    if attention is not None:
        statement = statement.where(sessions_attention.needing(attention))
    return statement if shown is None else statement.where(shown_as_any(shown))


@lru_cache(maxsize=256)
def _orders(sorting: Sequence[SortedBy]) -> list[Order]:
    orders = [Order(_column(one.by), descending=one.descending) for one in sorting]
    return [*orders, Order(DeliverySession.id, descending=orders[-1].descending)]


def _column(by: SessionOrder) -> ColumnElement[Any]:
    row = DeliverySession
    columns: dict[SessionOrder, Any] = {
        SessionOrder.CREATED_AT: row.created_at,
        SessionOrder.LAST_ACTIVITY_AT: func.coalesce(row.last_activity_at, row.created_at),
        SessionOrder.ANSWERED_COUNT: row.answered_count,
        SessionOrder.FOCUS_LOST_COUNT: row.focus_lost_count,
        SessionOrder.ATTENTION_LEVEL: sessions_attention.rank(),
        SessionOrder.DEADLINE_AT: func.coalesce(row.deadline_at, NEVER),
        SessionOrder.CANDIDATE_NAME: func.coalesce(
            select(User.display_name).where(User.id == row.user_id).correlate(row).scalar_subquery(), ""
        ),
    }
    return columns[by]
