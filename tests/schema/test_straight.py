"""The straight way of a mutation reads and answers what graphql-core reads and answers, to the letter."""

from datetime import datetime
from pathlib import Path

import pytest
from graphql import GraphQLNonNull, Undefined
from graphql.utilities import coerce_input_value
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_argument
from strawberry.types.graphql import OperationType

from models.base import uuid7
from resolvers.context import Context, House
from schema.inputs import Unreadable, reader
from schema.my_session import MySessionMutation
from schema.nodes import global_id
from schema.root import schema
from schema.straight import Straight, straight
from services.viewer import Viewer
from tests.factories import sessions as factory
from tests.factories import tenants
from tests.factories.asking import TOKENS

CORE = schema._schema
ROOT = Path(__file__).parents[2]
REGISTRY = schema.schema_converter.scalar_registry
MUTATIONS = frozenset({OperationType.MUTATION})

TIMES = st.one_of(
    st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
    st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    st.from_regex(r"\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|z|[+-]\d\d:?\d\d|)\Z"),
    st.from_regex(r"\A20\d\d-?(W[0-5]\d-?[1-7]|[01]\d-?[0-3]\d)T[0-2]\d(:?[0-5]\d){0,2}(\.\d{1,7})?Z\Z"),
    st.sampled_from(["2026-05-01T24:00:00Z", "2026-05-01T23:59:60Z", "\uff12026-05-01T12:00:00Z", "2026-05-01", ""]),
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3), st.just([]), st.just({})
)
UTC_TIMES = st.datetimes(
    min_value=datetime(1000, 1, 1)  # noqa: DTZ001 - the strategy wants it so
).map(lambda at: f"{at.isoformat()}Z")


def objects(required, optional, odd):
    """Objects of an input type; odd ones may lack something or have more than there should be."""
    known = st.fixed_dictionaries(required, optional=optional)
    if not odd:
        return known
    return st.one_of(known, st.fixed_dictionaries({}, optional={**required, **optional, "more": ODD}), ODD)


def inputs(*, odd):
    """Values of the two input types: with `odd`, what clients send by mistake, too."""
    beside = (ODD,) if odd else ()
    texts = st.one_of(st.text(max_size=4), *beside)
    numbers = st.one_of(st.integers(-(2**31) + 1, 2**31 - 1), *((st.integers(), ODD) if odd else ()))
    kinds = st.one_of(st.sampled_from(list(CORE.type_map["ReportedEventKind"].values)), *beside)
    times = st.one_of(UTC_TIMES, TIMES, ODD) if odd else UTC_TIMES
    details = objects({}, {"seconds": numbers | st.none(), "characters": numbers}, odd)
    event = objects(
        {"kind": kinds, "clientAt": times}, {"position": numbers | st.none(), "details": details | st.none()}, odd
    )
    events = st.lists(event, max_size=3)
    keys = {"idempotencyKey": texts | st.none()}
    batches = objects({"batchId": texts, "events": st.one_of(events, event, ODD) if odd else events}, keys, odd)
    ids = st.lists(texts, max_size=2)
    pairs = st.lists(objects({"left": texts, "right": texts}, {}, odd), max_size=2)
    shapes = {"choice": texts, "choices": ids, "value": texts, "text": texts, "pairs": pairs, "order": ids}
    one_of = st.one_of([st.fixed_dictionaries({name: shape}) for name, shape in shapes.items()])
    responses = st.one_of(one_of, objects({}, shapes, odd)) if odd else one_of
    saves = objects({"itemId": texts, "revision": numbers}, {"response": responses | st.none(), **keys}, odd)
    return st.one_of(
        st.tuples(st.just("SessionEventsRecordInput"), batches), st.tuples(st.just("AnswerSaveInput"), saves)
    )


def usual(name, value):
    """What graphql-core and Strawberry make of a value; Undefined where they refuse it."""
    core = CORE.type_map[name]
    coerced = coerce_input_value(value, GraphQLNonNull(core))
    if coerced is Undefined:
        return Undefined
    return convert_argument(coerced, core.extensions["strawberry-definition"].origin, REGISTRY, StrawberryConfig())


def same(name, value):
    try:
        read = reader(GraphQLNonNull(CORE.type_map[name]))(value)
    except Unreadable:
        return False
    expected = usual(name, value)
    assert expected is not Undefined
    assert read == expected
    assert read.__class__ is expected.__class__
    return True


@given(asked=inputs(odd=False))
@settings(max_examples=300, deadline=None)
def test_what_is_valid_is_read_as_graphql_core_reads_it(asked):
    assert same(*asked)


@given(asked=inputs(odd=True))
@settings(max_examples=500, deadline=None)
def test_nothing_is_read_that_graphql_core_refuses(asked):
    same(*asked)


