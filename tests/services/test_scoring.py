from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.submissions import ItemState, Outcome
from services import content, responses, scoring
from services.content_kinds import CaseRule, QuestionKind
from services.refusals import InvalidInput
from services.scoring import ItemScore, PassMark, half_up

LETTERS = "abcdefgh"


def options(number: int) -> list[dict[str, str]]:
    return [{"id": letter, "text": f"text {letter}"} for letter in LETTERS[:number]]


def judge(kind: QuestionKind, raw: Any, raw_key: Any, answer: Any, points: str = "1") -> ItemScore:
    asked = content.parse_content(kind, raw)
    key = content.parse_key(kind, asked, raw_key)
    return scoring.score(kind, asked, key, responses.parse_response(kind, asked, answer), Decimal(points))


FIVE = {"options": options(5)}
LISTS = {"left": options(4), "right": options(6)}
FOUR = {"items": options(4)}
MATCHED = {"pairs": {"a": "a", "b": "b", "c": "c", "d": "d"}}

CASES: list[tuple[QuestionKind, Any, Any, Any, str]] = [
    (QuestionKind.SINGLE_CHOICE, FIVE, {"correct": "b"}, {"choice": "b"}, "3.0000"),
    (QuestionKind.SINGLE_CHOICE, FIVE, {"correct": "b"}, {"choice": "c"}, "0.0000"),
    (QuestionKind.TRUE_FALSE, {}, {"correct": True}, {"choice": "true"}, "3.0000"),
    (QuestionKind.TRUE_FALSE, {}, {"correct": True}, {"choice": "false"}, "0.0000"),
    (QuestionKind.MULTIPLE_CHOICE, FIVE, {"correct": ["a", "b"]}, {"choices": ["b", "a"]}, "3.0000"),
    (QuestionKind.MULTIPLE_CHOICE, FIVE, {"correct": ["a", "b"]}, {"choices": ["a"]}, "0.0000"),
    (QuestionKind.MULTIPLE_CHOICE, FIVE, {"correct": ["a", "b"]}, {"choices": ["a", "b", "c"]}, "0.0000"),
    *(
        (
            QuestionKind.MULTIPLE_CHOICE,
            FIVE,
            {"correct": ["a", "b", "c"], "rule": "proportional_minus_wrong"},
            {"choices": list(chosen)},
            points,
        )
        for chosen, points in {
            "abc": "3.0000",
            "ab": "2.0000",
            "abd": "1.0000",
            "abcd": "2.0000",
            "abcde": "1.0000",
            "ade": "0.0000",
            "de": "0.0000",
        }.items()
    ),
    *(
        (
            QuestionKind.MULTIPLE_CHOICE,
            FIVE,
            {"correct": ["a", "b", "c"], "rule": "per_option"},
            {"choices": list(chosen)},
            points,
        )
        for chosen, points in {
            "abc": "3.0000",
            "ab": "2.4000",
            "abcde": "1.8000",
            "d": "0.6000",
            "de": "0.0000",
        }.items()
    ),
    (QuestionKind.NUMERIC, {}, {"value": "3.14", "tolerance": "0.01"}, {"value": "3.15"}, "3.0000"),
    (QuestionKind.NUMERIC, {}, {"value": "3.14", "tolerance": "0.01"}, {"value": "3.1500001"}, "0.0000"),
    (QuestionKind.NUMERIC, {}, {"value": "0.1", "tolerance": "0.2"}, {"value": "0.3"}, "3.0000"),
    (QuestionKind.NUMERIC, {}, {"value": "5"}, {"value": "5.000"}, "3.0000"),
    (QuestionKind.NUMERIC, {}, {"value": "5"}, {"value": "50e-1"}, "3.0000"),
    (QuestionKind.NUMERIC, {}, {"value": "1e99"}, {"value": "1e98"}, "0.0000"),
    (QuestionKind.NUMERIC, {}, {"value": "1e-99"}, {"value": "0"}, "0.0000"),
    (
        QuestionKind.NUMERIC,
        {},
        {"value": "-200", "tolerance": "0.05", "tolerance_kind": "relative"},
        {"value": "\N{MINUS SIGN}190"},
        "3.0000",
    ),
    (
        QuestionKind.NUMERIC,
        {},
        {"value": "-200", "tolerance": "0.05", "tolerance_kind": "relative"},
        {"value": "-189.9"},
        "0.0000",
    ),
    (QuestionKind.SHORT_TEXT, {}, {"accepted": ["ohm", "Ω"]}, {"text": "  OHM "}, "3.0000"),
    (QuestionKind.SHORT_TEXT, {}, {"accepted": ["Ohm"], "case": "exact"}, {"text": "ohm"}, "0.0000"),
    (QuestionKind.SHORT_TEXT, {}, {"accepted": ["radio wave"]}, {"text": "Radio\u00a0\n wave"}, "3.0000"),
    (QuestionKind.MATCHING, LISTS, MATCHED, MATCHED, "3.0000"),
    (QuestionKind.MATCHING, LISTS, MATCHED, {"pairs": {"a": "a", "b": "b", "c": "c"}}, "0.0000"),
    (
        QuestionKind.MATCHING,
        LISTS,
        {**MATCHED, "rule": "per_pair"},
        {"pairs": {"a": "a", "b": "b", "c": "d"}},
        "1.5000",
    ),
    (QuestionKind.ORDERING, FOUR, {"order": list("abcd")}, {"order": list("abcd")}, "3.0000"),
    (QuestionKind.ORDERING, FOUR, {"order": list("abcd")}, {"order": list("abdc")}, "0.0000"),
    (
        QuestionKind.ORDERING,
        FOUR,
        {"order": list("abcd"), "rule": "per_position"},
        {"order": list("abdc")},
        "1.5000",
    ),
    (
        QuestionKind.ORDERING,
        FOUR,
        {"order": list("abcd"), "rule": "per_position"},
        {"order": list("bcda")},
        "0.0000",
    ),
    (
        QuestionKind.ORDERING,
        FOUR,
        {"order": list("abcd"), "rule": "adjacent_pairs"},
        {"order": list("bcda")},
        "2.0000",
    ),
    (
        QuestionKind.ORDERING,
        FOUR,
        {"order": list("abcd"), "rule": "adjacent_pairs"},
        {"order": list("dcba")},
        "0.0000",
    ),
]


