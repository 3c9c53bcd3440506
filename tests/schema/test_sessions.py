"""Sitting and watching through GraphQL: every operation document of ours, and what nobody may see through them."""

import base64
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType, get_named_type
from sqlalchemy import event

from models.base import uuid7
from models.identity import OrgUnit
from schema.root import schema
from services.policy import FeedbackMode
from services.viewer import Via, Viewer
from tests.factories import sessions as factory
from tests.factories import tenants
from tests.factories.asking import ask, execute

CORE = schema._schema
CANDIDATES_TYPES = {
    "MySession",
    "MyPolicy",
    "MyPaper",
    "MyItem",
    "MyMessage",
    "MyAnswer",
    "MyResult",
    "MyItemResult",
    "MyInquiry",
    "InquiryOpenPayload",
    "QuestionKey",
    "MyLockdown",
    "SecurityConfig",
    "Response",
    "Pair",
    "Option",
    "ChoiceContent",
    "TrueFalseContent",
    "NumericContent",
    "ShortTextContent",
    "MatchingContent",
    "OrderingContent",
    "EssayContent",
    "FileUploadContent",
    "ObservationContent",
    "SessionStartPayload",
    "AnswerSavePayload",
    "SessionEventsRecordPayload",
    "SessionSubmitPayload",
    "SessionProbePayload",
    "AnswersSavePayload",
    "AnswersSaveResult",
    "SessionHeartbeatPayload",
    "MyRevision",
    "SessionPulse",
    "MyUpload",
    "MyUploadCreatePayload",
    "UploadHeader",
    "UploadLimitsInfo",
}


AFTER_THE_RESULT = {"MyItemResult", "QuestionKey"}
"""What tells right answers, to those whose session tells them, once their result stands and is told."""


def gid(kind, uuid):
    return base64.urlsafe_b64encode(f"{kind}:{uuid}".encode()).decode().rstrip("=")


def item(candidate, n):
    return gid("PaperItem", candidate.items[n]["item_id"])


def given(response):
    """A stored response as an input."""
    if "pairs" in response:
        return {"pairs": [{"left": left, "right": right} for left, right in response["pairs"].items()]}
    return response


async def save(world, candidate, n, revision=1, **changes):
    wanted = {"itemId": item(candidate, n), "revision": revision, "response": given(candidate.right(n)), **changes}
    return await ask(world, candidate.viewer, "AnswerSave", input=wanted)


@contextmanager
def statements(world):
    seen = []
    engine = world.office._engine.sync_engine

    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world, essay=True)


async def test_a_session_is_sat_from_start_to_result(world):
    sitting = await factory.sitting(world)
    candidate = await sitting.candidate(started=False, feedback=FeedbackMode.SCORE)
    mine, errors = await ask(world, candidate.viewer, "MySession")
    assert errors == []
    assert (mine["state"], mine["paper"], mine["secondsRemaining"], mine["result"]) == ("CREATED", None, None, None)
    assert mine["policy"]["timeLimitText"] == "1 hour"
    started, errors = await ask(world, candidate.viewer, "SessionStart", input={})
    assert (errors, started["problems"]) == ([], [])
    assert 3590 < started["session"]["secondsRemaining"] <= 3600
    items = started["session"]["paper"]["items"]
    assert [one["position"] for one in items] == list(range(1, 8))
    assert started["session"]["paper"]["instructionsHtml"] == "<p>Read <strong>carefully</strong>.</p>\n"
    for n in range(7):
        saved, errors = await save(world, candidate, n)
        assert (errors, saved["problems"], saved["isCurrent"]) == ([], [], True)
        assert saved["answer"]["itemId"] == items[n]["id"]
    mine, _ = await ask(world, candidate.viewer, "MySession")
    shown = {answer["itemId"]: answer["response"] for answer in mine["answers"]}
    for n in range(7):
        told = {name: value for name, value in shown[item(candidate, n)].items() if value is not None}
        assert told == given(candidate.right(n))
    ended, errors = await ask(world, candidate.viewer, "SessionSubmit", input={})
    assert (errors, ended["problems"], ended["session"]["state"]) == ([], [], "SUBMITTED")
    result = ended["session"]["result"]
    assert (result["outcome"], result["percent"], result["points"]) == ("PASSED", "100.00", "14.0000")
    again, _ = await ask(world, candidate.viewer, "SessionSubmit", input={})
    assert again == ended


