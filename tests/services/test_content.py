import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import content, responses
from services.content_kinds import CaseRule, MatchingContent, OrderingContent, OrderingKey, PartialCredit, QuestionKind
from services.content_parts import canonical_json, fingerprint
from services.refusals import InvalidInput

AB = {"options": [{"id": "a", "text": "Red"}, {"id": "b", "text": "Blue"}, {"id": "c", "text": "Green"}]}
LISTS = {
    "left": [{"id": "1", "text": "France"}, {"id": "2", "text": "Peru"}],
    "right": [{"id": "a", "text": "Paris"}, {"id": "b", "text": "Lima"}, {"id": "c", "text": "Rome"}],
}
ITEMS = {"items": [{"id": "a", "text": "first"}, {"id": "b", "text": "second"}, {"id": "c", "text": "third"}]}

LEVELS = [{"id": "low", "label": "Low", "points": "0"}, {"id": "high", "label": "High", "points": "4"}]
RUBRIC = {"criteria": [{"id": "a", "title": "Argument", "levels": LEVELS}]}

FILES = [f"0190{n:04}-0000-7000-8000-000000000000" for n in range(3)]
GOOD: list[tuple[QuestionKind, Any, Any]] = [
    (QuestionKind.SINGLE_CHOICE, AB, {"correct": "b"}),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"correct": ["a", "c"], "rule": "per_option", "explanation": "Because."}),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"correct": ["a"], "rule": "PROPORTIONAL_MINUS_WRONG"}),
    (QuestionKind.TRUE_FALSE, None, {"correct": True}),
    (QuestionKind.TRUE_FALSE, {}, {"correct": "false"}),
    (QuestionKind.NUMERIC, {"unit": "V"}, {"value": "3.14", "tolerance": "0.01"}),
    (QuestionKind.NUMERIC, {}, {"value": "-6.02e23", "tolerance": "0.01", "tolerance_kind": "relative"}),
    (QuestionKind.SHORT_TEXT, {"max_length": 20}, {"accepted": ["Ohm", "ohms"], "case": "exact"}),
    (QuestionKind.MATCHING, LISTS, {"pairs": {"1": "a", "2": "b"}, "rule": "per_pair"}),
    (QuestionKind.ORDERING, ITEMS, {"order": ["a", "b", "c"], "rule": "adjacent_pairs"}),
    (QuestionKind.ESSAY, {"max_words": 300}, {}),
    (QuestionKind.ESSAY, None, None),
    (QuestionKind.ESSAY, None, {"rubric": RUBRIC}),
    (QuestionKind.FILE_UPLOAD, None, None),
    (
        QuestionKind.FILE_UPLOAD,
        {"accepted_media_types": ["application/pdf", "image/*"], "max_files": 3, "max_bytes": 5_000_000},
        {"rubric": RUBRIC},
    ),
    (QuestionKind.OBSERVATION, None, {"rubric": RUBRIC, "explanation": "Gloves on."}),
    (QuestionKind.OBSERVATION, {}, {}),
]


@pytest.mark.parametrize(("kind", "raw", "key"), GOOD)
def test_every_kind_survives_the_way_to_the_database_and_back(kind: QuestionKind, raw: Any, key: Any) -> None:
    question = content.parse_question(kind, "Which one?", raw, key)
    stored_content, stored_key = content.to_json(question.content), content.to_json(question.key)
    again = content.parse_question(kind, question.stem, stored_content, stored_key)
    assert again == question
    assert content.parse_key(kind, content.parse_content(kind, stored_content), stored_key) == question.key
    assert content.content_hash(kind, "Which one?", again.content, again.key) == content.content_hash(
        kind, question.stem, question.content, question.key
    )