@pytest.mark.parametrize(("kind", "raw", "key", "answer", "points"), CASES)
def test_points_of_three(kind: QuestionKind, raw: Any, key: Any, answer: Any, points: str) -> None:
    result = judge(kind, raw, key, answer, "3")
    assert str(result.points_awarded) == points
    assert result.max_points == 3
    assert result.state is ItemState.SCORED
    assert result.correct is (points == "3.0000")


@pytest.mark.parametrize(
    ("kind", "raw", "key", "answer"),
    [
        (QuestionKind.SINGLE_CHOICE, FIVE, {"correct": "a"}, None),
        (QuestionKind.MULTIPLE_CHOICE, FIVE, {"correct": ["a"], "rule": "per_option"}, {"choices": []}),
        (QuestionKind.SHORT_TEXT, {}, {"accepted": ["a"]}, {"text": " "}),
        (QuestionKind.ESSAY, {}, {}, {"text": ""}),
        (QuestionKind.ESSAY, {}, {}, None),
        (QuestionKind.FILE_UPLOAD, {}, {}, {"files": []}),
    ],
)
def test_no_answer_earns_nothing_under_any_rule(kind: QuestionKind, raw: Any, key: Any, answer: Any) -> None:
    result = judge(kind, raw, key, answer)
    assert (result.points_awarded, result.state, result.correct) == (Decimal("0.0000"), ItemState.UNANSWERED, False)


def test_an_essay_waits_for_a_person_and_says_how_long_it_is() -> None:
    result = judge(QuestionKind.ESSAY, {"max_words": 3}, {}, {"text": "one two\nthree four"}, "10")
    assert (result.points_awarded, result.state, result.correct) == (None, ItemState.PENDING, None)
    assert result.max_points == 10
    assert result.detail == {"words": 4, "max_words": 3}


def test_files_wait_for_a_person() -> None:
    files = [f"0190000{n}-0000-7000-8000-000000000000" for n in range(2)]
    result = judge(QuestionKind.FILE_UPLOAD, {"max_files": 2}, {}, {"files": files}, "10")
    assert (result.points_awarded, result.state, result.detail) == (None, ItemState.PENDING, {"files": 2})