@given(text=TIMES)
@settings(max_examples=600, deadline=None)
def test_a_time_is_read_as_graphql_core_reads_it(text):
    core = CORE.type_map["DateTime"]
    expected = coerce_input_value(text, core)
    try:
        read = reader(GraphQLNonNull(core))(text)
    except Unreadable:
        return  # as for 24:00, which is rare; graphql-core reads it
    assert (read, read.utcoffset(), read.isoformat()) == (expected, expected.utcoffset(), expected.isoformat())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "SessionEventsRecordInput",
            {"batchId": "b", "events": [{"kind": "TAB_SWITCH", "clientAt": "2026-05-01T00:00:00Z"}]},
        ),
        ("AnswerSaveInput", {"itemId": "i", "revision": 1}),
        ("AnswerSaveInput", {"itemId": "i", "revision": 1, "response": None, "idempotencyKey": None}),
        *[
            ("AnswerSaveInput", {"itemId": "i", "revision": 1, "response": response})
            for response in (
                {"choice": "b"},
                {"choices": ["a", "b"]},
                {"value": "3"},
                {"text": ""},
                {"pairs": [{"left": "a", "right": "b"}]},
                {"order": []},
            )
        ],
    ],
)
def test_what_clients_send_is_read(name, value):
    assert same(name, value)


@pytest.fixture(scope="module")
async def house(office):
    return House(office=office, hub=None, tokens=TOKENS, cursor_secret=bytes(32))


@pytest.fixture(scope="module")
async def sitting(office):
    return await factory.sitting(await tenants.found(office))


@pytest.fixture
def taken(monkeypatch):
    """What the straight way answered, None for what it left to graphql-core."""
    answers = []
    original = Straight.execute

    async def noted(self, given, context):
        answers.append(await original(self, given, context))
        return answers[-1]

    monkeypatch.setattr(Straight, "execute", noted)
    return answers


def document(operation):
    return next((ROOT / "graphql" / "operations").rglob(f"{operation}.graphql")).read_text()


async def by_core(house, viewer, text, given):
    """Execute by graphql-core alone; twice, so that the document is known and measured."""
    for _ in range(2):
        context = Context(house, viewer)
        try:
            result = await schema.execute(text, variable_values=given, context_value=context)
        finally:
            await context.aclose()
    return result


async def by_known(house, viewer, text, given):
    context = Context(house, viewer)
    known = schema.known(text, None, given, MUTATIONS)
    assert known is not None
    try:
        return await schema.answer_known(known, variables=given, context=context, operation_name=None, extensions=None)
    finally:
        await context.aclose()


async def both(house, viewer, operation, given):
    """Ask both ways for what has one effect and one answer, however often it comes."""
    text = document(operation)
    core, known = (
        await by_core(house, viewer, text, {"input": given}),
        await by_known(house, viewer, text, {"input": given}),
    )
    assert known.data == core.data
    assert [one.formatted for one in known.errors or []] == [one.formatted for one in core.errors or []]
    assert known.extensions == core.extensions
    return known


EVENT = {"kind": "TAB_SWITCH", "clientAt": "2026-05-01T00:00:00Z"}


async def test_events_are_recorded_straight(house, sitting, taken):
    one = await sitting.candidate()
    answer = await both(house, one.viewer, "SessionEventsRecord", {"batchId": "b", "events": [EVENT] * 3})
    assert taken == [answer.data]
    assert answer.data["sessionEventsRecord"] == {"acceptedCount": 3, "lastSeq": 5, "problems": []}
    late = await both(house, one.viewer, "SessionEventsRecord", {"batchId": "b", "events": [EVENT]})
    assert late.data["sessionEventsRecord"]["problems"][0]["code"] == "IDEMPOTENCY_MISMATCH"
    empty = await both(house, one.viewer, "SessionEventsRecord", {"batchId": "c", "events": []})
    assert empty.data["sessionEventsRecord"]["problems"][0]["path"] == ["events"]
    assert None not in taken


async def test_answers_are_saved_straight(house, sitting, taken):
    one = await sitting.candidate()
    for n, (_, _, _, right, _) in enumerate(factory.QUESTIONS):
        response = dict(right)
        if "pairs" in response:
            response["pairs"] = [{"left": left, "right": other} for left, other in response["pairs"].items()]
        given = {"itemId": global_id("PaperItem", one.item_id(n)), "revision": 1, "response": response}
        answer = await both(house, one.viewer, "AnswerSave", given)
        assert answer.data["answerSave"]["isCurrent"] or answer.data["answerSave"]["problems"]
    assert len(taken) == len(factory.QUESTIONS)
    assert None not in taken


