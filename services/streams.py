"""Live streams: the events table read in commit order (domain.md section 7).

A row's position is `(xid, id)`: the id of the transaction that wrote it, then its own id. A reader takes only rows
below the snapshot's horizon, where every transaction has ended, so that nothing can appear behind it later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Text, Uuid, func, literal_column, select, true
from sqlalchemy import cast as sql_cast

from models.assignments import Assignment
from models.identity import User
from models.programmes_enrolments import ProgrammeEvent
from models.reviews import ReviewEvent
from models.sessions import DeliverySession, SessionEvent
from realtime import cursors, topics
from realtime.cursors import Cursors, Position
from realtime.tail import Page
from realtime.topics import Topic
from services import plain
from services.prepared import Forms, given
from services.refusals import CursorExpired, NotFound
from services.work import Work

LARGEST_PAGE = 500

_CHECKPOINT = func.pg_control_checkpoint().table_valued("next_xid", name="checkpoint")
_XMIN: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", BigInteger)
_HORIZON = select(
    _XMIN.label("xmin"),
    literal_column("pg_snapshot_xmax(pg_current_snapshot())::text::bigint", BigInteger).label("unused"),
    (
        sql_cast(func.split_part(_CHECKPOINT.c.next_xid, ":", 1), BigInteger) * 2**32
        + sql_cast(func.split_part(_CHECKPOINT.c.next_xid, ":", 2), BigInteger)
    ).label("durable"),
    literal_column(f"({cursors.EPOCH_SQL})", Text).label("epoch"),
    func.evalium_now().label("now"),
).select_from(_CHECKPOINT)
_FORMS: Final = Forms()


_EVENT: Final = (
    "id",
    "xid",
    "session_id",
    "assignment_id",
    "seq",
    "kind",
    "at",
    "client_at",
    "actor_id",
    "reason",
    "payload",
)
_REVIEW: Final = ("id", "xid", "task_id", "kind", "at", "actor_id", "reason", "payload")
_PROGRAMME: Final = (
    "id",
    "xid",
    "enrolment_id",
    "requirement_id",
    "kind",
    "at",
    "actor_id",
    "reason",
    "payload",
)
_HEAD: Final = 4
_ROWS: Final = """
with head as (
 select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin,
  split_part(c.next_xid, ':', 1)::bigint * 4294967296 + split_part(c.next_xid, ':', 2)::bigint as durable,
  evalium_now() as now,
  exists (select from {table} where {where}
   and xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint) as held
 from pg_control_checkpoint() c),
found as (
 select {columns}::text as payload
 from {table}
 where {where} and (xid, id) > ($2, $3) and xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
 order by xid, id limit $4)
"""
_BARE: Final = "select head.*, e.* from head left join found e on true order by e.xid, e.id"
_SHOWN: Final = f"""
, marked as (
 select found.*, row_number() over (partition by session_id order by xid desc, id desc) = 1 as is_last from found)
select head.*, {", ".join(f"e.{name}" for name in _EVENT)}, s.*, u.* from head left join marked e on true
left join lateral (select {plain.listed(DeliverySession)} from delivery_sessions
 where e.is_last and id = e.session_id limit 1) s on true