def test_the_detail_tells_how_the_points_came_about() -> None:
    key = {"correct": ["a", "b"], "rule": "per_option"}
    result = judge(QuestionKind.MULTIPLE_CHOICE, FIVE, key, {"choices": ["a", "e"]})
    assert result.detail == {"rule": "per_option", "right": 1, "wrong": 1, "of": 2, "options": 5}


@pytest.mark.parametrize(
    ("one", "other", "exact", "ignoring"),
    [
        ("café", "cafe\u0301", True, True),
        ("CAFÉ", "cafe\u0301", False, True),
        ("straße", "STRASSE", False, True),
        ("Istanbul", "\u0130stanbul", False, False),
        ("5²", "52", False, False),
        ("a b", "ab", False, False),
        ("a  b", " a\tb ", True, True),
        ("Å", "\u212b", True, True),
        ("ς", "Σ", False, True),
    ],
)
def test_short_texts_are_compared_as_people_mean_them(one: str, other: str, exact: bool, ignoring: bool) -> None:  # noqa: FBT001 - columns of the table
    assert scoring.same_text(one, other, CaseRule.EXACT) is exact
    assert scoring.same_text(one, other, CaseRule.IGNORE_CASE) is ignoring


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(CaseRule))
def test_comparing_texts_is_symmetric_and_ignoring_case_accepts_more(one: str, other: str, case: CaseRule) -> None:
    assert scoring.same_text(one, one, case)
    assert scoring.same_text(one, other, case) == scoring.same_text(other, one, case)
    if scoring.same_text(one, other, CaseRule.EXACT):
        assert scoring.same_text(one, other, CaseRule.IGNORE_CASE)


SETS = st.sets(st.sampled_from(LETTERS[:6]), min_size=1)
POINTS = st.decimals("0.0001", 100, places=4)
RULES = st.sampled_from(["all_or_nothing", "proportional_minus_wrong", "per_option"])


@given(SETS, SETS, RULES, POINTS)
def test_points_stay_between_nothing_and_all_with_four_decimals(
    correct: set[str], chosen: set[str], rule: str, points: Decimal
) -> None:
    key = {"correct": sorted(correct), "rule": rule}
    result = judge(QuestionKind.MULTIPLE_CHOICE, {"options": options(6)}, key, {"choices": list(chosen)}, str(points))
    assert result.points_awarded is not None
    assert 0 <= result.points_awarded <= result.max_points == points
    assert result.points_awarded.as_tuple().exponent == -4
    assert result.correct is (chosen == correct)
    assert (result.points_awarded == points) or chosen != correct


@given(SETS, SETS, st.sampled_from(LETTERS[:6]), RULES)
def test_a_better_choice_never_earns_less(correct: set[str], chosen: set[str], option: str, rule: str) -> None:
    def earned(choices: set[str]) -> Decimal:
        key = {"correct": sorted(correct), "rule": rule}
        result = judge(QuestionKind.MULTIPLE_CHOICE, {"options": options(6)}, key, {"choices": list(choices)})
        assert result.points_awarded is not None
        return result.points_awarded

    better = chosen | {option} if option in correct else chosen - {option}
    assert not better or earned(better) >= earned(chosen)


@pytest.mark.parametrize("rule", ["all_or_nothing", "per_position", "adjacent_pairs"])
def test_only_the_right_order_earns_everything(rule: str) -> None:
    full = [
        given_order
        for given_order in permutations("abcd")
        if judge(
            QuestionKind.ORDERING, FOUR, {"order": list("cadb"), "rule": rule}, {"order": list(given_order)}
        ).correct
    ]
    assert full == [("c", "a", "d", "b")]


@given(st.decimals(-10_000, 10_000, allow_nan=False) | st.decimals(-10, 10, places=5), st.integers(0, 6))
def test_places_are_those_that_a_number_needs(value: Decimal, places: int) -> None:
    assert scoring.has_places(value, places) == (Fraction(value) * 10**places % 1 == 0)


@pytest.mark.parametrize("points", ["1E-999999999", "0E-999999999", "NaN", "sNaN", "-Infinity", "1E+999999999"])
def test_points_with_an_absurd_exponent_are_refused_at_once(points: str) -> None:
    with pytest.raises(InvalidInput):
        scoring.check_points(Decimal(points))


