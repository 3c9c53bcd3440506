"""From signals in a session to how much attention it needs: one pure function over its row (domain.md section 6).

A signal is a count that only grows, or a spell that goes on by the clock. Under the rules of its tenant each is worth a
level from some value on, and the session needs the highest of them. Another signal is one more entry of `MEASURES`,
with its thresholds in `STANDARD` and `HIGH_STAKES`.

Staff may acknowledge what they have seen. It then counts no more until a count grows, a spell gets worse, or another
rule comes to hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from models.attention import AttentionLevel
from models.sessions import DeliverySession, SessionState
from services.sessions_row import Held
from services.sessions_status import last_life

Watched: TypeAlias = DeliverySession | Held
"""A session's row, in whatever way it was read."""

RANK = {level: rank for rank, level in enumerate(AttentionLevel)}
RAISED = tuple(level for level in AttentionLevel if level is not AttentionLevel.NONE)
WATCHED = frozenset({SessionState.ACTIVE.value, SessionState.PAUSED.value})
"""The states in which a session can need attention: it was started, and has not ended."""


class Signal(StrEnum):
    """What may call for attention."""

    FOCUS_LOSSES = "focus_losses"
    FOCUS_OVER_LIMIT = "focus_over_limit"
    TAB_SWITCHES = "tab_switches"
    PASTES = "pastes"
    DISCONNECTIONS = "disconnections"
    DISCONNECTED = "disconnected"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Count:
    """A signal that is a number, and only grows."""

    of: Callable[[Watched], int]
    words: str


@dataclass(frozen=True, slots=True)
class Spell:
    """A signal that is a time: since when it goes on; None while it does not."""

    since: Callable[[Watched], datetime | None]
    words: str


def _over_limit(row: Watched) -> int:
    return 0 if row.focus_loss_limit is None else max(0, row.focus_lost_count - row.focus_loss_limit)


def _idle_since(row: Watched) -> datetime | None:
    return last_life(row) if row.state == SessionState.ACTIVE else None


MEASURES: Mapping[Signal, Count | Spell] = {
    Signal.FOCUS_LOSSES: Count(lambda row: row.focus_lost_count, "The focus was lost {} or more."),
    Signal.FOCUS_OVER_LIMIT: Count(_over_limit, "The focus was lost {} or more beyond the limit of this assessment."),
    Signal.TAB_SWITCHES: Count(lambda row: row.tab_switch_count, "The browser tab was switched {} or more."),
    Signal.PASTES: Count(lambda row: row.paste_count, "Text was pasted {} or more."),
    Signal.DISCONNECTIONS: Count(lambda row: row.disconnect_count, "The connection was lost {} or more."),
    Signal.DISCONNECTED: Spell(lambda row: row.disconnected_at, "The connection is lost for {} or longer."),
    Signal.IDLE: Spell(_idle_since, "Nothing was done for {} or longer."),
}


SPELLS = tuple((signal, one.since) for signal, one in MEASURES.items() if isinstance(one, Spell))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which value on a signal is worth which level; seconds for a spell. None where it never is."""

    notice: int | None = None
    warning: int | None = None
    urgent: int | None = None
    levels: tuple[tuple[AttentionLevel, int], ...] = field(init=False, compare=False, repr=False)
    """The levels that can be reached with their values, the highest first."""

    def __post_init__(self) -> None:
        """Put the levels in order once; they are looked through at every event."""
        given = zip(RAISED, (self.notice, self.warning, self.urgent), strict=True)
        levels = tuple((level, value) for level, value in given if value is not None)[::-1]
        object.__setattr__(self, "levels", levels)

    def reached(self, value: float) -> tuple[AttentionLevel, int] | None:
        """Return the highest level that the value is worth, and from which value on it is; None for none."""
        for one in self.levels:
            if value >= one[1]:
                return one
        return None


T = Thresholds
STANDARD: Mapping[Signal, Thresholds] = {
    Signal.FOCUS_LOSSES: T(3, 6, 12),
    Signal.FOCUS_OVER_LIMIT: T(None, 1, 5),
    Signal.TAB_SWITCHES: T(3, 6, 12),
    Signal.PASTES: T(3, 6, 12),
    Signal.DISCONNECTIONS: T(3, 6, 12),
    Signal.DISCONNECTED: T(30, 120, 300),
    Signal.IDLE: T(180, 360, 900),
}
"""Evalium's own thresholds, for a tenant that sets nothing."""

HIGH_STAKES: Mapping[Signal, Thresholds] = {
    Signal.FOCUS_LOSSES: T(1, 3, 6),
    Signal.FOCUS_OVER_LIMIT: T(None, 1, 3),
    Signal.TAB_SWITCHES: T(1, 2, 4),
    Signal.PASTES: T(1, 3, 6),
    Signal.DISCONNECTIONS: T(1, 3, 6),
    Signal.DISCONNECTED: T(30, 60, 180),
    Signal.IDLE: T(120, 240, 600),
}
"""The same for sessions with high stakes."""

