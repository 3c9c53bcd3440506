"""What can happen in a session, one type for each kind; a client that has never heard of one can still show it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry
from strawberry.scalars import JSON

from models.attention import AttentionLevel
from models.lockdown import LockdownCause, LockdownState
from models.sessions import EventKind, ReasonCategory
from models.sessions import SessionEvent as EventRow
from resolvers import lockdown, sessions
from resolvers.context import Context
from schema import session_enums as _  # noqa: F401 - describes the enums used here
from schema.access import Info, alone, ask, told
from schema.attention import AttentionRule
from schema.enums import closed_set
from schema.nodes import global_id
from schema.plans import together
from services.lockdown import words

if TYPE_CHECKING:
    from schema.sessions import Session

closed_set(
    EventKind,
    "SessionEventKind",
    "What happened in a session.",
    {
        EventKind.CREATED: "The invitation was redeemed and the session made.",
        EventKind.STARTED: "The candidate started; the clock runs.",
        EventKind.ITEM_VIEWED: "The candidate opened an item.",
        EventKind.ANSWER_SAVED: "An answer was saved or cleared.",
        EventKind.FOCUS_LOST: "The examination's window lost the focus.",
        EventKind.FOCUS_REGAINED: "The examination's window has the focus again.",
        EventKind.TAB_SWITCH: "The candidate switched to another browser tab, or back.",
        EventKind.PASTE_DETECTED: "Text was pasted into an answer.",
        EventKind.DISCONNECTED: "The candidate's browser lost its connection.",
        EventKind.RECONNECTED: "The candidate's browser is connected again.",
        EventKind.TIME_EXTENDED: "The candidate was given more time.",
        EventKind.ATTEMPT_ADDED: "The candidate was given further attempts.",
        EventKind.LIMITS_CHANGED: "Another limit of the session was changed.",
        EventKind.PAUSED: "Somebody stopped the clock.",
        EventKind.RESUMED: "Somebody let the clock run again.",
        EventKind.MESSAGE: "A proctor wrote to the candidate.",
        EventKind.NOTE: "A proctor noted something for staff.",
        EventKind.PROBE_RESULT: "It was found out whether the lockdown browser is in use.",
        EventKind.ATTENTION_RAISED: "The session came to need attention, or more of it.",
        EventKind.ATTENTION_CLEARED: "The session needs less attention than before, or none.",
        EventKind.ROOM_CHANGED: "The session was put into a room, or taken out of one.",
        EventKind.SUBMITTED: "The candidate handed in.",
        EventKind.EXPIRED: "The time was over; what had been saved was handed in.",
        EventKind.TERMINATED: "A proctor ended the session; what had been saved was handed in.",
    },
)


async def _sessions(context: Context, shown: Sequence["SessionEvent"]) -> list["Session | None"]:
    from schema.sessions import Session  # noqa: PLC0415 - the types refer to each other

    found = await sessions.of_events(context, [one.row.session_id for one in shown])
    return [row and Session.of(row) for row in found]


@strawberry.interface(description="Something that happened in a session. Rows are never changed or removed.")
class SessionEvent:
    """What every event says; a client that has never heard of a kind can still show it."""

    row: strawberry.Private[EventRow]
    seq: int = told("Position in the session's own order: 1, 2, 3 and so on, without gaps.")
    kind: EventKind = told("What happened.")
    at: datetime = told("When, by the database's clock.")
    client_at: datetime | None = told("When, by the candidate's clock, where the candidate's browser reported it.")
    reason: str | None = told("Why, where a person decided it.")

    @strawberry.field(
        description="The session as it is now; it may have moved on since this event. Null for who proctors rooms "
        "only, when it is in none of them any more."
    )
    @together(_sessions)
    async def session(self, info: Info) -> Annotated["Session", strawberry.lazy("schema.sessions")] | None:
        """Show the session."""
        return await alone(_sessions, info, self)


@strawberry.interface(description="Something that happened at one item of the paper.")
class ItemEvent(SessionEvent):
    """An event about an item."""

    position: int | None = told("Position of the item in the candidate's paper, from 1.")


@strawberry.type(description="The invitation was redeemed and the session made.")
class SessionCreated(SessionEvent):
    """Redeemed."""


@strawberry.type(description="The candidate started; the clock runs.")
class SessionStarted(SessionEvent):
    """Started."""


@strawberry.type(description="The candidate opened an item.")
class ItemViewed(ItemEvent):
    """Viewed."""


@strawberry.type(description="An answer was saved or cleared.")
class AnswerSaved(ItemEvent):
    """Saved."""

    revision: int = told("The client's revision of the answer; only ever grows.")
    answered: bool = told("False when the answer was cleared.")


@strawberry.type(description="The examination's window lost the focus.")
class FocusLost(ItemEvent):
    """Focus lost."""


@strawberry.type(description="The examination's window has the focus again.")
class FocusRegained(ItemEvent):
    """Focus regained."""


@strawberry.type(description="The candidate switched to another browser tab, or back.")
class TabSwitched(ItemEvent):
    """Tab switched."""


@strawberry.type(description="Text was pasted into an answer.")
class PasteDetected(ItemEvent):
    """Pasted."""


@strawberry.type(description="The candidate's browser lost its connection.")
class Disconnected(ItemEvent):
    """Disconnected."""

    is_noticed_by_evalium: bool = told("True when it fell silent, false when it reported so itself afterwards.")


@strawberry.type(description="The candidate's browser is connected again.")
class Reconnected(ItemEvent):
    """Reconnected."""

    is_noticed_by_evalium: bool = told("True when it was heard again, false when it reported so itself.")
    seconds_away: Decimal | None = told("For how long it was away; null when it did not report that.")


@strawberry.interface(description="Somebody changed the limits of this session, and said why.")
class LimitEvent(SessionEvent):
    """An event about limits."""

    deadline_before: datetime | None = told("When the session would have ended; null when it had no end.")
    deadline_after: datetime | None = told("When it ends now; null when it has no end.")


@strawberry.type(description="The candidate was given more time.")
class TimeExtended(LimitEvent):
    """Extended."""

    seconds: int = told("By how many seconds; negative when an extension was taken back.")


@strawberry.type(description="The candidate was given further attempts.")
class AttemptAdded(LimitEvent):
    """More attempts."""

    attempts: int = told("How many; negative when they were taken back.")


@strawberry.type(description="Another limit of the session was changed, such as its time limit.")
class LimitsChanged(LimitEvent):
    """Changed."""


@strawberry.type(description="Somebody stopped the clock: nothing is taken in, and no time passes.")
class SessionPaused(SessionEvent):
    """Paused."""

    category: ReasonCategory = told("What kind of reason there was.")


@strawberry.type(description="Somebody let the clock run again. The end moved by the pause.")
class SessionResumed(SessionEvent):
    """Resumed."""

    category: ReasonCategory = told("What kind of reason there was.")
    paused_seconds: Decimal = told("How long the clock stood still, in seconds to the microsecond.")
    deadline_before: datetime | None = told("When the session would have ended; null when it has no end.")
    deadline_after: datetime | None = told("When it ends now; null when it has no end.")


@strawberry.type(description="A proctor wrote to the candidate.")
class MessageSent(SessionEvent):
    """Told."""

    text: str = told("What was written, as plain text.")


@strawberry.type(description="A proctor noted something for staff; the candidate does not see it.")
class NoteAdded(SessionEvent):
    """Noted."""

    text: str = told("What was noted, as plain text.")


@strawberry.type(description="It was found out whether the lockdown browser is in use.")
class ProbeRecorded(SessionEvent):
    """Probed."""

    state: LockdownState = told("What was found.")
    words: str = told("The same in a sentence that is fit for everybody.")
    is_start_refused: bool = told("True when the session was to start then, and was refused.")
    is_exception: bool = told("True when the session started without a verified lockdown browser.")
    is_waived: bool = told("True when a proctor allowed the session without it; `reason` says why.")

    @ask(lockdown.event_signals, "What the browser showed; null where it was not asked.")
    async def technical_details(self, info: Info) -> JSON | None:
        """Show the raw signals."""
        return cast("JSON | None", await lockdown.event_signals(info.context, self.row))


@strawberry.interface(description="The attention that the session needs changed.")
class AttentionEvent(SessionEvent):
    """An event about attention."""

    level: AttentionLevel = told("How much it needs from then on.")
    level_before: AttentionLevel = told("How much it had needed.")
    rules: list[AttentionRule] = told("The rules that hold from then on, each in words; none when it needs none.")


@strawberry.type(description="The session came to need attention, or more of it.")
class AttentionRaised(AttentionEvent):
    """Raised."""


@strawberry.type(description="The session needs less attention than before, or none.")
class AttentionCleared(AttentionEvent):
    """Cleared."""

    is_acknowledged: bool = told("True when somebody has seen it, whose note is the `reason`; else it passed.")


@strawberry.type(description="The session was put into a room, or taken out of one.")
class RoomChanged(SessionEvent):
    """Moved."""

    from_room_id: strawberry.ID | None = told("Global id of the room that it left; null when it was in none.")
    to_room_id: strawberry.ID | None = told("Global id of the room that it came into; null when it is in none.")


@strawberry.type(description="The candidate handed in.")
class SessionSubmitted(SessionEvent):
    """Submitted."""


@strawberry.type(description="The time was over; what had been saved was handed in.")
class SessionExpired(SessionEvent):
    """Expired."""


@strawberry.type(description="A proctor ended the session; what had been saved was handed in.")
class SessionTerminated(SessionEvent):
    """Terminated."""

    category: ReasonCategory = told("What kind of reason there was.")


EVENT_TYPES: dict[EventKind, type[SessionEvent]] = {
    EventKind.CREATED: SessionCreated,
    EventKind.STARTED: SessionStarted,
    EventKind.ITEM_VIEWED: ItemViewed,
    EventKind.ANSWER_SAVED: AnswerSaved,
    EventKind.FOCUS_LOST: FocusLost,
    EventKind.FOCUS_REGAINED: FocusRegained,
    EventKind.TAB_SWITCH: TabSwitched,
    EventKind.PASTE_DETECTED: PasteDetected,
    EventKind.DISCONNECTED: Disconnected,
    EventKind.RECONNECTED: Reconnected,
    EventKind.TIME_EXTENDED: TimeExtended,
    EventKind.ATTEMPT_ADDED: AttemptAdded,
    EventKind.LIMITS_CHANGED: LimitsChanged,
    EventKind.PAUSED: SessionPaused,
    EventKind.RESUMED: SessionResumed,
    EventKind.MESSAGE: MessageSent,
    EventKind.NOTE: NoteAdded,
    EventKind.PROBE_RESULT: ProbeRecorded,
    EventKind.ATTENTION_RAISED: AttentionRaised,
    EventKind.ATTENTION_CLEARED: AttentionCleared,
    EventKind.ROOM_CHANGED: RoomChanged,
    EventKind.SUBMITTED: SessionSubmitted,
    EventKind.EXPIRED: SessionExpired,
    EventKind.TERMINATED: SessionTerminated,
}


def _disconnected(payload: dict[str, Any]) -> dict[str, Any]:
    return {"is_noticed_by_evalium": payload.get("by") == "server"}


def _reconnected(payload: dict[str, Any]) -> dict[str, Any]:
    away = payload.get("seconds")
    return _disconnected(payload) | {"seconds_away": None if away is None else Decimal(away)}


def _raised(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "level": AttentionLevel(payload["level"]),
        "level_before": AttentionLevel(payload["level_before"]),
        "rules": [AttentionRule.of(one) for one in payload["rules"]],
    }


def _cleared(payload: dict[str, Any]) -> dict[str, Any]:
    return _raised(payload) | {"is_acknowledged": payload.get("acknowledged", False)}


def _moved(payload: dict[str, Any]) -> dict[str, Any]:
    rooms = {f"{way}_room_id": payload[way] for way in ("from", "to")}
    return {name: None if room is None else global_id("Room", room) for name, room in rooms.items()}


FACTS: dict[EventKind, Callable[[dict[str, Any]], dict[str, Any]]] = {
    EventKind.DISCONNECTED: _disconnected,
    EventKind.RECONNECTED: _reconnected,
    EventKind.ATTENTION_RAISED: _raised,
    EventKind.ATTENTION_CLEARED: _cleared,
    EventKind.ROOM_CHANGED: _moved,
}
"""What the payload of an event of a kind tells, as attributes of its type."""


def show_event(row: EventRow) -> SessionEvent:
    """Show an event as the type of its kind."""
    kind = EventKind(row.kind)
    shown = EVENT_TYPES[kind]
    facts: dict[str, Any] = {}
    if issubclass(shown, ItemEvent):
        facts["position"] = row.payload.get("position")
    if shown is AnswerSaved:
        facts |= {"revision": row.payload["revision"], "answered": row.payload["answered"]}
    if kind in FACTS:
        facts |= FACTS[kind](row.payload)
    if shown in {SessionPaused, SessionResumed, SessionTerminated}:
        facts["category"] = ReasonCategory(row.payload["category"])
    if shown in {MessageSent, NoteAdded}:
        facts["text"] = row.payload["text"]
    if shown is SessionResumed:
        facts["paused_seconds"] = Decimal(row.payload["paused_seconds"])
    if issubclass(shown, LimitEvent | SessionResumed):
        facts |= {key: instant(row.payload[key]) for key in ("deadline_before", "deadline_after")}
    if shown is ProbeRecorded:
        facts |= _probe_facts(row.payload)
    if shown in {TimeExtended, AttemptAdded}:
        fact = "seconds" if shown is TimeExtended else "attempts"
        facts[fact] = row.payload[fact]
    return shown(row=row, seq=row.seq, kind=kind, at=row.at, client_at=row.client_at, reason=row.reason, **facts)


def _probe_facts(payload: dict[str, Any]) -> dict[str, Any]:
    state = LockdownState(payload["state"])
    flags = {f"is_{name}": payload.get(name, False) for name in ("start_refused", "exception", "waived")}
    return {"state": state, "words": words(state, LockdownCause(payload["cause"])), **flags}


def instant(written: str | None) -> datetime | None:
    """Return an instant from an event's payload."""
    return None if written is None else datetime.fromisoformat(written)
