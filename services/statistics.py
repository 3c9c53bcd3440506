"""Statistics of an assessment by classical test theory: pure arithmetic over sums that were read.

What is not defined, or would tell of single people, has no value and says why.

Sources: L. J. Cronbach, "Coefficient alpha and the internal structure of tests", Psychometrika 16 (1951); F. M. Lord
and M. R. Novick, Statistical Theories of Mental Test Scores (1968); S. Henrysson, "Correction of item-total
correlations in item analysis", Psychometrika 28 (1963); T. L. Kelley, "The selection of upper and lower groups for the
validation of test items", Journal of Educational Psychology 30 (1939).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

SMALLEST_GROUP: Final = 5
"""Of fewer scores, answers or marks only the number is told: each of two people reads the other out of a mean."""

TAIL_PERCENT: Final = 27
"""Share of the best and of the weakest who are compared: Kelley's optimum for scores that are normally distributed."""


class Absence(StrEnum):
    """Why there is no value."""

    TOO_FEW = "too_few"
    NO_VARIANCE = "no_variance"
    VOIDED = "voided"
    ONE_ITEM = "one_item"
    DIFFERENT_PAPERS = "different_papers"
    NO_OTHER_MARKER = "no_other_marker"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, or why there is none."""

    value: float | None = None
    absence: Absence | None = None


class Deviations(NamedTuple):
    """How many pairs there are, and the sums of the squares and products of their deviations from the means."""

    n: int
    xx: float
    yy: float
    xy: float


def deviations(pairs: Sequence[tuple[float, float]]) -> Deviations:
    """Return the sums over pairs; the database takes the same ones of what is too much to be read."""
    n = len(pairs)
    if not n:
        return Deviations(0, 0.0, 0.0, 0.0)
    x, y = math.fsum(one for one, _ in pairs) / n, math.fsum(one for _, one in pairs) / n
    return Deviations(
        n,
        math.fsum((one - x) ** 2 for one, _ in pairs),
        math.fsum((one - y) ** 2 for _, one in pairs),
        math.fsum((a - x) * (b - y) for a, b in pairs),
    )


def standard_deviation(n: int, squares: float) -> float | None:
    """Return the standard deviation of a sample, by n - 1, of the sum of squared deviations; None below two."""
    return None if n < 2 else math.sqrt(squares / (n - 1))  # noqa: PLR2004 - one value has no spread


def correlation(of: Deviations) -> Figure:
    """Return Pearson's correlation.

    Between the scores of an item and those of the rest of the paper it is the corrected item-total correlation
    (Henrysson); where the item is right or wrong, that is the point-biserial correlation (Lord and Novick, 15.5).
    """
    if of.n < 2:  # noqa: PLR2004 - as above
        return Figure(absence=Absence.TOO_FEW)
    if of.xx <= 0 or of.yy <= 0:
        return Figure(absence=Absence.NO_VARIANCE)
    return Figure(max(-1.0, min(1.0, of.xy / math.sqrt(of.xx * of.yy))))


def alpha(items: Sequence[float], whole: float, n: int) -> Figure:
    """Return Cronbach's coefficient alpha: k / (k - 1) * (1 - the items' variances / the variance of their sum).

    `items` and `whole` are sums of squared deviations of the same n papers, in points. With items that are right or
    wrong it is Kuder and Richardson's formula 20. It falls below 0 where items work against each other.
    """
    if n < 2:  # noqa: PLR2004 - as above
        return Figure(absence=Absence.TOO_FEW)
    k = len(items)
    if k < 2:  # noqa: PLR2004 - one item has no consistency
        return Figure(absence=Absence.ONE_ITEM)
    if whole <= 0:
        return Figure(absence=Absence.NO_VARIANCE)
    return Figure(k / (k - 1) * (1 - math.fsum(items) / whole))


def standard_error(deviation: float, reliability: Figure) -> Figure:
    """Return the standard error of measurement, SD * sqrt(1 - reliability) (Lord and Novick, 3.8)."""
    if reliability.value is None:
        return reliability
    return Figure(deviation * math.sqrt(max(0.0, 1 - reliability.value)))


def tail(n: int) -> int:
    """Return how many of n are in the upper, and as many in the lower, group: 27 per cent, half up, at least one."""
    return max(1, (2 * TAIL_PERCENT * n + 100) // 200) if n else 0


def difference(upper: float | None, lower: float | None) -> Figure:
    """Return the discrimination index: the facility in the upper group less that in the lower one (Kelley)."""
    if upper is None or lower is None:
        return Figure(absence=Absence.TOO_FEW)
    return Figure(upper - lower)


class Marks(NamedTuple):
    """The marks of one person for one question, as shares of what it was worth: number, sum and sum of squares."""

    marker_id: UUID
    question: UUID
    n: int
    total: float
    squares: float


@dataclass(frozen=True, slots=True)
class Marker:
    """How somebody marks: severity is the mean difference from all others' means, below 0 for a severe marker."""

    marker_id: UUID
    marks: int
    severity: Figure
    spread: Figure


def markers(marks: Iterable[Marks]) -> list[Marker]:
    """Return how each person marks, whoever marked most in front.

    Each mark is compared with the mean of all marks that others gave for the same question. So a marker who was given
    weaker work looks more severe than they are: papers should have been shared out at random.
    """
    known = list(marks)
    whole: dict[UUID, tuple[int, float]] = {}
    for one in known:
        n, total = whole.get(one.question, (0, 0.0))
        whole[one.question] = n + one.n, total + one.total
    own: dict[UUID, list[Marks]] = {}
    for one in known:
        own.setdefault(one.marker_id, []).append(one)
    found = [_marker(marker_id, some, whole) for marker_id, some in own.items()]
    return sorted(found, key=lambda one: (-one.marks, one.marker_id))


def _marker(marker_id: UUID, some: Sequence[Marks], whole: Mapping[UUID, tuple[int, float]]) -> Marker:
    n = sum(one.n for one in some)
    if n < SMALLEST_GROUP:
        few = Figure(absence=Absence.TOO_FEW)
        return Marker(marker_id, n, few, few)
    compared, apart = 0, 0.0
    for one in some:
        others, total = whole[one.question][0] - one.n, whole[one.question][1] - one.total
        if others:
            compared += one.n
            apart += one.total - one.n * total / others
    total, squares = math.fsum(one.total for one in some), math.fsum(one.squares for one in some)
    spread = standard_deviation(n, max(0.0, squares - total * total / n))
    severity = Figure(apart / compared) if compared else Figure(absence=Absence.NO_OTHER_MARKER)
    return Marker(marker_id, n, severity, Figure(spread))


def rounded(value: float, places: int) -> Decimal:
    """Return a value with so many decimals, half away from 0."""
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0
