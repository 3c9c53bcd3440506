"""The events of a session: appended in order under the session's lock, by Evalium or in batches by the candidate.

The table is the stream (domain.md section 7), so whoever appends holds the session (`sessions_hold`) before the
first write of the transaction: then the order of `seq` is also the order of `(xid, id)`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from models.base import uuid7
from models.sessions import DeliverySession, EventKind
from realtime import topics
from services import attention_rules, sessions_attention, sessions_connection
from services.attention import WATCHED, Rules
from services.idempotency import Answer, Request
from services.refusals import IdempotencyMismatch, InvalidInput
from services.sessions_row import Held
from services.sessions_sheet import Happening, Sheet, TakenBatch
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


_KINDS = {kind: EventKind(kind.value) for kind in ReportedKind}

_SIGNALS = frozenset({ReportedKind.FOCUS_LOST, ReportedKind.TAB_SWITCH, ReportedKind.PASTE_DETECTED})
"""What is counted, and may call for attention."""

_INSERT = text(
    "insert into session_events"
    " (org_unit_id, session_id, assignment_id, at, actor_id, reason, id, seq, kind, client_at, payload) "
    "select e.org_unit_id, e.session_id, e.assignment_id, :at, :actor_id, :reason, e.id, e.seq, e.kind, e.client_at,"
    " e.payload "
    "from jsonb_to_recordset(cast(:events as jsonb)) as e(org_unit_id uuid, session_id uuid, assignment_id uuid,"
    " id uuid, seq bigint, kind text, client_at timestamptz, payload jsonb)",
)


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
    reason: str | None = None,
) -> int:
    """Append events in one statement, numbered on from the session's last; return the last number."""
    told = [(session, happening) for happening in happenings]
    await append_to_each(work, told, at=at, actor_id=actor_id, reason=reason)
    return session.event_seq


async def append_to_each(
    work: Work,
    told: Sequence[tuple[DeliverySession, Happening]],
    *,
    at: datetime,
    actor_id: UUID | None,
    reason: str | None = None,
) -> None:
    """Append events of several sessions, all of them held, in one statement; each numbered on from its session's last.

    What was changed in the sessions is written before. Where the attention that one needs changes by it, an event of
    Evalium's own tells so behind it.
    """
    events = [_numbered(session, happening) for session, happening in told]
    settled = await _settled(work, [session for session, _ in told])
    raised = [_numbered(session, happening) for session, happening in settled]
    await work.session.flush()
    given = {"at": at, "actor_id": actor_id, "reason": reason, "events": orjson.dumps(events).decode()}
    await work.session.execute(_INSERT, given)
    if raised:
        given = {"at": at, "actor_id": None, "reason": None, "events": orjson.dumps(raised).decode()}
        await work.session.execute(_INSERT, given)
    for session, _ in told:
        work.touch(
            topics.assignment_sessions(session.tenant_id, session.assignment_id),
            topics.session_timeline(session.tenant_id, session.id),
        )


async def _settled(work: Work, sessions: Sequence[DeliverySession]) -> list[tuple[DeliverySession, Happening]]:
    """Settle what attention sessions need; a candidate's token may not read the rules, and does no more than start."""
    once = list({session.id: session for session in sessions}.values())
    rules = Rules()
    if any(session.state in WATCHED for session in once):
        if work.viewer.session_id is not None:
            return []
        rules = await attention_rules.current(work)
    now = await work.now()
    found = [(session, sessions_attention.settle(session, rules, now).happening) for session in once]
    return [(session, happening) for session, happening in found if happening is not None]


def _numbered(session: DeliverySession, happening: Happening) -> dict[str, Any]:
    session.event_seq += 1
    return {
        "org_unit_id": str(session.org_unit_id),
        "session_id": str(session.id),
        "assignment_id": str(session.assignment_id),
        "id": uuid7(),
        "seq": session.event_seq,
        "kind": happening.kind,
        "client_at": happening.client_at,
        "payload": happening.payload,
    }