async def test_feedback_tells_no_more_than_the_policy_allows(world):
    sitting = await factory.sitting(world)
    expected = {
        FeedbackMode.NONE: None,
        FeedbackMode.OUTCOME: {"outcome": "FAILED", "percent": None, "points": None, "maxPoints": None},
        FeedbackMode.SCORE: {"outcome": "FAILED", "percent": "0.00", "points": "0.0000", "maxPoints": "14.0000"},
    }
    for mode, result in expected.items():
        candidate = await sitting.candidate(feedback=mode)
        before, _ = await ask(world, candidate.viewer, "MySession")
        assert before["result"] is None
        after, _ = await ask(world, candidate.viewer, "SessionSubmit", input={})
        assert after["session"]["result"] == result


async def test_a_pending_score_tells_no_number(world, sitting):
    candidate = await sitting.candidate(feedback=FeedbackMode.SCORE)
    essay = next(n for n, one in enumerate(candidate.items) if one["kind"] == "essay")
    await save(world, candidate, essay)
    ended, _ = await ask(world, candidate.viewer, "SessionSubmit", input={})
    assert ended["session"]["result"] == {
        "outcome": "PENDING",
        "percent": None,
        "points": None,
        "maxPoints": "16.0000",
    }


async def test_refusals_of_a_candidate_are_problems(world, sitting):
    candidate = await sitting.candidate()
    late = tenants.World(world.office.shifted(timedelta(hours=2)), world.tenant_id, world.org_unit_id, world.roles)
    refused, errors = await save(late, candidate, 0)
    assert errors == []
    assert (refused["answer"], refused["isCurrent"]) == (None, False)
    problem = refused["problems"][0]
    assert (problem["__typename"], problem["code"]) == ("DeadlinePassed", "DEADLINE_PASSED")
    assert datetime.fromisoformat(problem["deadlineAt"]) == (await candidate.row()).deadline_at
    shown, _ = await ask(late, candidate.viewer, "MySession")
    assert (shown["state"], shown["secondsRemaining"]) == ("EXPIRED", 0)
    ended, errors = await ask(late, candidate.viewer, "SessionSubmit", input={})
    assert (errors, ended["problems"], ended["session"]["state"]) == ([], [], "EXPIRED")
    drifted, _ = await ask(world, candidate.viewer, "SessionStart", input={})
    assert drifted["problems"][0]["code"] == "DEADLINE_PASSED"
    for wrong in ("nonsense", gid("PaperItem", uuid7()), gid("Session", candidate.session_id)):
        other = await sitting.candidate()
        unknown, errors = await save(world, other, 0, itemId=wrong)
        assert (errors, unknown["problems"][0]["code"]) == ([], "NOT_FOUND")


async def test_idempotency_keys_replay_and_mismatch(world, sitting):
    candidate = await sitting.candidate()
    first, _ = await save(world, candidate, 0, idempotencyKey="k1")
    seq = (await candidate.row()).event_seq
    again, _ = await save(world, candidate, 0, idempotencyKey="k1")
    assert again == first
    assert (await candidate.row()).event_seq == seq
    other, _ = await save(world, candidate, 0, revision=2, idempotencyKey="k1")
    assert other["problems"][0]["code"] == "IDEMPOTENCY_MISMATCH"
    batch = {"batchId": "b", "events": [{"kind": "FOCUS_LOST", "clientAt": "2026-05-01T12:00:00Z"}]}
    for operation, wanted in [("SessionEventsRecord", batch), ("SessionSubmit", {})]:
        one, errors = await ask(world, candidate.viewer, operation, input={**wanted, "idempotencyKey": "k2"})
        two, _ = await ask(world, candidate.viewer, operation, input=wanted, key="k2")
        assert errors == []
        assert one == two
        assert one["problems"] == []
    stranger = await sitting.candidate()
    fresh, _ = await ask(world, stranger.viewer, "SessionSubmit", input={"idempotencyKey": "k2"})
    assert fresh["session"]["id"] == gid("Session", stranger.session_id)


async def test_telemetry_is_taken_and_refused_with_its_place(world, sitting):
    candidate = await sitting.candidate()
    at = datetime.now(UTC).isoformat()
    events = [
        {"kind": "ITEM_VIEWED", "clientAt": at, "position": 2},
        {"kind": "PASTE_DETECTED", "clientAt": at, "position": 2, "details": {"characters": 12}},
    ]
    taken, errors = await ask(world, candidate.viewer, "SessionEventsRecord", input={"batchId": "b1", "events": events})
    assert errors == []
    assert (taken["acceptedCount"], taken["lastSeq"], taken["problems"]) == (2, 4, [])
    events[1]["details"]["characters"] = -1
    refused, _ = await ask(world, candidate.viewer, "SessionEventsRecord", input={"batchId": "b2", "events": events})
    assert (refused["acceptedCount"], refused["lastSeq"]) == (0, None)
    assert refused["problems"][0]["path"] == ["events", "1", "details", "characters"]


