"""Every operation document is executed, by the demonstration role that may; a new one without an entry here fails."""

import asyncio
from typing import Any

import pytest

from schema.executor import PlanningExecutor
from tests.walks import acts, made
from tests.walks.acts import MUTATIONS, Build, bearer
from tests.walks.conftest import OPERATIONS, Live, document, key
from tests.walks.made import World


@pytest.fixture(scope="module")
async def world(live: Live) -> World:
    return await made.make_world(live)


QUERIES: dict[str, tuple[str, Build]] = {
    "Viewer": ("billing", lambda _w: {}),
    "Node": ("viewer", lambda w: {"id": w.assignment}),
    "Nodes": ("auditor", lambda w: {"ids": [w.assignment, w.submission_id, w.question_id, w.busy.session_id]}),
    "Question": ("author", lambda w: {"id": w.question_id}),
    "Questions": ("author", lambda _w: {"first": 5, "filter": {"referencePrefix": "W"}}),
    "Evaluation": ("viewer", lambda w: {"id": w.evaluation_id}),
    "Evaluations": ("viewer", lambda _w: {"first": 5, "orderBy": [{"field": "NAME"}]}),
    "EvaluationVersion": ("author", lambda w: {"id": w.version_id}),
    "Assignment": ("manager", lambda w: {"id": w.assignment}),
    "Assignments": ("viewer", lambda _w: {"filter": {"status": ["ACTIVE"]}}),
    "Invitations": ("manager", lambda w: {"id": w.assignment}),
    "AssignmentMonitor": ("proctor", lambda w: {"id": w.assignment, "filter": {"buckets": ["STARTED"]}}),
    "Cohort": ("author", lambda _w: {"runLabel": "Walk_Run", "attempts": "BEST"}),
    "EvaluationStatistics": ("author", lambda w: {"evaluationVersionId": w.version_id, "runLabel": "Walk_Run"}),
    "AssignmentResults": ("manager", lambda w: {"id": w.assignment}),
    "AssignmentEvents": ("proctor", lambda w: {"assignmentId": w.assignment}),
    "Session": ("auditor", lambda w: {"id": w.done.session_id}),
    "Sessions": ("assessor", lambda w: {"filter": {"assignmentId": w.assignment}}),
    "SessionEvents": ("proctor", lambda w: {"sessionId": w.done.session_id}),
    "SessionLockdown": ("proctor", lambda w: {"id": w.locked.session_id}),
    "SessionLockdownDetails": ("admin", lambda w: {"id": w.locked.session_id}),
    "SessionsByLockdown": ("proctor", lambda _w: {"filter": {"lockdown": ["NOT_DETECTED", "TAMPERED", "VERIFIED"]}}),
    "AssignmentLockdown": ("admin", lambda w: {"id": w.locked_assignment}),
    "MyLockdown": ("candidate: locked", lambda _w: {}),
    "Submission": ("assessor", lambda w: {"id": w.submission_id}),
    "Submissions": ("integrator", lambda w: {"filter": {"assignmentId": w.assignment}}),
    "LiveSessions": ("proctor", lambda w: {"scope": {"assignmentId": w.assignment}}),
    "LiveSessionEvents": ("proctor", lambda _w: {}),
    "SessionDetails": ("proctor", lambda w: {"id": w.busy.session_id}),
    "Room": ("proctor", lambda w: {"id": w.rooms.room}),
    "Rooms": ("auditor", lambda _w: {}),
    "ReviewEvents": ("auditor", lambda _w: {}),
    "RoomEvents": ("proctor", lambda w: {"roomId": w.rooms.room}),
    "ReviewTask": ("assessor", lambda w: {"id": w.reviews.to_claim}),
    "SubmissionResult": ("auditor", lambda w: {"id": w.submission_id}),
    "ReviewPolicy": ("auditor", lambda w: {"evaluationId": w.evaluation_id}),
    "ReviewTasks": ("auditor", lambda w: {"filter": {"assignmentId": w.reviews.assignment}}),
    "CorrectionPreview": (
        "manager",
        lambda w: {
            "input": {
                "evaluationVersionId": w.version_id,
                "lines": [{"questionVersionId": w.corrected.question, "change": {"points": "3"}}],
            }
        },
    ),
    "CorrectionBatch": ("admin", lambda w: {"id": w.corrected.batch}),
    "CorrectionBatches": ("auditor", lambda w: {"evaluationVersionId": w.version_id}),
    "EvidenceItem": ("auditor", lambda w: {"id": w.filed.from_candidate}),
    "SubmissionEvidence": ("manager", lambda w: {"id": w.filed.submission}),
    "ReviewEvidence": ("assessor", lambda w: {"id": w.filed.task}),
    "MyUploads": ("candidate: filing", lambda _w: {}),
    "Programme": ("auditor", lambda w: {"id": w.programmes.published}),
    "Programmes": ("viewer", lambda _w: {}),
    "ProgrammeEnrolment": ("auditor", lambda w: {"id": w.programmes.held}),
    "ProgrammeEnrolments": ("viewer", lambda w: {"filter": {"programmeId": w.programmes.published}}),
    "Certificate": ("auditor", lambda w: {"id": w.programmes.certificate}),
    "Certificates": ("viewer", lambda _w: {"filter": {"state": ["ACTIVE"]}}),
    "CertificateSettings": ("auditor", lambda _w: {}),
    "ProgrammeEvents": ("auditor", lambda w: {"programmeId": w.programmes.published}),
    "ProgrammeDiff": ("auditor", lambda w: {"id": w.programmes.published, "before": 0}),
    "Activity": ("auditor", lambda _w: {"first": 5, "filter": {"act": "assignment."}}),
    "ActivityCheckpoints": ("auditor", lambda _w: {}),
    "ActivityVerify": ("auditor", lambda _w: {}),
    "User": ("billing", lambda w: {"id": w.people.kept}),
    "Users": ("billing", lambda _w: {"filter": {"search": "demo"}}),
    "UserMergePreview": ("admin", lambda w: {"keptId": w.people.kept, "duplicateId": w.people.duplicate}),
    "UsersImportPreview": ("admin", lambda _w: {"csv": acts.file_of_people()}),
    "OrgUnits": ("auditor", lambda _w: {}),
    "Groups": ("auditor", lambda _w: {}),
    "Capabilities": ("auditor", lambda _w: {}),
    "Role": ("auditor", lambda w: {"id": w.people.role}),
    "Roles": ("auditor", lambda _w: {}),
    "AccessExplain": (
        "auditor",
        lambda w: {"userId": w.people.kept, "capability": "users.read", "objectId": w.people.unit},
    ),
    "MySession": ("candidate: busy", lambda _w: {}),
    "MyResult": ("candidate: told", lambda _w: {}),
    "Message": ("admin", lambda w: {"id": w.message}),
    "Messages": ("manager", lambda _w: {"filter": {"template": "INVITATION"}}),
    "MailTemplates": ("auditor", lambda _w: {}),
    "MailTemplatePreview": ("admin", lambda _w: {"key": "INVITATION", "body": "Dear {{ candidate_name }}"}),
    "ParkedJobs": ("admin", lambda _w: {}),
    "ProgrammeEnrolPreview": (
        "manager",
        lambda w: {"input": {"programmeId": w.programmes.published, "recipients": [{"groupId": w.people.group}]}},
    ),
    "AssignmentPreview": (
        "manager",
        lambda w: {"input": {"evaluationVersionId": w.version_id, "recipients": [{"groupId": w.people.group}]}},
    ),
    "AssignmentDraft": ("manager", lambda w: {"id": w.limits.draft}),
    "AssignmentDrafts": ("manager", lambda _w: {}),
    "AssignmentTemplate": ("viewer", lambda w: {"id": w.limits.template}),
    "AssignmentTemplates": ("viewer", lambda _w: {}),
    "AssignmentSchedule": ("viewer", lambda w: {"id": w.limits.schedule}),
    "AssignmentSchedules": ("viewer", lambda _w: {}),
    "OverridePreview": (
        "manager",
        lambda w: {
            "assignmentId": w.assignment,
            "target": {"userId": w.limits.candidate},
            "change": {"addedAttempts": 1},
        },
    ),
    "Overrides": ("viewer", lambda w: {"filter": {"assignmentId": w.assignment}}),
    "Incident": ("auditor", lambda w: {"id": w.limits.incident}),
    "Incidents": ("proctor", lambda w: {"filter": {"kind": "COMPENSATE", "sessionId": w.busy.session_id}}),
    "Accommodation": ("auditor", lambda w: {"userId": w.people.kept}),
    "PolicyDefaults": ("viewer", lambda _w: {}),
    "AttentionRules": ("proctor", lambda _w: {}),
    "Cohorts": ("auditor", lambda _w: {}),
    "MySignIns": ("signed in", lambda _w: {}),
    "MyProgrammes": ("signed in", lambda _w: {}),
    "MyAssignments": ("signed in", lambda _w: {}),
    "ServiceTokens": ("integrator", lambda _w: {"first": 5}),
    "CredentialKeys": ("admin", lambda _w: {"first": 5}),
}
"""Document, who asks, and with which variables."""