@dataclass(frozen=True, slots=True)
class Report:
    """Take in a batch of telemetry once: the same batch id and content answer as before.

    Refuses another content under a known batch id, what a browser cannot report, and every batch outside an active
    session's time.
    """

    session_id: UUID
    batch_id: str
    events: Sequence[Reported]
    request: Request | None = None

    def decide(self, sheet: Sheet) -> Answer:
        """Take it in, or refuse before anything is changed."""
        _check_batch_id(self.batch_id)
        if not 1 <= len(self.events) <= LARGEST_BATCH:
            raise InvalidInput(f"A batch has 1 to {LARGEST_BATCH} events, not {len(self.events)}.", path=["events"])
        fingerprint = hashlib.sha256(orjson.dumps(self.events, option=orjson.OPT_SORT_KEYS)).hexdigest()
        sheet.session(self.session_id)
        place = (self.session_id, self.batch_id)
        known = sheet.batches.get(place)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise IdempotencyMismatch(
                    f"The batch id {self.batch_id!r} was used before with other events.",
                    path=["batchId"],
                    hint="Give each new batch an id of its own; send a batch again only unchanged.",
                )
            return self._taken_in(known)
        session = sheet.running(self.session_id)
        happenings = [_checked(session, n, event) for n, event in enumerate(self.events)]
        sessions_connection.heard(sheet, session)
        _count(sheet, session, self.events)
        batch = TakenBatch(fingerprint, len(self.events), sheet.tell(session, happenings))
        sheet.batches[place] = batch
        sheet.taken.append(place)
        return self._taken_in(batch)

    def kept(self, outcome: Answer) -> Answer:
        """Return what is kept under the request's key."""
        return outcome

    def again(self, _sheet: Sheet, kept: Answer) -> Answer:
        """Answer from what was kept."""
        return kept

    def _taken_in(self, batch: TakenBatch) -> Answer:
        return {"session_id": str(self.session_id), "accepted": batch.accepted, "last_seq": batch.last_seq}


def _check_batch_id(batch_id: str) -> None:
    if not batch_id.strip() or len(batch_id) > LONGEST_BATCH_ID or not batch_id.isprintable():
        raise InvalidInput(
            f"A batch id is 1 to {LONGEST_BATCH_ID} printable characters, not {batch_id[:40]!r}.",
            path=["batchId"],
            hint="Use a random UUID for each new batch.",
        )


def _checked(session: Held, n: int, event: Reported) -> Happening:
    """Turn a reported event into one to append, or refuse what a browser cannot have seen in this session."""
    if event.kind is ReportedKind.ITEM_VIEWED and event.position is None:
        raise InvalidInput("An item that was viewed needs its position.", path=["events", n, "position"])
    payload: dict[str, int] = {}
    if event.position is None and event.seconds is None and event.characters is None:
        return Happening(_KINDS[event.kind], payload, _instant(event, n))
    for name, value, least, most, within in (
        ("position", event.position, 1, session.item_count, ()),
        ("seconds", event.seconds, 0, LONGEST_ABSENCE, ("details",)),
        ("characters", event.characters, 0, LARGEST_PASTE, ("details",)),
    ):
        if value is None:
            continue
        if not least <= value <= most:
            said = f"'{name}' is {least} to {most}, not {value}."
            raise InvalidInput(said, path=["events", n, *within, name])
        payload[name] = value
    return Happening(_KINDS[event.kind], payload, _instant(event, n))


def _instant(event: Reported, n: int) -> datetime:
    client_at = _utc(event)
    if not EARLIEST <= client_at <= LATEST:
        said = f"{client_at.isoformat()} is before {EARLIEST.year} or after {LATEST.year}."
        raise InvalidInput(said, path=["events", n, "clientAt"])
    return client_at


def _count(sheet: Sheet, session: Held, events: Sequence[Reported]) -> None:
    """Keep the session's counters, which the monitor reads instead of events. A broken connection is no activity."""
    now = sheet.now
    for event in events:
        match event.kind:
            case ReportedKind.ITEM_VIEWED:
                session.current_position = event.position
            case ReportedKind.FOCUS_LOST:
                session.focus_lost_count += 1
                session.focus_lost_at = now
            case ReportedKind.TAB_SWITCH:
                session.tab_switch_count += 1
            case ReportedKind.PASTE_DETECTED:
                session.paste_count += 1
            case ReportedKind.DISCONNECTED:
                sessions_connection.lost(sheet, session, _utc(event) - _ahead(events, now))
            case ReportedKind.RECONNECTED:
                sessions_connection.back(sheet, session, event.seconds)
            case _:
                pass
        if event.kind is not ReportedKind.DISCONNECTED:
            session.last_activity_at = now
    if not _SIGNALS.isdisjoint(event.kind for event in events):
        sheet.signalled.add(session.id)


def _ahead(events: Sequence[Reported], now: datetime) -> timedelta:
    """Return by how much the browser's clock is ahead at the least: what it reports has happened already."""
    return max(timedelta(0), max(map(_utc, events)) - now)


def _utc(event: Reported) -> datetime:
    return event.client_at if event.client_at.tzinfo else event.client_at.replace(tzinfo=UTC)
