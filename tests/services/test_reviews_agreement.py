"""When two marks agree: golden tables, and what holds for any marks."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.submissions import ItemState
from services.reviews_agreement import AgreedBy, Pair, Rule, Totals, agreed, class_of, is_near
from services.scoring import ItemScore, PassMark, ScoreTotal, total

CLASSES = tuple(map(Decimal, ("40", "50", "60", "70")))


def d(text: str) -> Decimal:
    return Decimal(text)


def adding(worth: Sequence[Decimal], passing: str = "40") -> Totals:
    """Say what a submission comes to that has these items and no others."""

    def together(points: Sequence[Decimal]) -> ScoreTotal:
        items = [ItemScore(one, most, ItemState.SCORED, correct=None) for one, most in zip(points, worth, strict=True)]
        return total(items, PassMark(percent=d(passing)))

    return together


def of_one(first: str, second: str, *, by: AgreedBy = AgreedBy.AVERAGE, tolerance: str = "5") -> str | None:
    pair = Pair(d(first), d(second), d("100"))
    done = agreed([pair], Rule(d(tolerance), CLASSES, by), adding([d("100")]))
    return None if done is None else format(done[0].normalize(), "f")


@pytest.mark.parametrize(
    ("percent", "expected"),
    [("0", 0), ("39.99", 0), ("40", 1), ("40.00", 1), ("49.99", 1), ("50", 2), ("69.99", 3), ("70.00", 4), ("100", 4)],
)
def test_every_percentage_is_in_exactly_one_class(percent: str, expected: int):
    assert class_of(d(percent), CLASSES) == expected


@pytest.mark.parametrize(
    ("first", "second", "average", "highest", "adjudicated"),
    [
        ("64", "64", "64", "64", "64"),
        ("62", "66", "64", "66", None),
        ("62.5", "65", "63.75", "65", None),
        ("61", "66", "63.5", "66", None),
        ("60.9999", "66", None, None, None),
        ("68", "72", None, None, None),
        ("69", "70", None, None, None),
        ("69.99", "70", None, None, None),
        ("69.995", "70", "69.9975", "70", None),
        ("69.9949", "69.995", None, None, None),
        ("70", "75", "72.5", "75", None),
        ("39.99", "40", None, None, None),
        ("40", "40", "40", "40", "40"),
        ("0", "5", "2.5", "5", None),
        ("95", "100", "97.5", "100", None),
    ],
)
def test_two_marks_out_of_a_hundred(
    first: str, second: str, average: str | None, highest: str | None, adjudicated: str | None
):
    assert of_one(first, second) == of_one(second, first) == average
    assert of_one(first, second, by=AgreedBy.HIGHEST) == of_one(second, first, by=AgreedBy.HIGHEST) == highest
    assert of_one(first, second, by=AgreedBy.ADJUDICATOR, tolerance="0") == adjudicated


def test_items_that_agree_one_by_one_may_straddle_together():
    worth = [d("50"), d("50")]
    apart = [Pair(d("34"), d("36"), d("50")), Pair(d("35"), d("36"), d("50"))]
    assert agreed(apart, Rule(d("5"), CLASSES), adding(worth)) is None
    level = [Pair(d("34"), d("36"), d("50")), Pair(d("35"), d("33"), d("50"))]
    assert agreed(level, Rule(d("5"), CLASSES), adding(worth)) == [d("35"), d("34")]


def test_passing_and_failing_are_never_one_class():
    pair = [Pair(d("54"), d("56"), d("100"))]
    assert agreed(pair, Rule(d("5")), adding([d("100")], "55")) is None
    assert agreed(pair, Rule(d("5")), adding([d("100")], "50")) == [d("55")]


@pytest.mark.parametrize(
    ("percent", "near"), [("47.99", False), ("48", True), ("50", True), ("52", True), ("53", False)]
)
def test_near_is_meant_on_both_sides(percent: str, *, near: bool):
    assert is_near(d(percent), [d("50")], d("2")) is near


points = st.decimals(0, 50, places=4)
pairs_ = st.lists(st.tuples(points, points), min_size=1, max_size=5)


@given(pairs_, st.sampled_from([AgreedBy.AVERAGE, AgreedBy.HIGHEST]), st.decimals(0, 100, places=2))
def test_an_agreed_mark_lies_between_the_two_and_in_their_class(
    marks: list[tuple[Decimal, Decimal]], by: AgreedBy, tolerance: Decimal
):
    pairs = [Pair(first, second, d("50")) for first, second in marks]
    sums = adding([d("50")] * len(pairs))
    done = agreed(pairs, Rule(tolerance, CLASSES, by), sums)
    first, second = sums([one.first for one in pairs]), sums([one.second for one in pairs])
    if done is None:
        far = any(abs(one.first - one.second) * 100 > tolerance * 50 for one in pairs)
        ends = {(one.outcome, class_of(one.percent, CLASSES)) for one in (first, second)}
        assert far or len(ends) == 2 or by is AgreedBy.HIGHEST or first.percent != second.percent
        return
    assert all(min(p.first, p.second) <= one <= max(p.first, p.second) for one, p in zip(done, pairs, strict=True))
    settled = sums(done)
    for one in (first, second):
        assert (one.outcome, class_of(one.percent, CLASSES)) == (settled.outcome, class_of(settled.percent, CLASSES))


@given(pairs_, st.sampled_from(list(AgreedBy)))
def test_it_does_not_matter_who_was_first(marks: list[tuple[Decimal, Decimal]], by: AgreedBy):
    sums = adding([d("50")] * len(marks))
    there = [Pair(first, second, d("50")) for first, second in marks]
    back = [Pair(second, first, d("50")) for first, second in marks]
    rule = Rule(d("10"), CLASSES, by)
    assert agreed(there, rule, sums) == agreed(back, rule, sums)