STREAMS: dict[str, tuple[str, Build]] = {
    "LiveSessionStream": ("proctor", lambda w: {"scope": {"assignmentId": w.assignment}}),
    "ReviewStream": ("assessor", lambda _w: {}),
    "ProgrammeStream": ("auditor", lambda w: {"programmeId": w.programmes.published}),
    "RoomStream": ("proctor", lambda w: {"roomId": w.rooms.room}),
    "AssignmentStream": ("proctor", lambda w: {"assignmentId": w.assignment}),
    "SessionStream": ("proctor", lambda w: {"sessionId": w.busy.session_id}),
    "MySessionStream": ("candidate: busy", lambda _w: {}),
}


def test_every_document_has_an_entry() -> None:
    files = sorted(path.stem for path in OPERATIONS.rglob("*.graphql"))
    assert files == sorted([*QUERIES, *MUTATIONS, *STREAMS])


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_answers(live: Live, world: World, name: str):
    who, build = QUERIES[name]
    data = await live.ask(name, build(world), token=await bearer(live, world, who))
    (answer,) = data.values()
    assert answer, data
    if isinstance(answer, dict):
        assert answer.get("nodes", True), "a list with something in it"
    else:
        assert all(answer)


VOLATILE = {"asOf", "at", "cursor", "serverNow", "secondsRemaining"}


