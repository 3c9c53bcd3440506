"""The figures of a cohort, against a naive recomputation."""

import statistics
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from models.submissions import Outcome
from services import cohorts
from services.cohorts import Attempt, Attempts

IDS = [UUID(int=n) for n in range(4)]
PERCENTS = st.decimals(0, 100, places=2)
FINAL = (Outcome.PASSED, Outcome.FAILED)


@st.composite
def runs(draw):
    """Attempts of some people on some assignments, numbered without gaps, in any order."""
    found = []
    for assignment in IDS[:2]:
        for person in IDS:
            for number in range(1, draw(st.integers(0, 3)) + 1):
                outcome = draw(st.sampled_from([None, *Outcome]))
                percent = None if outcome is None else draw(PERCENTS)
                seconds = draw(st.none() | st.integers(0, 90_000))
                found.append(Attempt(assignment, person, number, outcome, percent, seconds))
    return draw(st.permutations(found))


def half_up(exact):
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.01"), ROUND_HALF_UP)


@given(runs())
def test_which_attempts_count(attempts):
    assert cohorts.counting(attempts, Attempts.ALL) == attempts
    first = cohorts.counting(attempts, Attempts.FIRST)
    assert sorted(map(repr, first)) == sorted(repr(one) for one in attempts if one.number == 1)
    for best in cohorts.counting(attempts, Attempts.BEST):
        own = [o for o in attempts if (o.assignment_id, o.user_id) == (best.assignment_id, best.user_id)]
        final = [one for one in own if one.outcome in FINAL]
        top = max((one.percent for one in final), default=None)
        expected = [one for one in final if one.percent == top] or own
        assert best.number == min(one.number for one in expected)


@given(runs())
def test_figures(attempts):
    found = cohorts.figures(attempts)
    final = [one for one in attempts if one.outcome in FINAL]
    passed = [one for one in final if one.outcome is Outcome.PASSED]
    assert (found.attempts, found.passed, found.failed) == (len(attempts), len(passed), len(final) - len(passed))
    assert found.pending == len([one for one in attempts if one.outcome is Outcome.PENDING])
    assert found.pass_rate == (half_up(Fraction(100 * len(passed), len(final))) if final else None)
    for n, number in enumerate(found.bins):
        low, high = 10 * n, 10 * n + 10 if n < 9 else 101
        assert number == len([one for one in final if low <= one.percent < high])
    for told, values in (
        (found.scores, [Fraction(one.percent) for one in final]),
        (found.seconds, [Fraction(one.seconds) for one in attempts if one.seconds is not None]),
    ):
        if not values:
            assert told is None
            continue
        expected = (min(values), statistics.median(values), sum(values, Fraction(0)) / len(values), max(values))
        assert (told.minimum, told.median, told.mean, told.maximum) == tuple(map(half_up, expected))


def test_half_a_hundredth_goes_up():
    assert cohorts.rounded(Fraction(1, 200)) == Decimal("0.01")
    assert cohorts.rounded(Fraction(200, 3)) == Decimal("66.67")
    assert cohorts.rounded(Fraction(100)) == Decimal("100.00")
