"""A person's own assignments: what is addressed to them, how far they are, and what they can know of the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from models.assignments import Assignment, AssignmentStatus, AssignmentTarget, Invitation, InvitationStatus
from models.authoring import EvaluationVersion
from models.programmes_enrolments import ProgrammeAttempt
from models.sessions import DeliverySession
from services import assignments_monitor, assignments_policy, invitations, plain, results, sessions_status
from services.paging import Order, Page, PageRequest, paged
from services.policy import Policy, Unlimited
from services.results import Known, ResultState
from services.sessions_status import DisplayStatus
from services.work import Work

M = TypeVar("M", DeliverySession, Invitation)

_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_RUNNING: Final = frozenset({DisplayStatus.CREATED, DisplayStatus.LIVE, DisplayStatus.IDLE, DisplayStatus.PAUSED})


class OwnState(StrEnum):
    """What a person can do with an assignment of theirs; each is exactly one of these."""

    SCHEDULED = "scheduled"
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Own:
    """An assignment with the limits that hold for its person, their newest session, and what they know of its result.

    `used` counts their sessions; without one, nothing was handed in.
    """

    assignment: Assignment
    limits: Policy
    session: DeliverySession | None
    used: int
    known: Known
    invitation: InvitationStatus | None
    state: OwnState

    @property
    def opens_at(self) -> datetime | None:
        """When it opens for them; None when it always was open."""
        return _bound(self.limits.window_from.value)

    @property
    def closes_at(self) -> datetime | None:
        """When it closes for them; None when it never does."""
        return _bound(self.limits.window_until.value)


async def standalone(work: Work, user_id: UUID, page: PageRequest, *, is_closed: bool | None) -> Page[Own]:
    """List a person's assignments that no programme has issued, by when they close; those that never do come last."""
    closes = func.coalesce(Assignment.valid_until, _NEVER)
    found = await paged(work, _addressed(user_id, is_closed=is_closed), [Order(closes), Order(Assignment.id)], page)
    shown = await by_ids(work, user_id, found.rows)
    rows = [shown[one] for one in found.rows if one in shown]
    return Page(rows, found.cursors, found.has_next, found.has_previous, found.total)


def _addressed(user_id: UUID, *, is_closed: bool | None) -> Select[Any]:
    """Select what is addressed to a person: they were invited and still may come, or have begun."""
    target = AssignmentTarget
    of_it = (target.assignment_id == Assignment.id, target.user_id == user_id)
    mine = (Invitation.assignment_id == Assignment.id, Invitation.user_id == user_id)
    begun = exists().where(DeliverySession.assignment_id == Assignment.id, DeliverySession.user_id == user_id)
    invited = or_(exists().where(*mine, Invitation.status != InvitationStatus.REVOKED), begun)
    wanted = select(Assignment.id).join(target, and_(*of_it)).where(invited, assignments_monitor.is_shown())
    wanted = wanted.where(~exists().where(ProgrammeAttempt.assignment_id == Assignment.id))
    if is_closed is None:
        return wanted
    over = func.coalesce(Assignment.valid_until <= func.evalium_now(), False)
    closed = or_(Assignment.status == AssignmentStatus.CLOSED, over)
    return wanted.where(closed if is_closed else ~closed)


async def by_ids(work: Work, user_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Own]:
    """Return these assignments as their person sees them; as many statements for one as for many."""
    if not ids:
        return {}
    rows, now = await plain.by(work, Assignment, "id", ids), await plain.now(work)
    of_them = await plain.by(work, EvaluationVersion, "id", list({row.evaluation_version_id for row in rows}))
    versions = {one.id: one for one in of_them}
    limits = await assignments_policy.of_one_person(work, user_id, rows, versions)
    sessions = await _of(work, DeliverySession, DeliverySession.attempt, user_id, ids)
    invited = await _of(work, Invitation, Invitation.ordinal, user_id, ids)
    known = await results.of_sessions(work, [found[-1] for found in sessions.values()])
    return {
        row.id: _own(
            row,
            limits[row.id],
            sessions.get(row.id, ()),
            invited.get(row.id, ()),
            known,
            now,
        )
        for row in rows
    }


async def _of(
    work: Work, model: type[M], number: InstrumentedAttribute[int], user_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, list[M]]:
    """Return a person's sessions or invitations of these assignments, as they are numbered."""
    wanted = select(*plain.columns(model)).where(model.assignment_id.in_(ids), model.user_id == user_id)
    found: dict[UUID, list[M]] = {}
    for record in await work.rows(wanted.order_by(number)):
        row = plain.row(model, record)
        found.setdefault(row.assignment_id, []).append(row)
    return found


def _own(
    row: Assignment,
    limits: Policy,
    sessions: Sequence[DeliverySession],
    invited: Sequence[Invitation],
    known: Mapping[UUID, Known],
    now: datetime,
) -> Own:
    newest = sessions[-1] if sessions else None
    invitation = _standing(invited[-1], sessions, now) if invited else None
    state = _state(row, limits, newest, invitation, now)
    told = Known(ResultState.NOT_HANDED_IN) if newest is None else known[newest.id]
    return Own(row, limits, newest, len(sessions), told, invitation, state)


def _standing(invitation: Invitation, sessions: Sequence[DeliverySession], now: datetime) -> InvitationStatus:
    own = next((one for one in sessions if one.id == invitation.session_id), None)
    return invitations.standing(invitation, own, now)


def _state(
    row: Assignment,
    limits: Policy,
    session: DeliverySession | None,
    invitation: InvitationStatus | None,
    now: datetime,
) -> OwnState:
    """Return what a person can do now: go on, begin, begin later, or nothing more."""
    if session is not None and sessions_status.status_of(session, now) in _RUNNING:
        return OwnState.IN_PROGRESS
    opens, closes = _bound(limits.window_from.value), _bound(limits.window_until.value)
    is_over = row.status != AssignmentStatus.ACTIVE or (closes is not None and now >= closes)
    if is_over or invitation is not InvitationStatus.SENT:
        return OwnState.CLOSED if session is None else OwnState.DONE
    return OwnState.SCHEDULED if opens is not None and now < opens else OwnState.OPEN


def _bound(value: datetime | Unlimited) -> datetime | None:
    return None if isinstance(value, Unlimited) else value
