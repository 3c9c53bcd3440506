import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import pool
from services.refusals import InvalidInput

REAL = Path(__file__).parents[3] / "shared/data/question-pools"
GOOD: dict[str, Any] = {
    "id": "T1A01",
    "correct": 2,
    "refs": "[97.1]",
    "question": "Which of these is a colour?",
    "answers": ["Loud", "Sweet", "Red", "Heavy"],
    "figure": "",
    "correct_letter": "C",
}


def report(*entries: Any) -> pool.PoolReport:
    return pool.parse(json.dumps(entries))


def test_an_entry_becomes_a_single_choice_question_of_its_group() -> None:
    (row,) = report(GOOD).rows
    assert (row.index, row.external_id, row.group, row.problems, row.warnings) == (0, "T1A01", "T1A", (), ())
    assert row.draft is not None
    assert row.draft.stem == "Which of these is a colour?"
    assert [option["text"] for option in row.draft.content["options"]] == GOOD["answers"]
    assert row.draft.key == {"correct": "c"}
    assert (row.draft.group, row.draft.references) == ("T1A", "[97.1]")


def test_only_id_question_answers_and_correct_are_needed_and_a_group_may_be_named() -> None:
    bare = {name: GOOD[name] for name in ("id", "question", "answers", "correct")}
    rows = report(bare, {**bare, "id": "x2", "group": "Safety"}).rows
    assert [row.problems for row in rows] == [(), ()]
    assert [row.group for row in rows] == ["T1A", "Safety"]


def test_a_figure_is_named_and_stops_nothing() -> None:
    (row,) = report({**GOOD, "figure": "t-1.png"}).rows
    assert row.draft is not None
    assert row.warnings == ("The figure 't-1.png' is not included.",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"correct": 4}, "one of 4 answers, counted from 0, is needed; it is 4"),
        ({"correct": -1}, "it is -1"),
        ({"correct": True}, "it is True"),
        ({"correct": "2"}, "it is '2'"),
        ({"correct": 1}, "'C' contradicts correct, which is 1 (B)"),
        ({"question": " "}, "question: a text is needed"),
        ({"question": None}, "question: a text is needed"),
        ({"question": "a\x00"}, "NUL"),
        ({"question": "x" * 20_001}, "at most 20000"),
        ({"answers": ["Loud", "", "Red", "Heavy"]}, "options.1.text"),
        ({"answers": ["Loud", "Red", "Red", "Heavy"]}, "'Red' stands twice"),
        ({"answers": ["Loud", "Sweet", 3, "Heavy"]}, "it is 3"),
        ({"answers": ["Red"], "correct": 0, "correct_letter": "A"}, "at least 2"),
        ({"answers": "Red"}, "answers: a list"),
        ({"answers": list(map(str, range(27)))}, "27 are more than 26"),
        ({"id": ""}, "id: a text is needed"),
        ({"id": 5}, "id: a text is needed here; it is 5"),
        ({"id": "x" * 121}, "121 characters"),
        ({"refs": 97}, "refs: a text"),
        ({"refs": "x" * 2001}, "2001"),
        ({"figure": ["t"]}, "figure: a text"),
        ({"answer": 1}, "no field 'answer'"),
    ],
)
def test_a_bad_entry_is_named_by_row_and_stops_no_other(change: dict[str, Any], said: str) -> None:
    rows = report({**GOOD, "id": "A"}, {**GOOD, **change}, {**GOOD, "id": "B"}).rows
    assert [row.index for row in rows] == [0, 1, 2]
    assert [row.draft is not None for row in rows] == [True, False, True]
    (problem,) = rows[1].problems
    assert said in problem


@pytest.mark.parametrize("entry", [None, 5, "T1A01", ["T1A01"]])
def test_an_entry_that_is_no_object_is_named(entry: Any) -> None:
    row = report(GOOD, entry).rows[1]
    assert "JSON object" in row.problems[0]


def test_a_repeated_id_is_refused_at_its_second_place() -> None:
    rows = report(GOOD, {**GOOD, "id": "other"}, GOOD, {**GOOD, "answers": []}).rows
    assert [len(row.problems) for row in rows] == [0, 0, 1, 2]
    assert rows[2].problems == ("The id 'T1A01' stands twice, first in row 0.",)


@pytest.mark.parametrize("source", ["", "{", "{}", '"pool"', b"\xff\xfe\x00", "[" * 200_000])
def test_what_is_no_list_is_no_pool(source: str | bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        pool.parse(source)
    assert refused.value.path == ("pool",)


def test_a_pool_has_at_most_5000_entries() -> None:
    assert len(pool.parse("[" + ",".join(["1"] * 5000) + "]").rows) == 5000
    with pytest.raises(InvalidInput, match="5001"):
        pool.parse("[" + ",".join(["1"] * 5001) + "]")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "question", "answers", "correct", "refs"]), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=6))
def test_every_row_is_either_a_draft_or_explained(entries: list[Any]) -> None:
    rows = report(*entries, GOOD).rows
    assert [row.index for row in rows] == list(range(len(entries) + 1))
    assert all((row.draft is None) == bool(row.problems) for row in rows)


@pytest.mark.skipif(not REAL.is_dir(), reason="the public pools are not at hand here")
@pytest.mark.parametrize(
    ("name", "questions", "figures"), [("technician-2026-2030.json", 409, 12), ("general-2023-2027.json", 423, 5)]
)
def test_the_public_pools_are_read_whole(name: str, questions: int, figures: int) -> None:
    read = pool.parse((REAL / name).read_bytes())
    assert len(read.drafts) == len(read.rows) == questions
    assert len(read.groups) == 35
    assert sum(bool(row.warnings) for row in read.rows) == figures