BAD: list[tuple[QuestionKind, Any, Any, tuple[str | int, ...], str]] = [
    (QuestionKind.ESSAY, {}, {"rubric": {"criteria": []}}, ("key", "rubric", "criteria"), "at least 1"),
    (
        QuestionKind.ESSAY,
        {},
        {"rubric": {"criteria": [{"id": "a", "title": "A", "levels": LEVELS[::-1]}]}},
        ("key", "rubric", "criteria", 0, "levels"),
        "worth more than the one before",
    ),
    (
        QuestionKind.ESSAY,
        {},
        {"rubric": {"criteria": [RUBRIC["criteria"][0], RUBRIC["criteria"][0]]}},
        ("key", "rubric", "criteria"),
        "same id",
    ),
    (QuestionKind.OBSERVATION, {"max_words": 3}, {}, ("content", "max_words"), "not permitted"),
    (QuestionKind.SINGLE_CHOICE, {**AB, "colour": 1}, {"correct": "a"}, ("content", "colour"), "not permitted"),
    (QuestionKind.SINGLE_CHOICE, {"options": AB["options"][:1]}, {"correct": "a"}, ("content", "options"), "at least"),
    (QuestionKind.SINGLE_CHOICE, AB, {"correct": "z"}, ("key", "correct"), "no option 'z'; there is a, b, c"),
    (QuestionKind.SINGLE_CHOICE, AB, {}, ("key", "correct"), "required"),
    (QuestionKind.SINGLE_CHOICE, [], {"correct": "a"}, ("content",), "it is []"),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"correct": []}, ("key", "correct"), "at least 1"),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"correct": ["a", "a"]}, ("key", "correct", 1), "stands twice"),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"correct": ["a"], "rule": "per_pair"}, ("key", "rule"), "all_or_nothing"),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"correct": ["a"], "rule": "generous"}, ("key", "rule"), "generous"),
    (QuestionKind.TRUE_FALSE, AB, {"correct": True}, ("content", "options"), "'true' and 'false'"),
    (QuestionKind.TRUE_FALSE, {}, {"correct": "maybe"}, ("key", "correct"), "maybe"),
    (QuestionKind.NUMERIC, {}, {"value": "3,14"}, ("key", "value"), "'3.14', not '3,14'"),
    (QuestionKind.NUMERIC, {}, {"value": 3.14}, ("key", "value"), "string"),
    (QuestionKind.NUMERIC, {}, {"value": "NaN"}, ("key", "value"), "decimal number"),
    (QuestionKind.NUMERIC, {}, {"value": "1e999"}, ("key", "value"), "decimal number"),
    (QuestionKind.NUMERIC, {}, {"value": "1", "tolerance": "-1"}, ("key", "tolerance"), "below 0"),
    (
        QuestionKind.NUMERIC,
        {},
        {"value": "0.0", "tolerance": "1", "tolerance_kind": "relative"},
        ("key", "tolerance_kind"),
        "share of 0",
    ),
    (QuestionKind.SHORT_TEXT, {}, {"accepted": []}, ("key", "accepted"), "at least 1"),
    (QuestionKind.SHORT_TEXT, {}, {"accepted": [" "]}, ("key", "accepted", 0), "empty"),
    (QuestionKind.SHORT_TEXT, {"max_length": 0}, {"accepted": ["a"]}, ("content", "max_length"), "it is 0"),
    (QuestionKind.MATCHING, LISTS, {"pairs": {"1": "a"}}, ("key", "pairs"), "nothing is matched to '2'"),
    (QuestionKind.MATCHING, LISTS, {"pairs": {"1": "a", "2": "a"}}, ("key", "pairs", 1), "twice"),
    (QuestionKind.MATCHING, LISTS, {"pairs": {"1": "a", "2": "z"}}, ("key", "pairs"), "'z'"),
    (QuestionKind.ORDERING, ITEMS, {"order": ["a", "b"]}, ("key", "order"), "'c' is missing"),
    (QuestionKind.ORDERING, ITEMS, {"order": ["a", "b", "b"]}, ("key", "order", 2), "twice"),
    (QuestionKind.ESSAY, {"max_words": True}, {}, ("content", "max_words"), "True"),
    (QuestionKind.FILE_UPLOAD, {"max_files": 0}, {}, ("content", "max_files"), "it is 0"),
    (QuestionKind.FILE_UPLOAD, {"max_bytes": 2**31}, {}, ("content", "max_bytes"), "it is 2147483648"),
    (
        QuestionKind.FILE_UPLOAD,
        {"accepted_media_types": ["*/*"]},
        {},
        ("content", "accepted_media_types", 0),
        "pattern",
    ),
    (
        QuestionKind.FILE_UPLOAD,
        {"accepted_media_types": ["image/*", "image/*"]},
        {},
        ("content", "accepted_media_types", 1),
        "stands twice",
    ),
]