@given(st.fractions(0, 10_000, max_denominator=997), st.integers(0, 6))
def test_rounding_is_half_up_and_exact(value: Fraction, places: int) -> None:
    rounded = half_up(value, places)
    assert abs(Fraction(rounded) - value) <= Fraction(1, 2 * 10**places)
    assert rounded.as_tuple().exponent == -places


@given(st.decimals(0, 10_000, places=6), st.integers(0, 5))
def test_rounding_agrees_with_decimal(value: Decimal, places: int) -> None:
    assert half_up(Fraction(value), places) == value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def scored(points: str | None, most: str = "1") -> ItemScore:
    if points is None:
        return ItemScore(None, Decimal(most), ItemState.PENDING, correct=None)
    return ItemScore(Decimal(points), Decimal(most), ItemState.SCORED, correct=points == most)


def papers(right: int, of: int) -> list[ItemScore]:
    return [scored("1")] * right + [scored("0")] * (of - right)


def test_26_of_35_pass_at_26_points_and_25_do_not() -> None:
    mark = PassMark(points=Decimal(26))
    passed, failed = scoring.total(papers(26, 35), mark), scoring.total(papers(25, 35), mark)
    assert (passed.points, passed.max_points, str(passed.percent), passed.outcome) == (26, 35, "74.29", Outcome.PASSED)
    assert (str(failed.percent), failed.outcome) == ("71.43", Outcome.FAILED)


@pytest.mark.parametrize(("percent", "outcome"), [("74.29", Outcome.PASSED), ("74.30", Outcome.FAILED)])
def test_who_reads_the_pass_mark_on_the_result_has_passed(percent: str, outcome: Outcome) -> None:
    assert scoring.total(papers(26, 35), PassMark(percent=Decimal(percent))).outcome is outcome


def test_a_pending_item_keeps_the_outcome_open_even_above_the_mark() -> None:
    result = scoring.total([*papers(9, 9), scored(None)], PassMark(percent=Decimal(50)))
    assert (result.points, result.max_points, str(result.percent)) == (9, 10, "90.00")
    assert result.outcome is Outcome.PENDING


@pytest.mark.parametrize(("mark", "outcome"), [("0", Outcome.PASSED), ("1", Outcome.FAILED)])
def test_nothing_out_of_nothing_is_no_per_cent(mark: str, outcome: Outcome) -> None:
    result = scoring.total([], PassMark(percent=Decimal(mark)))
    assert (str(result.percent), result.outcome) == ("0.00", outcome)


@given(st.lists(st.tuples(st.decimals("0.0001", 50, places=4), st.fractions(0, 1)), min_size=1, max_size=40))
def test_totals_add_up_in_any_order(pairs: list[tuple[Decimal, Fraction]]) -> None:
    items = [scored(str(half_up(Fraction(most) * share, 4)), str(most)) for most, share in pairs]
    mark = PassMark(percent=Decimal(60))
    result = scoring.total(items, mark)
    assert result == scoring.total(items[::-1], mark)
    assert 0 <= result.points <= result.max_points
    assert 0 <= result.percent <= 100
    assert result.points.as_tuple().exponent == -4
    assert scoring.total(items, PassMark(points=result.points)).outcome is Outcome.PASSED
    assert scoring.total(items, PassMark(points=result.points + Decimal("0.0001"))).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("percent", "points"),
    [(None, None), ("50", "26"), ("100.01", None), ("-1", None), ("66.667", None), ("NaN", None), (None, "0.00001")],
)
def test_a_pass_mark_is_one_number_of_fixed_scale(percent: str | None, points: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        PassMark(percent and Decimal(percent), points and Decimal(points))  # type: ignore[arg-type]
    assert refused.value.path[0] == "passMark"


@pytest.mark.parametrize("points", ["0", "-1", "0.00001", "10000.0001", "Infinity"])
def test_an_item_has_points_above_nothing(points: str) -> None:
    with pytest.raises(InvalidInput, match="points"):
        scoring.check_points(Decimal(points))
    assert scoring.check_points(Decimal("0.2500")) == Decimal("0.25")
