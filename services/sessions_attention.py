"""The attention that a session needs, kept on its row: it changes with the event that changes it (domain.md section 6).

Whoever appends events has the row settled in the same transaction, so that the level which is stored is the one that
the row's signals make, and the stream tells each change. What time alone changes is found by `attention_check_at`,
which an index serves: a write only ever moves it to an earlier instant, so that it seldom changes, and who comes by
then sets it anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, text

from models.attention import AttentionLevel
from models.sessions import DeliverySession, EventKind
from services import attention
from services.attention import RANK, Rules, Watched
from services.sessions_sheet import Happening


@dataclass(frozen=True, slots=True)
class Settled:
    """Whether anything that is kept about attention changed, and the event that tells of it."""

    is_changed: bool
    happening: Happening | None


_AS_BEFORE = Settled(is_changed=False, happening=None)


def begin(session: DeliverySession, now: datetime) -> None:
    """Have a session that is started watched from now on."""
    session.attention_version, session.attention_check_at = 0, now


def settle(row: Watched, rules: Rules, now: datetime, *, is_check: bool = False, **facts: Any) -> Settled:
    """Bring what is kept about attention up to the row's signals, and return the event that tells of a change.

    Rules that are older than those which the row was settled by decide nothing: the row is to be looked at again. A
    check sets the next one anew, and facts are added to the event.
    """
    if row.state not in attention.WATCHED:
        return _cleared(row)
    if row.attention_version is not None and row.attention_version > rules.version:
        return _to_be_checked(row, now)
    before = row.attention_version, row.attention_check_at
    happening = _turned(row, attention.holding(row, rules, now), now, facts)
    row.attention_version = rules.version
    due = attention.next_change(row, rules, now)
    check_at = row.attention_check_at
    if is_check or check_at is None or (due is not None and due < check_at):
        row.attention_check_at = due
    after = row.attention_version, row.attention_check_at
    return Settled(is_changed=happening is not None or before != after, happening=happening)


def is_calm(row: Watched, rules: Rules) -> bool:
    """Tell whether activity leaves a row as it is settled: no rule holds that it could end, and nothing is due anew."""
    return row.attention_rules is None and row.attention_version == rules.version and row.attention_check_at is not None


def _written(one: attention.Holding, now: datetime) -> dict[str, Any]:
    since = (one.since or now).isoformat()
    return {"rule": str(one.signal), "level": str(one.level), "threshold": one.threshold, "since": since}


def _turned(row: Watched, found: list[attention.Holding], now: datetime, facts: dict[str, Any]) -> Happening | None:
    """Keep level and rules, and return the event that tells of a change."""
    known = {(one["rule"], one["level"], one["threshold"]): one for one in row.attention_rules or ()}
    held: dict[tuple[str, str, int], attention.Holding] = {(one.signal, one.level, one.threshold): one for one in found}
    if held.keys() == known.keys():
        return None
    before, level = AttentionLevel(row.attention_level), attention.highest(found)
    kept = [known.get(key) or _written(one, now) for key, one in held.items()]
    row.attention_rules = kept or None
    if level is not before:
        row.attention_level = level
        row.attention_since = None if level is AttentionLevel.NONE else now
    is_more = RANK[level] > RANK[before] or (level is before and bool(held.keys() - known.keys()))
    kind = EventKind.ATTENTION_RAISED if is_more else EventKind.ATTENTION_CLEARED
    return Happening(kind, {"level": level, "level_before": before, "rules": kept, **facts})


def _cleared(row: Watched) -> Settled:
    """Keep nothing about a session that has ended or was never started."""
    happening = None
    if row.attention_level != AttentionLevel.NONE:
        payload: dict[str, Any] = {"level": AttentionLevel.NONE, "level_before": row.attention_level, "rules": []}
        happening = Happening(EventKind.ATTENTION_CLEARED, payload)
    if happening is None and row.attention_check_at is None and row.attention_acknowledged is None:
        return _AS_BEFORE
    row.attention_level, row.attention_since, row.attention_rules = AttentionLevel.NONE, None, None
    row.attention_acknowledged = row.attention_check_at = None
    return Settled(is_changed=True, happening=happening)


def _to_be_checked(row: Watched, now: datetime) -> Settled:
    if row.attention_check_at is not None and row.attention_check_at <= now:
        return _AS_BEFORE
    row.attention_check_at = now
    return Settled(is_changed=True, happening=None)


def needing(levels: Iterable[AttentionLevel]) -> ColumnElement[bool]:
    """Build the condition "needs one of these levels of attention now"; no level means no row.

    For levels above none it is of the form that the index of sessions with attention serves.
    """
    wanted = tuple(dict.fromkeys(levels))
    row = DeliverySession
    if AttentionLevel.NONE in wanted or not wanted:
        return row.attention_level.in_(wanted)
    return and_(text("delivery_sessions.attention_level <> 'none'"), row.attention_level.in_(wanted))


def rank() -> ColumnElement[int]:
    """Build the place of a session's level among the levels, for an order."""
    row = DeliverySession
    return case(*[(row.attention_level == level.value, place) for level, place in RANK.items() if place], else_=0)


def due(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Build the condition "time may have changed it by now", in a form that an index serves."""
    row = DeliverySession
    return and_(row.attention_check_at.is_not(None), row.attention_check_at <= now)


def outdated(rules: Rules) -> ColumnElement[bool]:
    """Build the condition "was settled by older rules", in a form that an index serves."""
    row = DeliverySession
    return and_(row.ended_at.is_(None), row.attention_version < rules.version)
