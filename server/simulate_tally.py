"""What a simulation counts: how long each operation took, what was refused, and how late events came to proctors."""

import asyncio
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

SEQS: Final = 100_000
"""More events than any session has."""

LOOKS_EVERY: Final = 0.1
"""Seconds between two looks at how late the simulator itself is."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How many values there were, and their percentiles; in the unit of the values."""

    count: int
    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: "array[float]") -> "Shares":
        """Return the percentiles of values; all of them are 0 where there is none."""
        if not values:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        ordered = sorted(values)
        last = len(ordered) - 1
        p50, p90, p99 = (ordered[min(last, int(len(ordered) * share))] for share in (0.5, 0.9, 0.99))
        return cls(len(ordered), p50, p90, p99, ordered[-1])


def _seconds() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Tally:
    """The counts of one simulation. Times are seconds; events are known by a number made of session and `seq`."""

    times: dict[str, "array[float]"] = field(default_factory=lambda: defaultdict[str, "array[float]"](_seconds))
    errors: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict[str, Counter[str]](Counter[str]))
    delays: "array[float]" = field(default_factory=_seconds)
    late: "array[float]" = field(default_factory=_seconds)
    frames: int = 0
    cuts: int = 0
    _sessions: dict[str, int] = field(default_factory=dict[str, int])
    _acknowledged: dict[int, float] = field(default_factory=dict[int, float])
    _early: Counter[int] = field(default_factory=Counter[int])

    def took(self, operation: str, seconds: float) -> None:
        """Note an operation that was answered."""
        self.times[operation].append(seconds)

    def failed(self, operation: str, code: str) -> None:
        """Note an operation that was not."""
        self.errors[operation][code] += 1

    def code(self, session_id: str, seq: int) -> int:
        """Return the number of an event."""
        return self._sessions.setdefault(session_id, len(self._sessions)) * SEQS + seq

    def acknowledged(self, session_id: str, seq: int) -> None:
        """Note that an event is committed, as its writer was just told. Proctors who have it already did not wait."""
        event = self.code(session_id, seq)
        self.delays.extend([0.0] * self._early.pop(event, 0))
        self._acknowledged[event] = perf_counter()

    def arrived(self, event: int) -> None:
        """Note that an event came to a proctor."""
        at = self._acknowledged.get(event)
        if at is None:
            self._early[event] += 1
        else:
            self.delays.append(perf_counter() - at)

    async def look_at_oneself(self) -> None:
        """Measure, until cancelled, how much later than asked for this process comes to its turn."""
        while True:
            began = perf_counter()
            await asyncio.sleep(LOOKS_EVERY)
            self.late.append(perf_counter() - began - LOOKS_EVERY)