async def test_staff_see_session_and_submission_whole(world, sitting):
    candidate = await sitting.candidate()
    await save(world, candidate, 0)
    admin = await world.staff("tenant_admin")
    shown, errors = await ask(world, admin, "Session", id=gid("Session", candidate.session_id))
    assert errors == []
    assert (shown["state"], shown["displayStatus"], shown["answeredCount"]) == ("ACTIVE", "LIVE", 1)
    assert shown["candidate"]["displayName"] == "Candidate"
    assert shown["assignment"]["runLabel"] == "Test_Run"
    assert shown["policy"]["timeLimitSeconds"]["value"] == 3600
    assert shown["policy"]["timeLimitSeconds"]["source"] == "ASSIGNMENT"
    assert shown["submission"] is None
    await ask(world, candidate.viewer, "SessionSubmit", input={})
    shown, _ = await ask(world, admin, "Session", id=gid("Session", candidate.session_id))
    whole, errors = await ask(world, admin, "Submission", id=shown["submission"]["id"])
    assert errors == []
    assert len(whole["items"]) == 8
    assert whole["items"][0]["score"] == {"state": "SCORED", "points": "2.0000", "isCorrect": True}
    assert whole["items"][0]["response"]["choice"] == "b"
    assert whole["items"][0]["questionVersion"]["kind"] == "SINGLE_CHOICE"
    assert whole["latestScore"]["number"] == 1
    assert [version["number"] for version in whole["scoreVersions"]] == [1]
    assert whole["session"]["displayStatus"] == "SUBMITTED"
    for name in ("items", "scoreVersions"):
        assert whole[name]
    document = "query Q($id: ID!) { node(id: $id) { __typename id } }"
    for one in (whole["latestScore"]["id"], whole["items"][0]["id"], whole["id"], shown["id"]):
        found, errors = await execute(world, admin, document, id=one)
        assert (errors, found["id"]) == ([], one)