left join lateral (select {plain.listed(User)} from users where id = s.user_id limit 1) u on true
order by e.xid, e.id"""  # noqa: S608 - names of our models
_SESSIONS: Final = SessionEvent.__tablename__
_REVIEWS: Final = ReviewEvent.__tablename__
_PROGRAMMES: Final = ProgrammeEvent.__tablename__
_MODELS: Final = {_SESSIONS: SessionEvent, _REVIEWS: ReviewEvent, _PROGRAMMES: ProgrammeEvent}
_COLUMNS: Final = {_SESSIONS: _EVENT, _REVIEWS: _REVIEW, _PROGRAMMES: _PROGRAMME}
_BY: Final = {
    _SESSIONS: ("assignment_id", "session_id", "room_id", "org_unit_id", "run_label"),
    _REVIEWS: ("org_unit_id",),
    _PROGRAMMES: ("programme_id",),
}
"""The columns that tell the rows of a stream, for each table."""


def _rows(table: str, column: str) -> str:
    labelled = "assignment_id in (select a.id from assignments a where a.run_label = $1)"
    where = labelled if column == "run_label" else f"{column} = $1"
    return _ROWS.format(table=table, columns=", ".join(_COLUMNS[table]), where=where)


_READ: Final = {(table, one): _rows(table, one) + _BARE for table, columns in _BY.items() for one in columns}
_READ_SHOWN: Final = {column: _rows(_SESSIONS, column) + _SHOWN for column in _BY[_SESSIONS]}


@dataclass(frozen=True, slots=True)
class Shown:
    """The sessions of the events that were read together, and whose they are, in the same snapshot; by their ids."""

    sessions: Mapping[UUID, DeliverySession]
    people: Mapping[UUID, User]


@dataclass(frozen=True, slots=True)
class Horizon:
    """Up to where everything is final in a work's snapshot, in which cluster, and when that was.

    Transaction ids below `durable` are never handed out again. Those above may be after a crash, if only transactions
    that were rolled back or still ran had them: a reader that rested at `xmin` itself would miss what they write then.
    `unused` is the first id that was not handed out yet.
    """

    xmin: int
    durable: int
    unused: int
    epoch: str
    as_of: datetime

    @property
    def rest(self) -> Position:
        """The furthest position at which a reader may rest without having been given a row there."""
        return Position.before(min(self.xmin, self.durable))


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: its name, which its cursors are bound to, its doorbell topic, and the column that tells its rows."""

    name: str
    topic: Topic
    column: str
    id: UUID | str
    table: str = _SESSIONS

    @property
    def is_of_sessions(self) -> bool:
        """Whether it tells of sessions, whose rows can be read with the events."""
        return self.table == _SESSIONS


def assignment_stream(tenant_id: UUID, assignment_id: UUID) -> Stream:
    """Everything that happens in the sessions of one assignment."""
    return Stream(
        f"assignment/{tenant_id}/{assignment_id}",
        topics.assignment_sessions(tenant_id, assignment_id),
        "assignment_id",
        assignment_id,
    )


def session_stream(tenant_id: UUID, session_id: UUID) -> Stream:
    """Everything that happens in one session."""
    return Stream(
        f"session/{tenant_id}/{session_id}",
        topics.session_timeline(tenant_id, session_id),
        "session_id",
        session_id,
    )


def room_stream(tenant_id: UUID, room_id: UUID) -> Stream:
    """Everything that happens in the sessions of one room, while they are in it."""
    return Stream(f"room/{tenant_id}/{room_id}", topics.room_sessions(tenant_id, room_id), "room_id", room_id)


def unit_stream(tenant_id: UUID, org_unit_id: UUID) -> Stream:
    """Everything that happens in the sessions of one org unit."""
    topic = topics.unit_sessions(tenant_id, org_unit_id)
    return Stream(f"unit/{tenant_id}/{org_unit_id}", topic, "org_unit_id", org_unit_id)


def label_stream(tenant_id: UUID, org_unit_id: UUID, run_label: str) -> Stream:
    """Everything that happens in the sessions of the assignments that carry a run label now, in one org unit."""
    name = f"label/{tenant_id}/{org_unit_id}/{run_label}"
    return Stream(name, topics.unit_sessions(tenant_id, org_unit_id), "run_label", run_label)


def review_stream(tenant_id: UUID, org_unit_id: UUID) -> Stream:
    """Everything that happens to the reviews of one org unit."""
    topic = topics.reviews(tenant_id, org_unit_id)
    return Stream(f"reviews/{tenant_id}/{org_unit_id}", topic, "org_unit_id", org_unit_id, _REVIEWS)


def programme_stream(tenant_id: UUID, programme_id: UUID) -> Stream:
    """Everything that happens to the enrolments of one programme."""
    topic = topics.programme(tenant_id, programme_id)
    return Stream(f"programme/{tenant_id}/{programme_id}", topic, "programme_id", programme_id, _PROGRAMMES)


async def require_session(work: Work, session_id: UUID) -> None:
    """Refuse a session that the viewer cannot see."""
    if await work.session.scalar(select(DeliverySession.id).where(DeliverySession.id == session_id)) is None:
        raise NotFound("Session", session_id)


async def horizon(work: Work) -> Horizon:
    """Read the horizon of the work's snapshot."""
    row = (await work.session.execute(_HORIZON)).one()
    return Horizon(row.xmin, row.durable, row.unused, row.epoch, row.now)


