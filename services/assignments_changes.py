"""What changed in a monitor, and whether anything did (domain.md sections 5 and 7).

A row of the monitor changes by an event of its session, by a write to something that the row is made of (invitation,
assignment, person, group, the tenant's limits), each marked with the transaction that did it, or by the clock alone.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, DateTime, Uuid, and_, exists, func, or_, select, text, tuple_

from models.assignments import Assignment, AssignmentGroup, AssignmentTarget, Invitation, TargetKind
from models.identity import Group, User
from models.policy import PolicyDefaults
from models.sessions import DeliverySession, SessionEvent, SessionState
from realtime import cursors
from realtime.cursors import Position
from services.prepared import given
from services.work import Work

_HEAD: Final = f"""
select evalium_now() as now, ({cursors.EPOCH_SQL}) as epoch,
 pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin,
 greatest(a.changed_xid,
  (select xid from session_events where assignment_id = $1 order by xid desc, id desc limit 1),
  (select changed_xid from invitations where assignment_id = $1 order by changed_xid desc limit 1),
  (select max(g.changed_xid) from assignment_groups s join groups g on g.id = s.group_id where s.assignment_id = $1),
  (select changed_xid from users where changed_xid is not null order by changed_xid desc limit 1),
  (select max(changed_xid) from policy_defaults)) as newest
from assignments a where a.id = $1"""  # noqa: S608 - a constant of ours
_TURN: Final = """
select min(turn) from (
 select deadline_at + case when started_at is null then 0 else grace_seconds end * interval '1 second' as turn
 from delivery_sessions where assignment_id = $1 and state in ('created', 'active')
 union all
 select coalesce(last_activity_at, started_at) + interval '1 microsecond'
  + (policy #>> '{idle_threshold_seconds,value}')::integer * interval '1 second'
 from delivery_sessions where assignment_id = $1 and state = 'active'
 union all select expires_at from invitations where assignment_id = $1
 union all select valid_until from assignments where id = $1) turns
where turn > $2"""
_MERGED: Final = "select exists (select from users where changed_xid > $1 and merged_into is not null) as merged"
_ERA: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """Up to where a monitor is known: the newest transaction that changed it, of which cluster, and when that was.

    Where `is_settled`, every transaction that will still change it has a later id than `newest`; where it is not, an
    older one may yet commit, and the same number would not mean that nothing changed.
    """

    epoch: str
    newest: int
    is_settled: bool
    as_of: datetime

    def furthest(self, position: Position) -> Position:
        """Return a position moved on as far as the head allows: what committed is never given the same id again."""
        return max(position, Position.before(self.newest + 1)) if self.is_settled else position


@dataclass(frozen=True, slots=True)
class Since:
    """The place of a page that was read before: its cursor's position, and when that was."""

    position: Position
    at: datetime

    def values(self) -> dict[str, Any]:
        """Return what the statements of `since` are given."""
        return {"since_xid": self.position.xid, "since_id": self.position.id, "since_at": self.at}


async def head(work: Work, assignment_id: UUID) -> Head | None:
    """Return the head of an assignment's monitor, by the ends of indexes alone; None where nothing is to be seen."""
    for row in await work.fetch(_HEAD, assignment_id):
        return Head(row["epoch"], row["newest"], row["newest"] < row["xmin"], row["now"])
    return None


async def next_turn(work: Work, assignment_id: UUID, after: datetime) -> datetime | None:
    """Return the first instant after `after` at which the clock alone changes a bucket or a status; None without one.

    It may name one too early, as where a later attempt counts; never one too late.
    """
    return (await work.fetch(_TURN, assignment_id, after))[0]["min"]


async def merged_since(work: Work, position: Position) -> bool:
    """Tell whether people were merged after a position: a row that was taken away then can be named no more."""
    return bool((await work.fetch(_MERGED, position.xid))[0]["merged"])


def ticks(at: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return math.floor((at - _ERA) / timedelta(microseconds=1))


def since(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Build the condition "may have changed after (`since_xid`, `since_id`) and `since_at`" for a recipient.

    It speaks of target, assignment, person, newest invitation and latest attempt, joined.
    """
    xid = given("since_xid", BigInteger())
    session = DeliverySession
    happened = select(SessionEvent.session_id).where(
        SessionEvent.assignment_id == given("assignment_id"),
        tuple_(SessionEvent.xid, SessionEvent.id) > tuple_(xid, given("since_id", Uuid())),
    )
    addressed = exists().where(
        AssignmentGroup.assignment_id == given("assignment_id"),
        Group.id == AssignmentGroup.group_id,
        Group.changed_xid > xid,
    )
    policy = exists().where(PolicyDefaults.changed_xid > xid)
    unstarted = session.id.is_(None)
    return or_(
        session.id.in_(happened),
        Invitation.changed_xid > xid,
        func.coalesce(User.changed_xid > xid, False),
        and_(unstarted, or_(Assignment.changed_xid > xid, policy)),
        and_(AssignmentTarget.kind == TargetKind.GROUP, addressed),
        _turned(now),
    )


def _turned(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Build the condition "the clock alone may have changed bucket or status" since `since_at`."""
    session, begin = DeliverySession, given("since_at", DateTime(timezone=True))
    grace = session.grace_seconds * text("interval '1 second'")
    idle = text("(delivery_sessions.policy #>> '{idle_threshold_seconds,value}')::integer * interval '1 second'")
    quiet = func.coalesce(session.last_activity_at, session.started_at) + idle
    is_open = session.state.in_([SessionState.CREATED, SessionState.ACTIVE])
    ended = or_(session.deadline_at.between(begin, now), (session.deadline_at + grace).between(begin, now))
    shut = or_(Invitation.expires_at.between(begin, now), Assignment.valid_until.between(begin, now))
    turned = or_(
        and_(session.id.is_(None), shut),
        and_(is_open, ended),
        and_(session.state == SessionState.ACTIVE, quiet.between(begin, now)),
    )
    return func.coalesce(turned, False)
