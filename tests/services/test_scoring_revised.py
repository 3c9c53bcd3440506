"""Scores by corrections and marks: what each correction does, their order, and the bounds that always hold."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.corrections import CorrectionKind
from models.submissions import ItemState
from services import content, responses, scoring
from services.content_kinds import QuestionKind
from services.corrections_lines import alive, read_line
from services.refusals import InvalidInput
from services.scoring import PassMark
from services.scoring_revised import Asked, Grade, Line, judge, scaled

K = QuestionKind
FOUR = {"options": [{"id": name, "text": f"Option {name}"} for name in "abcd"]}


def asked(kind: QuestionKind, shown: Any, key: Any, points: str = "4") -> Asked:
    parsed = content.parse_content(kind, shown)
    return Asked(kind, parsed, content.parse_key(kind, parsed, key), Decimal(points))


CHOICE = asked(K.SINGLE_CHOICE, FOUR, {"correct": "b"})
SHORT = asked(K.SHORT_TEXT, {}, {"accepted": ["Ohm"]})
NUMBER = asked(K.NUMERIC, {}, {"value": "3.14", "tolerance": "0.01"})
MULTIPLE = asked(K.MULTIPLE_CHOICE, FOUR, {"correct": ["a", "b"], "rule": "proportional_minus_wrong"})
ESSAY = asked(K.ESSAY, {}, {})


def line(question: Asked, kind: str, **value: Any) -> Line:
    return read_line(question, CorrectionKind(kind), value, ())


def answer(question: Asked, raw: Any) -> responses.Response | None:
    return responses.parse_response(question.kind, question.content, raw)


GOLDEN = [
    (CHOICE, {"choice": "b"}, [("void", {"credit": "exclude"})], "0", "0", ItemState.VOIDED),
    (CHOICE, {"choice": "c"}, [("void", {"credit": "full"})], "4", "4", ItemState.VOIDED),
    (CHOICE, None, [("void", {"credit": "full"})], "4", "4", ItemState.VOIDED),
    (CHOICE, {"choice": "c"}, [("accept", {"response": {"choice": "c"}})], "4", "4", ItemState.SCORED),
    (CHOICE, {"choice": "b"}, [("accept", {"response": {"choice": "c"}})], "4", "4", ItemState.SCORED),
    (CHOICE, {"choice": "d"}, [("accept", {"response": {"choice": "c"}})], "0", "4", ItemState.SCORED),
    (CHOICE, {"choice": "b"}, [("key", {"key": {"correct": "c"}})], "0", "4", ItemState.SCORED),
    (CHOICE, {"choice": "c"}, [("key", {"key": {"correct": "c"}})], "4", "4", ItemState.SCORED),
    (CHOICE, {"choice": "b"}, [("points", {"points": "1.5"})], "1.5", "1.5", ItemState.SCORED),
    (CHOICE, {"choice": "b"}, [("points", {"points": "2"}), ("points", {"points": "3"})], "3", "3", ItemState.SCORED),
    (CHOICE, None, [("accept", {"response": {"choice": "c"}})], "0", "4", ItemState.UNANSWERED),
    (SHORT, {"text": "Ω"}, [("accept", {"response": {"text": "ω"}})], "4", "4", ItemState.SCORED),
    (NUMBER, {"value": "2.005"}, [("accept", {"response": {"value": "2"}})], "4", "4", ItemState.SCORED),
    (NUMBER, {"value": "2.02"}, [("accept", {"response": {"value": "2"}})], "0", "4", ItemState.SCORED),
    (MULTIPLE, {"choices": ["d", "c"]}, [("accept", {"response": {"choices": ["c", "d"]}})], "4", "4", ItemState.SCORED),
    (MULTIPLE, {"choices": ["a", "c"]}, [("accept", {"response": {"choices": ["c", "d"]}})], "0", "4", ItemState.SCORED),
    (ESSAY, {"text": "Long."}, [("void", {"credit": "exclude"})], "0", "0", ItemState.VOIDED),
]  # fmt: skip


@pytest.mark.parametrize(("question", "given_", "lines", "points", "worth", "state"), GOLDEN)
def test_what_each_correction_does(question, given_, lines, points, worth, state):
    read = [line(question, kind, **value) for kind, value in lines]
    got = judge(question, answer(question, given_), read)
    assert (got.points_awarded, got.max_points, got.state) == (Decimal(points), Decimal(worth), state)
    assert got.detail["corrections"] == [kind for kind, _ in lines]


def test_a_mark_stands_above_the_key_and_moves_with_the_worth():
    grade = Grade(Decimal(3), Decimal(4), {"levels": ["merit"]})
    got = judge(ESSAY, answer(ESSAY, {"text": "Long."}), [line(ESSAY, "points", points="8")], grade)
    assert (got.points_awarded, got.max_points) == (Decimal(6), Decimal(8))
    assert got.detail == {"levels": ["merit"], "corrections": ["points"]}


def test_an_essay_accepts_no_answer_beside_the_key():
    with pytest.raises(InvalidInput):
        line(ESSAY, "accept", response={"text": "Anything."})


def test_without_corrections_and_marks_it_is_the_automatic_score():
    response = answer(MULTIPLE, {"choices": ["a"]})
    first = scoring.score(MULTIPLE.kind, MULTIPLE.content, MULTIPLE.key, response, MULTIPLE.points)
    assert judge(MULTIPLE, response) == first


LINES = st.lists(
    st.one_of(
        st.sampled_from(["exclude", "full"]).map(lambda credit: ("void", {"credit": credit})),
        st.sampled_from("abcd").map(lambda one: ("accept", {"response": {"choice": one}})),
        st.sampled_from("abcd").map(lambda one: ("key", {"key": {"correct": one}})),
        st.integers(1, 100_000_000).map(lambda n: ("points", {"points": str(Decimal(n).scaleb(-4))})),
    ),
    max_size=6,
)
GRADES = st.none() | st.tuples(st.integers(0, 40_000), st.just(40_000)).map(
    lambda pair: Grade(Decimal(pair[0]).scaleb(-4), Decimal(pair[1]).scaleb(-4), {})
)


@given(LINES, st.none() | st.sampled_from("abcd"), GRADES)
def test_points_never_leave_their_bounds(lines, choice, grade):
    read = [line(CHOICE, kind, **value) for kind, value in lines]
    response = None if choice is None else answer(CHOICE, {"choice": choice})
    got = judge(CHOICE, response, read, grade)
    assert got.points_awarded is not None
    assert 0 <= got.points_awarded <= got.max_points
    again = judge(CHOICE, response, [*read, line(CHOICE, "void", credit="full")], grade)
    assert again.points_awarded == again.max_points


BATCHES = st.lists(st.none() | st.integers(0, 20), max_size=12)


@given(BATCHES)
def test_undoing_twice_brings_back(undone):
    ids = [f"batch {n}" for n in range(len(undone))]
    known = [
        (one, None if of is None or of >= n else ids[of]) for n, (one, of) in enumerate(zip(ids, undone, strict=True))
    ]
    living = alive(known)
    for batch_id, undoes in known:
        others = {other for other, of in known if of == batch_id}
        assert (batch_id in living) == (not others & living)
        assert undoes is None or batch_id not in living or undoes not in living


def test_a_pass_mark_in_points_keeps_its_share():
    assert scaled(PassMark(points=Decimal(26)), Decimal(35), Decimal(34)) == PassMark(points=Decimal("25.2571"))
    assert scaled(PassMark(percent=Decimal(70)), Decimal(35), Decimal(34)) == PassMark(percent=Decimal(70))
    assert scaled(PassMark(points=Decimal(26)), Decimal(35), Decimal(35)) == PassMark(points=Decimal(26))