async def here(work: Work, stream: Stream) -> tuple[Horizon, Position]:
    """Return the horizon, and the position that has every final event of the stream behind it and nothing to come."""
    form = _FORMS.of(f"{stream.table}.{stream.column}", lambda: _here(stream))
    row = (await form.fetch(work, {"stream": stream.id}))[0]
    at = Horizon(row["xmin"], row["durable"], row["unused"], row["epoch"], row["now"])
    return at, at.rest if row["xid"] is None else max(at.rest, Position(row["xid"], row["id"]))


def _here(stream: Stream) -> Select[Any]:
    event = _MODELS[stream.table]
    newest = (
        select(event.xid, event.id)
        .where(_of(stream), event.xid < _XMIN)
        .order_by(event.xid.desc(), event.id.desc())
        .limit(1)
        .subquery("newest")
    )
    return _HORIZON.add_columns(newest.c.xid, newest.c.id).outerjoin_from(_CHECKPOINT, newest, true())


def _of(stream: Stream) -> ColumnElement[bool]:
    """Build the condition that tells the rows of a stream."""
    if stream.column == "run_label":
        labelled = select(Assignment.id).where(Assignment.run_label == given("stream", Text()))
        return SessionEvent.assignment_id.in_(labelled)
    event = _MODELS[stream.table]
    column: ColumnElement[UUID] = getattr(event, stream.column)
    return column == given("stream", Uuid())


def cursor(secret: bytes, stream: Stream, at: Horizon, position: Position) -> str:
    """Return the token of a position in a stream."""
    return Cursors(secret, at.epoch).issue(stream.name, position, at.as_of)


def position(secret: bytes, stream: Stream, at: Horizon, token: str) -> Position:
    """Return the position of a token; one that is not good for this stream, here and now, is refused."""
    return position_with_time(secret, stream, at, token)[0]


def position_with_time(secret: bytes, stream: Stream, at: Horizon, token: str) -> tuple[Position, datetime]:
    """Return the position of a token, as `position` does, and when the token was issued."""
    try:
        found, issued = Cursors(secret, at.epoch).read_with_time(token, stream.name, at.as_of)
    except cursors.CursorRefused as refused:
        raise CursorExpired(f"The cursor '{token[:24]}…' cannot be used: {refused}.") from refused
    if found.xid >= at.unused:
        raise CursorExpired(f"The cursor '{token[:24]}…' is from after the moment that the database was restored to.")
    return found, issued


async def events(work: Work, stream: Stream, after: Position, limit: int) -> Page[Any]:
    """Read the events after a position, oldest first; when all are read, the position moves on as far as it may.

    They are rows of the stream's table, with the attributes of its model.

    One statement tells the horizon, what is new below it, and whether there is more above.
    """
    records = await work.fetch(_READ[stream.table, stream.column], stream.id, after.xid, after.id, limit)
    return _page(records, after, limit, _COLUMNS[stream.table])


async def events_shown(work: Work, stream: Stream, after: Position, limit: int) -> tuple[Page[SessionEvent], Shown]:
    """Read the events after a position as `events` does, and in the same statement their sessions and people."""
    records = await work.fetch(_READ_SHOWN[stream.column], stream.id, after.xid, after.id, limit)
    sessions, people = dict[UUID, DeliverySession](), dict[UUID, User]()
    first = _HEAD + len(_EVENT)
    then = first + plain.width(DeliverySession)
    for values in map(tuple, records):
        session = plain.row(DeliverySession, values[first:then])
        if session.id is not None:  # pyright: ignore[reportUnnecessaryComparison] - of an outer join
            sessions[session.id] = session
            person = plain.row(User, values[then:])
            people |= {person.id: person} if person.id is not None else {}  # pyright: ignore[reportUnnecessaryComparison] - likewise
    return _page(records, after, limit, _EVENT), Shown(sessions, people)


def _page(records: Sequence[Any], after: Position, limit: int, columns: Sequence[str]) -> Page[Any]:
    xmin, durable, now, held = records[0][:_HEAD]
    found = [_event(record, columns) for record in records if record[_HEAD] is not None]
    full = len(found) == limit
    behind = Position(found[-1].xid, found[-1].id) if found else after
    rest = Position.before(min(xmin, durable))
    return Page(
        rows=found,
        position=behind if full else max(behind, rest),
        as_of=now,
        more=full,
        lagging=not full and held,
    )


def _event(record: Any, columns: Sequence[str]) -> Any:
    """Return one row as its model's attributes; the driver gives JSON as text."""
    row = SimpleNamespace(**dict(zip(columns, record[_HEAD:], strict=False)))
    row.payload = plain.decoded(row.payload)
    return row