DISCONNECTED_AFTER = 30


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in a tenant. `version` counts its changes; 0 while it has set nothing.

    `disconnected_after` is for how many seconds nothing must be heard of a browser that sends heartbeats before its
    connection counts as lost.
    """

    version: int = 0
    standard: Mapping[Signal, Thresholds] = field(default_factory=lambda: STANDARD)
    high_stakes: Mapping[Signal, Thresholds] = field(default_factory=lambda: HIGH_STAKES)
    disconnected_after: int = DISCONNECTED_AFTER

    def of(self, row: Watched) -> Mapping[Signal, Thresholds]:
        """Return the thresholds of a session."""
        return self.high_stakes if row.is_high_stakes else self.standard


@dataclass(frozen=True, slots=True)
class Holding:
    """A rule that holds: from which value on, and since when that is known; None where it is a count."""

    signal: Signal
    level: AttentionLevel
    threshold: int
    since: datetime | None


def holding(row: Watched, rules: Rules, now: datetime) -> list[Holding]:
    """Return the rules that hold for a session and were not acknowledged, in the order of the signals."""
    if row.state not in WATCHED:
        return []
    found = [one for signal, least in rules.of(row).items() if (one := _held(row, signal, least, now)) is not None]
    if not found or row.attention_acknowledged is None:
        return found
    acknowledged: Mapping[str, Any] = row.attention_acknowledged["signals"]
    return [one for one in found if not _is_acknowledged(row, one, acknowledged.get(one.signal))]


def _held(row: Watched, signal: Signal, thresholds: Thresholds, now: datetime) -> Holding | None:
    measure = MEASURES[signal]
    if isinstance(measure, Count):
        reached = thresholds.reached(measure.of(row))
        return None if reached is None else Holding(signal, *reached, None)
    since = measure.since(row)
    reached = None if since is None else thresholds.reached((now - since).total_seconds())
    if since is None or reached is None:
        return None
    return Holding(signal, *reached, since + timedelta(seconds=reached[1]))


def seen(row: Watched, rules: Rules, now: datetime) -> dict[str, Any]:
    """Return what is acknowledged of a session as it is: counts by their number, spells by their begin and level."""
    known: dict[str, Any] = dict((row.attention_acknowledged or {}).get("signals", {}))
    for one in holding(row, rules, now):
        measure = MEASURES[one.signal]
        if isinstance(measure, Count):
            known[one.signal] = {"count": measure.of(row)}
        else:
            since = measure.since(row)
            known[one.signal] = {"since": None if since is None else since.isoformat(), "level": one.level}
    return known


def _is_acknowledged(row: Watched, one: Holding, known: Mapping[str, Any] | None) -> bool:
    if known is None:
        return False
    measure = MEASURES[one.signal]
    if isinstance(measure, Count):
        return measure.of(row) <= known["count"]
    since = measure.since(row)
    same = since is not None and since.isoformat() == known["since"]
    return same and RANK[one.level] <= RANK[AttentionLevel(known["level"])]


def highest(found: list[Holding]) -> AttentionLevel:
    """Return the level that a session needs under the rules that hold."""
    return max((one.level for one in found), key=RANK.__getitem__, default=AttentionLevel.NONE)


def next_change(row: Watched, rules: Rules, now: datetime) -> datetime | None:
    """Return when time alone will change a session next: a spell gets worse, or silence becomes a lost connection.

    None where it never will.
    """
    if row.state not in WATCHED:
        return None
    instants: list[datetime] = []
    thresholds = rules.of(row)
    for signal, since_when in SPELLS:
        since = since_when(row)
        if since is not None:
            turns = (since + timedelta(seconds=least) for _, least in thresholds[signal].levels)
            instants += [turn for turn in turns if turn > now]
    silent = silent_from(row, rules)
    return min(instants if silent is None else [*instants, silent], default=None)


def silent_from(row: Watched, rules: Rules) -> datetime | None:
    """Return when the connection counts as lost if nothing is heard; None where it is, or no heartbeat ever came."""
    if row.last_seen_at is None or row.disconnected_at is not None or row.state not in WATCHED:
        return None
    return row.last_seen_at + timedelta(seconds=rules.disconnected_after)


def words(signal: Signal, threshold: int) -> str:
    """Say what a rule that holds means."""
    measure = MEASURES[signal]
    if isinstance(measure, Count):
        return measure.words.format("once" if threshold == 1 else f"{threshold} times")
    return measure.words.format(_time(threshold))


def _time(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    parts = [(minutes, "minute"), (rest, "second")]
    return " ".join(f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n) or "0 seconds"