async def test_queues_are_saved_and_heartbeats_answered_straight(house, sitting, taken):
    one = await sitting.candidate()
    items = [global_id("PaperItem", one.item_id(n)) for n in range(2)]
    answers = [{"itemId": items[0], "revision": 1, "response": one.right(0)}, {"itemId": items[1], "revision": 0}]
    saved = await both(house, one.viewer, "AnswersSave", {"answers": answers})
    first, second = saved.data["answersSave"]["results"]
    assert (first["isCurrent"], second["problems"][0]["path"]) == (True, ["answers", "1", "revision"])
    text = """mutation Pulse($input: SessionHeartbeatInput!) { sessionHeartbeat(input: $input) {
        pulse { state answeredCount revisions { itemId revision } } problems { code } } }"""
    for asked, revisions in (({}, None), ({"includeRevisions": True}, [{"itemId": items[0], "revision": 1}])):
        core = await by_core(house, one.viewer, text, {"input": asked})
        known = await by_known(house, one.viewer, text, {"input": asked})
        pulse = {"state": "ACTIVE", "answeredCount": 1, "revisions": revisions}
        assert core.data == known.data == {"sessionHeartbeat": {"pulse": pulse, "problems": []}}
    assert len(taken) == 3
    assert None not in taken


async def test_what_fails_is_told_by_graphql_core_and_done_once(house, sitting, taken, monkeypatch):
    one, nobody = await sitting.candidate(), Viewer.anonymous()
    given = {"batchId": "b", "events": [EVENT]}
    await both(house, one.viewer, "SessionEventsRecord", given)
    refused = await both(house, nobody, "SessionEventsRecord", given)
    assert refused.errors[0].path == ["sessionEventsRecord"]
    assert refused.errors[0].extensions["code"] == "UNAUTHENTICATED"
    assert taken[1:] == [None]
    calls = []
    original = type(house.session_writes).report

    async def choking(self, *args):
        calls.append(args)
        await original(self, *args)
        raise ValueError("after the effect")

    monkeypatch.setattr(type(house.session_writes), "report", choking)
    failed = await by_known(house, one.viewer, document("SessionEventsRecord"), {"input": given | {"batchId": "c"}})
    assert failed.errors[0].extensions["code"] == "INTERNAL"
    assert failed.data is None
    assert len(calls) == 1


async def test_what_is_not_readable_is_refused_in_the_words_of_graphql_core(house, sitting, taken):
    one = await sitting.candidate()
    await both(house, one.viewer, "SessionEventsRecord", {"batchId": "b", "events": [EVENT]})
    for batch in (None, {}, {"batchId": "b", "events": [EVENT | {"kind": "SLEPT"}]}, {"batchId": 1, "events": EVENT}):
        answer = await both(house, one.viewer, "SessionEventsRecord", batch)
        assert answer.errors
    single = await both(house, one.viewer, "SessionEventsRecord", {"batchId": "b", "events": EVENT})
    assert single.data["sessionEventsRecord"]["acceptedCount"] == 1
    assert len(taken) == 1


@pytest.mark.parametrize(
    "text",
    [
        """mutation ($b: String!, $e: [ReportedEventInput!]!) {
            sessionEventsRecord(input: {batchId: $b, events: $e}) { lastSeq } }""",
        """mutation ($input: SessionEventsRecordInput!) {
            a: sessionEventsRecord(input: $input) { lastSeq } b: sessionEventsRecord(input: $input) { lastSeq } }""",
        """mutation ($input: SessionEventsRecordInput!) {
            sessionEventsRecord(input: $input) { lastSeq @skip(if: false) } }""",
        "mutation { __typename }",
        "mutation ($input: SessionStartInput!) { sessionStart(input: $input) { problems { code } } }",
    ],
)
async def test_other_documents_have_no_straight_way(house, sitting, text):
    one = await sitting.candidate()
    batch = {"batchId": str(uuid7()), "events": [EVENT]}
    given = {"b": batch["batchId"], "e": batch["events"]} if "$b" in text else {"input": batch}
    if "sessionStart" in text or "__typename" in text:
        given = {"input": {}}
    core = await by_core(house, one.viewer, text, given)
    known = schema.known(text, None, given, MUTATIONS)
    assert straight(CORE, known[1]) is None
    assert (await by_known(house, one.viewer, text, given)).data == core.data


def test_the_straight_mutations_take_the_context_alone():
    """A resolver that looks at more of `info` than the context must not say that it may go straight."""
    marked = [
        one.python_name
        for one in MySessionMutation.__strawberry_definition__.fields
        if any(getattr(extension, "straight", False) for extension in one.extensions)
    ]
    assert marked == ["answer_save", "session_events_record"]