@pytest.mark.parametrize(("kind", "raw", "key", "path", "said"), BAD)
def test_what_does_not_fit_is_refused_with_its_place_and_value(
    kind: QuestionKind, raw: Any, key: Any, path: tuple[str | int, ...], said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        content.parse_question(kind, "Which one?", raw, key)
    assert refused.value.path == path
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], ("content", "options", 1)),
        ([{"id": "a", "text": "x"}, {"id": "b", "text": " x "}], ("content", "options", 1)),
        ([{"id": "a b", "text": "x"}, {"id": "b", "text": "y"}], ("content", "options", 0, "id")),
        ([{"id": "a\n", "text": "x"}, {"id": "b", "text": "y"}], ("content", "options", 0, "id")),
        ([{"id": "a", "text": "x\x00"}, {"id": "b", "text": "y"}], ("content", "options", 0, "text")),
        ([{"id": "a", "text": "\ud800"}, {"id": "b", "text": "y"}], ("content", "options", 0, "text")),
        ([{"id": "a", "text": "x" * 2001}, {"id": "b", "text": "y"}], ("content", "options", 0, "text")),
        ([{"id": str(n), "text": str(n)} for n in range(27)], ("content", "options")),
    ],
)
def test_options_have_limits(options: list[dict[str, str]], place: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        content.parse_content(QuestionKind.SINGLE_CHOICE, {"options": options})
    assert refused.value.path == place
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("stem", ["", " \n", "x" * 20_001, "a\x00b", "\udfff", None, 5])
def test_a_stem_is_a_text_of_bounded_size(stem: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        content.parse_stem(stem)
    assert refused.value.path == ("stem",)


def test_a_longest_stem_is_kept_as_it_is() -> None:
    assert content.parse_stem(" x" * 10_000) == " x" * 10_000


def test_the_ids_and_the_stored_order_of_things_to_order_do_not_tell_the_answer() -> None:
    orders: set[tuple[str, ...]] = set()
    for texts in itertools.permutations(["lay", "line", "plaster", "paint"]):
        items = [{"id": "abcd"[n], "text": text} for n, text in enumerate(texts)]
        question = content.parse_question(
            QuestionKind.ORDERING, "Order!", {"items": items}, {"order": ["a", "b", "c", "d"]}
        )
        assert isinstance(question.content, OrderingContent)
        assert isinstance(question.key, OrderingKey)
        by_id = {item.id: item.text for item in question.content.items}
        assert tuple(by_id[item] for item in question.key.order) == texts
        orders.add(tuple(item.text for item in question.content.items))
    assert len(orders) == 1


def test_the_right_hand_entries_do_not_stand_beside_their_match() -> None:
    swapped = {**LISTS, "right": list(reversed(LISTS["right"]))}
    key = {"pairs": {"1": "a", "2": "b"}}
    one = content.parse_question(QuestionKind.MATCHING, "?", LISTS, key)
    two = content.parse_question(QuestionKind.MATCHING, "?", swapped, key)
    assert one == two
    assert isinstance(one.content, MatchingContent)
    assert not {entry.id for entry in one.content.right} & {"a", "b", "c"}


def test_enum_values_are_read_as_graphql_spells_them() -> None:
    assert PartialCredit("PER_OPTION") is PartialCredit.PER_OPTION
    assert CaseRule("IGNORE_CASE") is CaseRule.IGNORE_CASE
    with pytest.raises(ValueError, match="Per_Option"):
        PartialCredit("Per_Option")


def test_any_change_of_the_key_changes_the_hash() -> None:
    def hashed(key: dict[str, Any], stem: str = "?", extra: dict[str, Any] | None = None) -> str:
        question = content.parse_question(QuestionKind.SINGLE_CHOICE, stem, AB, key)
        return content.content_hash(question.kind, question.stem, question.content, question.key, extra)

    hashes = {
        hashed({"correct": "a"}),
        hashed({"correct": "b"}),
        hashed({"correct": "b", "explanation": "So."}),
        hashed({"correct": "b"}, "??"),
        hashed({"correct": "b"}, extra={"group": "T1A"}),
    }
    assert len(hashes) == 5
    assert all(len(value) == 64 for value in hashes)


def test_the_hash_stays_what_it_was() -> None:
    question = content.parse_question(QuestionKind.SINGLE_CHOICE, "Which?", AB, {"correct": "b"})
    digest = content.content_hash(question.kind, question.stem, question.content, question.key)
    assert digest == "3c1d79756788a146c0195f92efcf601e7fe0197961f66cafebbf9428eec7073b"


def test_canonical_json_ignores_the_order_of_keys_and_refuses_what_is_no_json() -> None:
    assert canonical_json({"b": "é", "a": [1, None, True]}) == '{"a":[1,null,true],"b":"é"}'.encode()
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    with pytest.raises(TypeError, match="no JSON value"):
        canonical_json({"a": object()})
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


@given(st.permutations(["a", "b", "c"]))
def test_options_can_be_rearranged_and_nothing_else_changes(order: list[str]) -> None:
    choice = content.parse_content(QuestionKind.SINGLE_CHOICE, AB)
    arranged = content.arranged(choice, tuple(order))
    assert content.options_to_shuffle(arranged) == tuple(order)
    assert content.arranged(arranged, ("a", "b", "c")) == choice


def test_the_hash_of_a_question_without_a_rubric_is_what_it_was_before_there_were_rubrics() -> None:
    essay = content.parse_question(QuestionKind.ESSAY, "Why?", {}, {})
    assert content.to_json(essay.key) == {"explanation": ""}


def test_an_observation_is_not_answered() -> None:
    seen = content.parse_content(QuestionKind.OBSERVATION, None)
    assert responses.parse_response(QuestionKind.OBSERVATION, seen, None) is None
    with pytest.raises(InvalidInput, match="nothing to answer"):
        responses.parse_response(QuestionKind.OBSERVATION, seen, {"text": "I did it."})


def test_what_has_no_options_to_shuffle_has_none() -> None:
    assert content.options_to_shuffle(content.parse_content(QuestionKind.TRUE_FALSE, None)) == ()
    assert content.options_to_shuffle(content.parse_content(QuestionKind.MATCHING, LISTS)) == ("a", "b", "c")
    assert content.options_to_shuffle(content.parse_content(QuestionKind.ORDERING, ITEMS)) == ("a", "b", "c")
    essay = content.parse_content(QuestionKind.ESSAY, None)
    assert content.options_to_shuffle(essay) == ()
    assert content.arranged(essay, None) is essay
    ordered = content.arranged(content.parse_content(QuestionKind.ORDERING, ITEMS), ("c", "a", "b"))
    assert content.options_to_shuffle(ordered) == ("c", "a", "b")
    matched = content.arranged(content.parse_content(QuestionKind.MATCHING, LISTS), ("c", "a", "b"))
    assert content.options_to_shuffle(matched) == ("c", "a", "b")
    with pytest.raises(ValueError, match="no arrangement"):
        content.arranged(ordered, ("c", "a"))


ANSWERED: list[tuple[QuestionKind, Any, Any, bool]] = [
    (QuestionKind.SINGLE_CHOICE, AB, {"choice": "b"}, True),
    (QuestionKind.TRUE_FALSE, {}, {"choice": "true"}, True),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"choices": ["c", "a"]}, True),
    (QuestionKind.MULTIPLE_CHOICE, AB, {"choices": []}, False),
    (QuestionKind.NUMERIC, {}, {"value": " \N{MINUS SIGN}3.5 "}, True),
    (QuestionKind.SHORT_TEXT, {}, {"text": "ohm"}, True),
    (QuestionKind.SHORT_TEXT, {}, {"text": " \n"}, False),
    (QuestionKind.MATCHING, LISTS, {"pairs": {"2": "b"}}, True),
    (QuestionKind.MATCHING, LISTS, {"pairs": {}}, False),
    (QuestionKind.ORDERING, ITEMS, {"order": ["c", "b", "a"]}, True),
    (QuestionKind.ESSAY, {}, {"text": "é" * 50_000}, True),
    (QuestionKind.FILE_UPLOAD, {"max_files": 2}, {"files": FILES[:2]}, True),
    (QuestionKind.FILE_UPLOAD, {}, {"files": []}, False),
]


