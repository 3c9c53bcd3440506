"""Live streams: the events table read in commit order (domain.md section 7).

A row's position is `(xid, id)`: the id of the transaction that wrote it, then its own id. A reader takes only rows
below the snapshot's horizon, where every transaction has ended, so that nothing can appear behind it later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, tuple_

from models.sessions import DeliverySession, SessionEvent
from realtime import cursors, topics
from realtime.cursors import Cursors, Position
from realtime.tail import Page
from realtime.topics import Topic
from services.refusals import CursorExpired, NotFound
from services.work import Work

LARGEST_PAGE = 500

_HORIZON = text(
    "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin, evalium_now() as now, "
    f"({cursors.EPOCH_SQL}) as epoch",
)


@dataclass(frozen=True, slots=True)
class Horizon:
    """Up to where everything is final in a work's snapshot, in which cluster, and when that was."""

    xmin: int
    epoch: str
    as_of: datetime

    @property
    def position(self) -> Position:
        """The position that has everything before the horizon behind it."""
        return Position.before(self.xmin)


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: its name, which its cursors are bound to, its doorbell topic, and which rows belong to it."""

    name: str
    topic: Topic
    rows: ColumnElement[bool]


def assignment_stream(tenant_id: UUID, assignment_id: UUID) -> Stream:
    """Everything that happens in the sessions of one assignment."""
    return Stream(
        f"assignment/{tenant_id}/{assignment_id}",
        topics.assignment_sessions(tenant_id, assignment_id),
        SessionEvent.assignment_id == assignment_id,
    )


def session_stream(tenant_id: UUID, session_id: UUID) -> Stream:
    """Everything that happens in one session."""
    return Stream(
        f"session/{tenant_id}/{session_id}",
        topics.session_timeline(tenant_id, session_id),
        SessionEvent.session_id == session_id,
    )


async def require_session(work: Work, session_id: UUID) -> None:
    """Refuse a session that the viewer cannot see."""
    if await work.session.scalar(select(DeliverySession.id).where(DeliverySession.id == session_id)) is None:
        raise NotFound("Session", session_id)


async def horizon(work: Work) -> Horizon:
    """Read the horizon of the work's snapshot."""
    row = (await work.session.execute(_HORIZON)).one()
    return Horizon(row.xmin, row.epoch, row.now)


def cursor(secret: bytes, stream: Stream, at: Horizon, position: Position | None = None) -> str:
    """Return the token of a position in a stream; without one, of everything up to the horizon."""
    return Cursors(secret, at.epoch).issue(stream.name, position or at.position, at.as_of)


def position(secret: bytes, stream: Stream, at: Horizon, token: str) -> Position:
    """Return the position of a token; one that is not good for this stream, here and now, is refused."""
    try:
        return Cursors(secret, at.epoch).read(token, stream.name, at.as_of)
    except cursors.CursorRefused as refused:
        raise CursorExpired(f"The cursor '{token[:24]}…' cannot be used: {refused}.") from refused


async def events(work: Work, stream: Stream, after: Position, limit: int) -> Page[SessionEvent]:
    """Read the events after a position, oldest first; when all are read, the new position is the horizon."""
    at = await horizon(work)
    place = tuple_(SessionEvent.xid, SessionEvent.id)
    found: Sequence[SessionEvent] = (
        await work.session.scalars(
            select(SessionEvent)
            .where(stream.rows, place > tuple_(after.xid, after.id), SessionEvent.xid < at.xmin)
            .order_by(SessionEvent.xid, SessionEvent.id)
            .limit(limit),
        )
    ).all()
    full = len(found) == limit
    lagging = select(func.count()).select_from(
        select(SessionEvent.id).where(stream.rows, SessionEvent.xid >= at.xmin).limit(1).subquery(),
    )
    return Page(
        rows=found,
        position=Position(found[-1].xid, found[-1].id) if full else max(at.position, after),
        as_of=at.as_of,
        more=full,
        lagging=not full and bool(await work.session.scalar(lagging)),
    )