async def test_lists_filter_order_and_page_with_a_constant_number_of_statements(world):
    sitting = await factory.sitting(world, run_label="Spring_2026")
    admin = await world.staff("tenant_admin")
    wanted = {"assignmentId": gid("Assignment", sitting.assignment.id)}
    counts = {"Sessions": [], "Submissions": []}
    for more in (2, 5):
        for _ in range(more):
            candidate = await sitting.candidate()
            await save(world, candidate, 0)
            await ask(world, candidate.viewer, "SessionSubmit", input={})
        for operation, seen in counts.items():
            with statements(world) as executed:
                page, errors = await ask(world, admin, operation, filter=wanted)
            assert errors == []
            assert len(page["nodes"]) == page["totalCount"]
            seen.append(len(executed))
    assert all(first == second for first, second in counts.values()), counts
    page, _ = await ask(
        world,
        admin,
        "Sessions",
        filter={"runLabel": "Spring_2026", "displayStatus": ["SUBMITTED"]},
        orderBy=[{"field": "LAST_ACTIVITY_AT", "direction": "DESC"}],
        first=3,
    )
    assert page["totalCount"] == 7
    rest, _ = await ask(
        world,
        admin,
        "Sessions",
        filter={"runLabel": "Spring_2026", "displayStatus": ["SUBMITTED"]},
        orderBy=[{"field": "LAST_ACTIVITY_AT", "direction": "DESC"}],
        after=page["pageInfo"]["endCursor"],
    )
    times = [node["lastActivityAt"] for node in page["nodes"] + rest["nodes"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 7
    none, _ = await ask(world, admin, "Sessions", filter={**wanted, "displayStatus": ["LIVE"]})
    assert none["nodes"] == []


async def test_each_document_needs_its_right(world, sitting):
    candidate = await sitting.candidate()
    author = await world.staff("author")
    proctor = await world.staff("proctor")
    nobody = Viewer.anonymous()
    session = gid("Session", candidate.session_id)
    for viewer, operation, variables, code in [
        (author, "Session", {"id": session}, "FORBIDDEN"),
        (author, "Sessions", {}, "FORBIDDEN"),
        (proctor, "Submission", {"id": gid("Submission", uuid7())}, "FORBIDDEN"),
        (proctor, "Submissions", {}, "FORBIDDEN"),
        (candidate.viewer, "Session", {"id": session}, "FORBIDDEN"),
        (candidate.viewer, "Sessions", {}, "FORBIDDEN"),
        (candidate.viewer, "Submissions", {}, "FORBIDDEN"),
        (nobody, "Sessions", {}, "UNAUTHENTICATED"),
        (nobody, "MySession", {}, "UNAUTHENTICATED"),
        (proctor, "MySession", {}, "UNAUTHENTICATED"),
        (proctor, "SessionStart", {"input": {}}, "UNAUTHENTICATED"),
        (proctor, "SessionSubmit", {"input": {}}, "UNAUTHENTICATED"),
    ]:
        data, errors = await ask(world, viewer, operation, **variables)
        assert data is None, operation
        assert errors[0].extensions["code"] == code, (operation, errors)
    shown, errors = await ask(world, proctor, "Session", id=session)
    assert shown["displayStatus"] == "LIVE"
    assert [error.path for error in errors] == [["session", "submission"]]


async def test_a_foreign_session_and_one_that_never_was_look_alike(world, office, sitting):
    candidate = await sitting.candidate()
    other = await tenants.found(office)
    stranger = await other.staff("tenant_admin")

    async def add_unit(work):
        unit = OrgUnit(id=uuid7(), name="Elsewhere")
        work.session.add(unit)
        return unit.id

    unit_id = await office.perform(world.system, add_unit)
    admin = await world.staff("tenant_admin")
    elsewhere = Viewer(
        via=Via.ACCESS, tenant_id=world.tenant_id, org_unit_id=unit_id, user_id=admin.user_id, name="admin"
    )
    for viewer in (stranger, elsewhere):
        foreign = await ask(world, viewer, "Session", id=gid("Session", candidate.session_id))
        unknown = await ask(world, viewer, "Session", id=gid("Session", uuid7()))
        assert foreign == unknown == (None, [])
        page, _ = await ask(world, viewer, "Sessions")
        assert (page["nodes"], page["totalCount"]) == ([], 0)


def reachable(kind, seen):
    kind = get_named_type(kind)
    if kind.name in seen:
        return
    if isinstance(kind, GraphQLUnionType):
        for member in kind.types:
            reachable(member, seen)
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and kind.name != "Problem":
        seen.add(kind.name)
        for field in kind.fields.values():
            reachable(field.type, seen)


def test_candidates_reach_their_own_types_only():
    seen = set()
    reachable(CORE.query_type.fields["mySession"].type, seen)
    acts = (
        "sessionStart",
        "answerSave",
        "answersSave",
        "sessionEventsRecord",
        "sessionHeartbeat",
        "sessionProbe",
        "sessionSubmit",
        "inquiryOpen",
        "myUploadCreate",
    )
    for name in acts:
        reachable(CORE.mutation_type.fields[name].type, seen)
    assert seen == CANDIDATES_TYPES
    for name in seen - AFTER_THE_RESULT:
        fields = {field.lower() for field in CORE.type_map[name].fields}
        assert not fields & {"key", "correct", "correctids", "iscorrect", "explanation", "seed", "snapshot", "row"}


def everything(kind, path=()):
    """Select every field of a type, to the bottom."""
    kind = get_named_type(kind)
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        members = CORE.get_possible_types(kind)
        return "{ __typename " + " ".join(f"... on {m.name} {everything(m, path)}" for m in members) + " }"
    if isinstance(kind, GraphQLObjectType):
        assert kind.name not in path, "a candidate's types have no cycles"
        inner = (f"{name} {everything(field.type, (*path, kind.name))}" for name, field in kind.fields.items())
        return "{ " + " ".join(inner) + " }"
    return ""


async def test_nothing_that_a_candidate_can_ask_for_tells_a_key_or_a_score(world, sitting):
    document = "query Everything { mySession " + everything(CORE.query_type.fields["mySession"].type) + " }"
    other = await sitting.candidate()
    await save(world, other, 0)
    candidate = await sitting.candidate()
    for step in ("started", "answered", "submitted"):
        if step == "answered":
            await save(world, candidate, 0)
        if step == "submitted":
            await ask(world, candidate.viewer, "SessionSubmit", input={})
        shown, errors = await execute(world, candidate.viewer, document)
        assert errors == []
        text = json.dumps(shown)
        assert factory.MARK not in text
        assert "proportional_minus_wrong" not in text.lower()
        assert shown["result"] is None
        assert str(other.session_id) not in text
        assert gid("Session", other.session_id) not in text
        assert len(shown["answers"]) == (step != "started")
    before = await sitting.candidate(started=False)
    shown, _ = await execute(world, before.viewer, document)
    assert shown["paper"] is None
