"""The events of a session: appended in order under the session's lock, by Evalium or in batches by the candidate.

The table is the stream (domain.md section 7), so whoever appends holds the session (`sessions_hold`) before the
first write of the transaction: then the order of `seq` is also the order of `(xid, id)`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select, text

from models.base import uuid7
from models.sessions import DeliverySession, EventBatch, EventKind
from realtime import topics
from services.idempotency import Answer
from services.refusals import IdempotencyMismatch, InvalidInput
from services.sessions_hold import hold, require_running
from services.work import Work

LARGEST_BATCH = 100
LONGEST_BATCH_ID = 64
LONGEST_ABSENCE = 7 * 24 * 3600
LARGEST_PASTE = 1_000_000

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""A candidate's clock may be wrong, but it shows a time that every reader of the timeline can show again."""


class ReportedKind(StrEnum):
    """The kinds of events that a candidate's browser reports; all others are Evalium's own."""

    ITEM_VIEWED = "item_viewed"
    FOCUS_LOST = "focus_lost"
    FOCUS_REGAINED = "focus_regained"
    TAB_SWITCH = "tab_switch"
    PASTE_DETECTED = "paste_detected"
    DISCONNECTED = "disconnected"
    RECONNECTED = "reconnected"


_INSERT = text(
    "insert into session_events"
    " (org_unit_id, session_id, assignment_id, at, actor_id, id, seq, kind, client_at, payload) "
    "select :org_unit_id, :session_id, :assignment_id, :at, :actor_id, e.id, e.seq, e.kind, e.client_at, e.payload "
    "from jsonb_to_recordset(cast(:events as jsonb))"
    " as e(id uuid, seq bigint, kind text, client_at timestamptz, payload jsonb)",
)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event before it is numbered. `client_at` is the candidate's clock, where the browser reported the event."""

    kind: EventKind
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    client_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """One event as a candidate's browser reports it.

    `position` is the item's place in the paper, from 1. `seconds` is how long the focus or the connection was away,
    `characters` how much was pasted.
    """

    kind: ReportedKind
    client_at: datetime
    position: int | None = None
    seconds: int | None = None
    characters: int | None = None


async def append(
    work: Work,
    session: DeliverySession,
    happenings: Sequence[Happening],
    *,
    at: datetime,
    actor_id: UUID | None,
) -> int:
    """Append events in one statement, numbered on from the session's last; return the last number."""
    first = session.event_seq + 1
    events = [
        {"id": uuid7(), "seq": seq, "kind": one.kind, "client_at": one.client_at, "payload": one.payload}
        for seq, one in enumerate(happenings, first)
    ]
    session.event_seq += len(events)
    await work.session.flush()
    await work.session.execute(
        _INSERT,
        {
            "org_unit_id": session.org_unit_id,
            "session_id": session.id,
            "assignment_id": session.assignment_id,
            "at": at,
            "actor_id": actor_id,
            "events": orjson.dumps(events).decode(),
        },
    )
    work.touch(
        topics.assignment_sessions(session.tenant_id, session.assignment_id),
        topics.session_timeline(session.tenant_id, session.id),
    )
    return session.event_seq


async def record_events(work: Work, session_id: UUID, batch_id: str, events: Sequence[Reported]) -> Answer:
    """Take in a batch of telemetry once: the same batch id and content answer as before.

    Refuses another content under a known batch id, what a browser cannot report, and every batch outside an active
    session's time.
    """
    _check_batch_id(batch_id)
    if not 1 <= len(events) <= LARGEST_BATCH:
        raise InvalidInput(f"A batch has 1 to {LARGEST_BATCH} events, not {len(events)}.", path=["events"])
    fingerprint = hashlib.sha256(orjson.dumps(events, option=orjson.OPT_SORT_KEYS)).hexdigest()
    session = await hold(work, session_id)
    known = (
        await work.session.scalars(
            select(EventBatch).where(EventBatch.session_id == session_id, EventBatch.batch_id == batch_id),
        )
    ).one_or_none()
    if known is not None:
        if known.fingerprint != fingerprint:
            raise IdempotencyMismatch(
                f"The batch id {batch_id!r} was used before with other events.",
                path=["batchId"],
                hint="Give each new batch an id of its own; send a batch again only unchanged.",
            )
        return _taken_in(known)
    now = await work.now()
    require_running(session, now)
    happenings = [_checked(session, n, event) for n, event in enumerate(events)]
    _count(session, events, now)
    last = await append(work, session, happenings, at=now, actor_id=session.user_id)
    batch = EventBatch(
        org_unit_id=session.org_unit_id,
        session_id=session.id,
        batch_id=batch_id,
        fingerprint=fingerprint,
        accepted=len(events),
        last_seq=last,
    )
    work.session.add(batch)
    return _taken_in(batch)


def _taken_in(batch: EventBatch) -> Answer:
    return {"session_id": str(batch.session_id), "accepted": batch.accepted, "last_seq": batch.last_seq}


def _check_batch_id(batch_id: str) -> None:
    if not batch_id.strip() or len(batch_id) > LONGEST_BATCH_ID or not batch_id.isprintable():
        raise InvalidInput(
            f"A batch id is 1 to {LONGEST_BATCH_ID} printable characters, not {batch_id[:40]!r}.",
            path=["batchId"],
            hint="Use a random UUID for each new batch.",
        )


def _checked(session: DeliverySession, n: int, event: Reported) -> Happening:
    """Turn a reported event into one to append, or refuse what a browser cannot have seen in this session."""
    if event.kind is ReportedKind.ITEM_VIEWED and event.position is None:
        raise InvalidInput("An item that was viewed needs its position.", path=["events", n, "position"])
    measures: dict[str, tuple[int | None, int, int, tuple[str, ...]]] = {
        "position": (event.position, 1, session.item_count, ()),
        "seconds": (event.seconds, 0, LONGEST_ABSENCE, ("details",)),
        "characters": (event.characters, 0, LARGEST_PASTE, ("details",)),
    }
    for name, (value, least, most, within) in measures.items():
        if value is not None and not least <= value <= most:
            said = f"'{name}' is {least} to {most}, not {value}."
            raise InvalidInput(said, path=["events", n, *within, name])
    client_at = event.client_at if event.client_at.tzinfo else event.client_at.replace(tzinfo=UTC)
    if not EARLIEST <= client_at <= LATEST:
        said = f"{client_at.isoformat()} is before {EARLIEST.year} or after {LATEST.year}."
        raise InvalidInput(said, path=["events", n, "clientAt"])
    payload = {name: value for name, (value, *_) in measures.items() if value is not None}
    return Happening(EventKind(event.kind.value), payload, client_at)


def _count(session: DeliverySession, events: Sequence[Reported], now: datetime) -> None:
    """Keep the session's counters, which the monitor reads instead of events. A broken connection is no activity."""
    for event in events:
        match event.kind:
            case ReportedKind.ITEM_VIEWED:
                session.current_position = event.position
            case ReportedKind.FOCUS_LOST:
                session.focus_lost_count += 1
                session.focus_lost_at = now
            case ReportedKind.DISCONNECTED:
                session.disconnected_at = now
            case ReportedKind.RECONNECTED:
                session.disconnected_at = None
            case _:
                pass
        if event.kind is not ReportedKind.DISCONNECTED:
            session.last_activity_at = now
