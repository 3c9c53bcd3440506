"""The thresholds of a tenant, from which on signals in its sessions need attention (domain.md section 6)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.attention import AttentionRules
from models.base import uuid7
from services import words
from services.attention import (
    DISCONNECTED_AFTER,
    HIGH_STAKES,
    MEASURES,
    RAISED,
    STANDARD,
    Count,
    Rules,
    Signal,
    Thresholds,
)
from services.idempotency import Answer
from services.refusals import InvalidInput, StateDrift
from services.viewer import Viewer
from services.work import Office, Work

MOST_TIMES = 10_000
LONGEST_SPELL = 24 * 3600
SHORTEST_SILENCE, LONGEST_SILENCE = 10, 600

KEPT_FOR = 1.0
"""Seconds for which a process goes by what it has read; sessions settled by older rules are settled anew after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a tenant sets; a signal that is left out, and None, is left to Evalium's own thresholds."""

    standard: Sequence[tuple[Signal, Thresholds]] = ()
    high_stakes: Sequence[tuple[Signal, Thresholds]] = ()
    disconnected_after_seconds: int | None = None


async def row(work: Work) -> AttentionRules | None:
    """Return what the tenant has set; None while it sets nothing."""
    return (await work.session.scalars(select(AttentionRules))).one_or_none()


async def current(work: Work) -> Rules:
    """Return the rules that hold in the viewer's tenant."""
    return read(await row(work))


def read(found: AttentionRules | None) -> Rules:
    """Return the rules of a row; without one, Evalium's own."""
    if found is None:
        return Rules()
    standard, high = _read(found.standard, STANDARD), _read(found.high_stakes, HIGH_STAKES)
    return Rules(found.version, standard, high, found.disconnected_after_seconds)


def _read(stored: Mapping[str, Any], usual: Mapping[Signal, Thresholds]) -> dict[Signal, Thresholds]:
    """Return stored thresholds; a signal that nobody had heard of when they were stored has its usual ones."""
    return {
        signal: Thresholds(*stored[signal]) if signal in stored else thresholds for signal, thresholds in usual.items()
    }


async def update(work: Work, wanted: Wanted, reason: str, expected_version: int | None) -> Answer:
    """Set the tenant's thresholds, all of them at once. Sessions that run are settled by them within seconds.

    Refuses values out of bounds or out of order, thresholds for high stakes that are more lenient than the others, and
    another version than the expected one.
    """
    why, now = words.reason(reason), await work.now()
    standard = _checked(wanted.standard, STANDARD, "standard")
    high = _checked(wanted.high_stakes, HIGH_STAKES, "highStakes")
    _check_stricter(standard, high)
    silence = _silence(wanted.disconnected_after_seconds)
    await work.lock(f"attention-rules/{work.viewer.tenant_id}")
    kept = await row(work)
    before, version = (None, 0) if kept is None else (_told(kept), kept.version)
    if expected_version is not None and expected_version != version:
        raise StateDrift("The rules were changed meanwhile.", current_state="CHANGED", current_version=version)
    if kept is None:
        kept = AttentionRules(id=uuid7())
        work.session.add(kept)
    kept.standard, kept.high_stakes = _stored(standard), _stored(high)
    kept.disconnected_after_seconds = silence
    kept.changed_by, kept.changed_at, kept.version = work.viewer.user_id, now, version + 1
    await work.session.flush()
    work.record("attention_rules.updated", ("tenant", kept.tenant_id), reason=why, before=before, after=_told(kept))
    return {"rules": str(kept.id)}


def _checked(
    given: Sequence[tuple[Signal, Thresholds]], usual: Mapping[Signal, Thresholds], name: str
) -> dict[Signal, Thresholds]:
    """Return all thresholds with those that are given; refuse a signal given twice, and values that cannot be."""
    found: dict[Signal, Thresholds] = {}
    for n, (signal, thresholds) in enumerate(given):
        path = [name, n]
        if signal in found:
            raise InvalidInput(f"{signal.upper()} is given twice.", path=path, hint="Give each signal once.")
        is_count = isinstance(MEASURES[signal], Count)
        most = MOST_TIMES if is_count else LONGEST_SPELL
        values = [(level, value) for level, value in zip(RAISED, _values(thresholds), strict=True) if value is not None]
        for level, value in values:
            if not 1 <= value <= most:
                said = f"A threshold of {signal.upper()} is 1 to {most}{'' if is_count else ' seconds'}, not {value}."
                raise InvalidInput(said, path=[*path, level.value])
        if [value for _, value in values] != sorted(value for _, value in values):
            said = f"The thresholds of {signal.upper()} fall from one level to a higher one."
            raise InvalidInput(said, path=path, hint="Let a higher level begin at the same value or a larger one.")
        found[signal] = thresholds
    return dict(usual) | found


def _check_stricter(standard: Mapping[Signal, Thresholds], high: Mapping[Signal, Thresholds]) -> None:
    """Refuse rules under which a session with high stakes would need less attention than another."""
    for signal, usual in standard.items():
        for value in filter(None, _values(usual)):
            reached, wanted = high[signal].reached(value), usual.reached(value)
            rank = -1 if reached is None else RAISED.index(reached[0])
            if wanted is not None and rank < RAISED.index(wanted[0]):
                said = f"{signal.upper()} of {value} is worth less attention with high stakes than without."
                hint = "Give thresholds for high stakes that are the same or stricter."
                raise InvalidInput(said, path=["highStakes"], hint=hint)


def _silence(seconds: int | None) -> int:
    if seconds is None:
        return DISCONNECTED_AFTER
    if not SHORTEST_SILENCE <= seconds <= LONGEST_SILENCE:
        said = f"A connection counts as lost after {SHORTEST_SILENCE} to {LONGEST_SILENCE} seconds, not {seconds}."
        raise InvalidInput(said, path=["disconnectedAfterSeconds"])
    return seconds


def _values(one: Thresholds) -> tuple[int | None, int | None, int | None]:
    return one.notice, one.warning, one.urgent


def _stored(thresholds: Mapping[Signal, Thresholds]) -> dict[str, Any]:
    return {str(signal): list(_values(one)) for signal, one in thresholds.items()}


def _told(kept: AttentionRules) -> dict[str, Any]:
    return {
        "standard": kept.standard,
        "high_stakes": kept.high_stakes,
        "disconnected_after_seconds": kept.disconnected_after_seconds,
        "version": kept.version,
    }


@dataclass(slots=True)
class KnownRules:
    """The rules of tenants as a process has read them, for writes of candidates, whose tokens may not read them."""

    office: Office
    _known: dict[UUID, tuple[float, Rules]] = field(default_factory=dict[UUID, tuple[float, Rules]])

    async def of(self, tenant_id: UUID) -> Rules:
        """Return a tenant's rules, read at most a second ago."""
        known = self._known.get(tenant_id)
        if known is not None and time.monotonic() - known[0] < KEPT_FOR:
            return known[1]
        asked = time.monotonic()
        async with self.office.snapshot(Viewer.system(tenant_id, name="attention")) as work:
            rules = await current(work)
        self._known[tenant_id] = (asked, rules)
        return rules