@pytest.mark.parametrize(("kind", "raw", "answer", "answered"), ANSWERED)
def test_responses_are_read_and_stored(kind: QuestionKind, raw: Any, answer: Any, answered: bool) -> None:  # noqa: FBT001 - a column of the table
    asked = content.parse_content(kind, raw)
    response = responses.parse_response(kind, asked, answer)
    assert response is not None
    assert responses.is_answered(response) is answered
    assert responses.parse_response(kind, asked, content.to_json(response)) == response


@pytest.mark.parametrize("kind", list(QuestionKind))
def test_null_clears_an_answer_of_every_kind(kind: QuestionKind) -> None:
    raw = next(raw for known, raw, _ in GOOD if known is kind)
    assert responses.parse_response(kind, content.parse_content(kind, raw), None) is None
    assert not responses.is_answered(None)


@pytest.mark.parametrize(
    ("kind", "raw", "answer", "path"),
    [
        (QuestionKind.SINGLE_CHOICE, AB, {"choice": "z"}, ("response", "choice")),
        (QuestionKind.SINGLE_CHOICE, AB, {"choice": "a", "key": "b"}, ("response", "key")),
        (QuestionKind.SINGLE_CHOICE, AB, {"choice": None}, ("response", "choice")),
        (QuestionKind.SINGLE_CHOICE, AB, "a", ("response",)),
        (QuestionKind.TRUE_FALSE, {}, {"choice": True}, ("response", "choice")),
        (QuestionKind.MULTIPLE_CHOICE, AB, {"choices": ["a", "a"]}, ("response", "choices", 1)),
        (QuestionKind.MULTIPLE_CHOICE, AB, {"choices": ["a", "z"]}, ("response", "choices")),
        (QuestionKind.NUMERIC, {}, {"value": "3,14"}, ("response", "value")),
        (QuestionKind.NUMERIC, {}, {"value": "1" * 41}, ("response", "value")),
        (QuestionKind.NUMERIC, {}, {"value": "\u0663"}, ("response", "value")),
        (QuestionKind.SHORT_TEXT, {"max_length": 3}, {"text": "four"}, ("response", "text")),
        (QuestionKind.MATCHING, LISTS, {"pairs": {"1": "a", "2": "a"}}, ("response", "pairs", 1)),
        (QuestionKind.MATCHING, LISTS, {"pairs": {"9": "a"}}, ("response", "pairs")),
        (QuestionKind.ORDERING, ITEMS, {"order": ["a"]}, ("response", "order")),
        (QuestionKind.FILE_UPLOAD, {"max_files": 2}, {"files": FILES}, ("response", "files")),
        (QuestionKind.FILE_UPLOAD, {"max_files": 2}, {"files": FILES[:1] * 2}, ("response", "files", 1)),
        (QuestionKind.FILE_UPLOAD, {}, {"files": ["../../etc/passwd"]}, ("response", "files", 0)),
        (QuestionKind.FILE_UPLOAD, {}, {"text": "See attachment."}, ("response", "files")),
        (QuestionKind.ESSAY, {}, {"text": "x" * 50_001}, ("response", "text")),
        (QuestionKind.ESSAY, {}, {"text": "a\x00"}, ("response", "text")),
        (QuestionKind.ESSAY, {}, {"text": "\ud83d"}, ("response", "text")),
        (QuestionKind.ESSAY, {}, {"text": "a", "\ud83d": 1}, ("response",)),
        (QuestionKind.ESSAY, {}, {"text": "a", "k" * 500: 1}, ("response", "k" * 60)),
        (QuestionKind.MATCHING, LISTS, {"pairs": {"\ud83d": "a"}}, ("response", "pairs", "\ufffd" * 3)),
    ],
)
def test_responses_that_do_not_fit_are_refused(
    kind: QuestionKind, raw: Any, answer: Any, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        responses.parse_response(kind, content.parse_content(kind, raw), answer)
    assert refused.value.path == path
    refused.value.message.encode()


def test_one_entry_may_match_several_when_the_author_allows_it() -> None:
    lists = content.parse_content(QuestionKind.MATCHING, {**LISTS, "reuse_right": True})
    assert responses.parse_response(QuestionKind.MATCHING, lists, {"pairs": {"1": "a", "2": "a"}}) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["options", "id", "text", "correct", "left", "choice", "pairs", "order"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(QuestionKind), JSON, JSON)
def test_no_input_whatever_does_more_than_be_refused(kind: QuestionKind, raw: Any, key: Any) -> None:
    try:
        question = content.parse_question(kind, "?", raw, key)
    except InvalidInput as refused:
        assert refused.path[0] in {"content", "key"}  # noqa: PT017 - either outcome is fine, this one must name a place
    else:
        assert content.parse_content(kind, content.to_json(question.content)) == question.content
