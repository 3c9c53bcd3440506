"""The figures of a cohort, all attempts under one run label: pure arithmetic over rows that were read (domain.md 5).

Percentages have two decimals, half up; times are whole seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final
from uuid import UUID

from models.submissions import Outcome

BINS: Final = 10
_WIDTH: Final = 100 // BINS
_CENT: Final = Decimal("0.01")


class Attempts(StrEnum):
    """Which attempts of a person on an assignment count."""

    FIRST = "first"
    BEST = "best"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was opened: its number, its newest score where there is one, and how long it took.

    `outcome` and `percent` are None before something was handed in; a pending outcome's percent does not count yet.
    `seconds` is the time from start to end without pauses; None while it goes on, and where it never started.
    """

    assignment_id: UUID
    user_id: UUID
    number: int
    outcome: Outcome | None
    percent: Decimal | None
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, middle and greatest of some values."""

    minimum: Decimal
    median: Decimal
    mean: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of the attempts that count.

    `pass_rate` is the share of the passed among those with a final outcome, `bins` how many of their scores lie in
    each tenth of 0 to 100 percent; the last one holds 100 too. What is None has nothing to be taken of.
    """

    attempts: int
    passed: int
    failed: int
    pending: int
    pass_rate: Decimal | None
    bins: Sequence[int]
    scores: Spread | None
    seconds: Spread | None


def counting(attempts: Iterable[Attempt], which: Attempts) -> list[Attempt]:
    """Return the attempts that count, one for each person and assignment, or all.

    The best is the one with the highest final score; the earlier of equals, and the first where none is final.
    """
    if which is Attempts.ALL:
        return list(attempts)
    chosen: dict[tuple[UUID, UUID], Attempt] = {}
    for one in attempts:
        key = (one.assignment_id, one.user_id)
        held = chosen.get(key)
        if held is None or _rank(one, which) > _rank(held, which):
            chosen[key] = one
    return list(chosen.values())


def figures(attempts: Sequence[Attempt]) -> Figures:
    """Return the figures of attempts that count."""
    outcomes = [one.outcome for one in attempts]
    passed, failed = outcomes.count(Outcome.PASSED), outcomes.count(Outcome.FAILED)
    percents = [percent for one in attempts if (percent := _final(one)) is not None]
    bins = [0] * BINS
    for percent in percents:
        bins[min(int(percent) // _WIDTH, BINS - 1)] += 1
    return Figures(
        attempts=len(attempts),
        passed=passed,
        failed=failed,
        pending=outcomes.count(Outcome.PENDING),
        pass_rate=None if not passed + failed else rounded(Fraction(100 * passed, passed + failed)),
        bins=bins,
        scores=spread(percents),
        seconds=spread([Decimal(one.seconds) for one in attempts if one.seconds is not None]),
    )


def spread(values: Sequence[Decimal]) -> Spread | None:
    """Return least, middle, mean and greatest; None of nothing. The median of an even number is the middle's mean."""
    if not values:
        return None
    ordered = sorted(values)
    middle = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    mean = sum(map(Fraction, ordered), Fraction(0)) / len(ordered)
    median = (Fraction(middle[0]) + Fraction(middle[1])) / 2
    return Spread(rounded(Fraction(ordered[0])), rounded(median), rounded(mean), rounded(Fraction(ordered[-1])))


def rounded(exact: Fraction) -> Decimal:
    """Return a fraction with two decimals, half up; it is not negative."""
    hundredths = (exact * 100 + Fraction(1, 2)).__floor__()
    return (Decimal(hundredths) * _CENT).quantize(_CENT, ROUND_HALF_UP)


def _final(one: Attempt) -> Decimal | None:
    return one.percent if one.outcome in {Outcome.PASSED, Outcome.FAILED} else None


def _rank(one: Attempt, which: Attempts) -> tuple[Decimal, int]:
    percent = _final(one) if which is Attempts.BEST else None
    return (Decimal(-1) if percent is None else percent, -one.number)