def steady(data: Any) -> Any:
    if isinstance(data, dict):
        return [(name, steady(value)) for name, value in data.items() if name not in VOLATILE]
    return [steady(one) for one in data] if isinstance(data, list) else data


@pytest.mark.parametrize("name", QUERIES)
async def test_plans_answer_it_as_graphql_core_does(live: Live, world: World, name: str, monkeypatch):
    who, build = QUERIES[name]
    token = await bearer(live, world, who)
    variables = build(world)
    *_, planned = [await live.ask(name, variables, token=token) for _ in range(3)]  # at last the straight way
    monkeypatch.setattr(PlanningExecutor, "planning", False)
    assert steady(planned) == steady(await live.ask(name, variables, token=token))


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_mutation_takes_effect(live: Live, world: World, name: str):
    who, build = MUTATIONS[name]
    payload = await live.do(name, build(world), token=await bearer(live, world, who), **{"idempotency-key": key()})
    assert all(value is not None for value in payload.values()), payload
    for row in payload.get("results", []):
        assert row["problems"] == []


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_delivers(live: Live, world: World, name: str):
    who, build = STREAMS[name]
    token = await bearer(live, world, who)
    assert token is not None
    listed = {
        "AssignmentStream": "AssignmentEvents",
        "RoomStream": "RoomEvents",
        "ReviewStream": "ReviewEvents",
        "ProgrammeStream": "ProgrammeEvents",
        "LiveSessionStream": "LiveSessionEvents",
    }.get(name, "SessionEvents")
    of_it = build(world) or ({} if name == "ReviewStream" else {"sessionId": world.busy.session_id})
    reader = await live.token({"ReviewStream": "assessor", "ProgrammeStream": "auditor"}.get(name, "proctor"))
    (page,) = (await live.ask(listed, of_it | {"first": 1}, token=reader)).values()
    async with asyncio.timeout(10), live.stream(name, build(world) | {"after": page["cursor"]}, token) as frames:
        frame = await anext(frames)
    assert frame["cursor"] != page["cursor"]
    assert frame["events"]


def test_every_document_holds_one_operation_of_its_own_name() -> None:
    for path in OPERATIONS.rglob("*.graphql"):
        assert f" {path.stem}" in document(path.stem).split("{", 1)[0]


@pytest.mark.parametrize("name", QUERIES)
async def test_a_known_document_is_answered_as_a_new_one(live: Live, world: World, name: str):
    who, build = QUERIES[name]
    token = await bearer(live, world, who)
    text, variables = f"# {key()}\n{document(name)}", build(world)
    new, *known = [await live.post(text, variables, token) for _ in range(3)]
    assert new["extensions"]["cost"]["requested"] > 0
    for answer in known:
        assert steady(answer) == steady(new)
