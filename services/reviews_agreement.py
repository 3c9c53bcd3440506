"""When two marks agree, and which mark they agree on (domain.md section 9).

Two reviewers agree when each item's marks lie within the tolerance *and* both totals fall into the same class, as
the agreed total does. Classes are half-open intervals over the percentage as it is shown (two decimals, half up), so
every percentage belongs to exactly one: 69.995 is shown as 70.00 and belongs to the class that begins at 70.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from services.scoring import POINTS_PLACES, ScoreTotal, half_up


class AgreedBy(StrEnum):
    """How one mark is made of two."""

    AVERAGE = "average"
    HIGHEST = "highest"
    ADJUDICATOR = "adjudicator"
    """Two equal marks stand; over any others a third person decides."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How far apart two marks may be, in percent of what the item is worth, and how one is made of them.

    `boundaries` are the percentages at which a class begins, ascending.
    """

    tolerance_percent: Decimal
    boundaries: tuple[Decimal, ...] = ()
    by: AgreedBy = AgreedBy.AVERAGE


@dataclass(frozen=True, slots=True)
class Pair:
    """The marks of two people for one item."""

    first: Decimal
    second: Decimal
    max_points: Decimal


Totals = Callable[[Sequence[Decimal]], ScoreTotal]
"""What the whole submission comes to when the items have these points."""


def class_of(percent: Decimal, boundaries: Sequence[Decimal]) -> int:
    """Return which class a shown percentage is in: 0 below the first boundary, and so on."""
    return bisect_right(boundaries, percent)


def agreed(pairs: Sequence[Pair], rule: Rule, total: Totals) -> list[Decimal] | None:
    """Return the agreed points of each item, in order; None where a third person has to decide."""
    points = [_middle(one, rule.by) for one in pairs]
    if not all(_is_close(one, rule) for one in pairs):
        return None
    sides = ([one.first for one in pairs], [one.second for one in pairs], points)
    classes = {_class(total(side), rule) for side in sides}
    return points if len(classes) == 1 else None


def is_near(percent: Decimal, marks: Sequence[Decimal], within: Decimal) -> bool:
    """Tell whether a percentage is within so many points of any of these marks, on either side."""
    return any(abs(percent - one) <= within for one in marks)


def _class(total: ScoreTotal, rule: Rule) -> tuple[str, int]:
    """Return the class; passing and failing are always different ones."""
    return total.outcome, class_of(total.percent, rule.boundaries)


def _is_close(pair: Pair, rule: Rule) -> bool:
    if rule.by is AgreedBy.ADJUDICATOR:
        return pair.first == pair.second
    return abs(pair.first - pair.second) * 100 <= rule.tolerance_percent * pair.max_points


def _middle(pair: Pair, by: AgreedBy) -> Decimal:
    if by is AgreedBy.HIGHEST:
        return max(pair.first, pair.second)
    return half_up((Fraction(pair.first) + Fraction(pair.second)) / 2, POINTS_PLACES)
