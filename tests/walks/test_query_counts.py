"""The number of SQL statements of a request does not depend on how many rows it answers with."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from resolvers import rights
from server.driver import connected
from services.work import Work
from tests.walks import files, made, observed, programmes, story
from tests.walks.conftest import Live, document
from tests.walks.quiet import quiet
from tests.walks.story import Sitting

FEW, MANY = 3, 40

NESTED = {
    "assignments to items": (
        "author",
        """query ($n: Int!) { assignments(first: $n, orderBy: [{field: CREATED_AT, direction: DESC}]) { nodes {
            id counts { invited started completed expired } createdBy { displayName }
            evaluationVersion { id title evaluation { id } itemsPerSession maxPoints
              sections(first: 5) { title itemCount items(first: 6) { points questionVersion { id question { id } } } } }
        } } }""",
    ),
    "assignments to limits": (
        "admin",
        """query ($n: Int!) { assignments(first: $n, orderBy: [{field: CREATED_AT, direction: DESC}]) { nodes {
            id limits { timeLimitSeconds { value source } } securityLevel lockdown { configKeyCount configKeys }
            resultRelease { isHeld decidedBy { id } } } } }""",
    ),
    "programmes to requirements": (
        "admin",
        """query ($n: Int!) { programmes(first: $n) { nodes { id createdBy { displayName } draftRequirements { evaluation { id } }
            publishedVersion { number publishedBy { id } requirements { evaluation { publishedVersion { id } } } } } } }""",
    ),
    "enrolments to attempts": (
        "admin",
        """query ($n: Int!) { programmeEnrolments(first: $n) { totalCount nodes { id state completionPercent user { email }
            enrolledBy { displayName } programme { id } programmeVersion { number requirements { name } }
            progress { state requirement { name } evaluationVersion { id } submission { id latestScore { percent } }
              attempts { assignment { id runLabel } } }
            availableActions { action enabled } renewalOf { id } certificate { id state verificationUrl
              availableActions { action enabled } user { id } revokedBy { id } programme { id } programmeVersion { number } } } } }""",
    ),
    "enrolments by filter": (
        "admin",
        """query ($n: Int!) { programmeEnrolments(first: $n, filter: {expiresWithinDays: 90, state: [CERTIFIED], isHeld: false}) {
            totalCount nodes { id state completionPercent certificate { id } } } }""",
    ),
    "schedules to runs": (
        "admin",
        """query ($n: Int!) { assignmentSchedules(first: $n) { nodes { id nextRuns { at runLabel }
            lastRun { outcome assignment { id schedule { id } } } createdBy { displayName } } } }""",
    ),
    "sessions to scores": (
        "admin",
        """query ($n: Int!) { sessions(first: $n) { totalCount nodes { id displayStatus secondsRemaining
            candidate { email } assignment { name evaluationVersion { title } }
            lockdown { state words exception { isOpen } technicalDetails }
            submission { id latestScore { percent outcome } } } } }""",
    ),
    "the command centre": (
        "admin",
        """query ($n: Int!) { liveSessions(first: $n) { asOf cursor counts { live paused } nodes { id displayStatus
            securityLevel progressPercent currentSection secondsRemaining attention { level } connection { state }
            candidate { email } room { name proctors { id } } telemetry { focusLostCount indicators }
            availableActions { action enabled } } } }""",
    ),
    "submissions to question versions": (
        "admin",
        """query ($n: Int!) { submissions(first: $n) { totalCount nodes { id candidate { email }
            session { id } assignment { id } evaluationVersion { id }
            latestScore { points scoredBy { displayName } items { points } } scoreVersions { number }
            items { position response { choice } score { points } questionVersion { id stem key { explanation } question { id } } }
        } } }""",
    ),
    "submissions to evidence": (
        "admin",
        """query ($n: Int!) { submissions(first: $n) { nodes { id evidence { id decision integrity latestEvent { id actor { id } }
            events { id kind } availableActions { action enabled } replacedBy { id } replaces { id } recordedBy { email } }
            items { id evidence { id decision } } } } }""",
    ),
    "messages to events": (
        "admin",
        """query ($n: Int!) { messages(first: $n) { totalCount nodes { id email state events { kind at providerId } } } }""",
    ),
    "questions to versions": (
        "author",
        """query ($n: Int!) { questions(first: $n) { nodes { reference
            latestVersion { id key { explanation } content { __typename } question { id } }
            publishedVersion { id } versions(first: 3) { id number } } } }""",
    ),
    "service tokens to people": (
        "admin",
        """query ($n: Int!) { serviceTokens(first: $n) { totalCount nodes { id name lastUsedAt
            orgUnit { name } createdBy { displayName email } } } }""",
    ),
    "credential keys to people": (
        "admin",
        """query ($n: Int!) { credentialKeys(first: $n) { totalCount nodes { id url madeBy { displayName }
            retiredBy { email } } } }""",
    ),
    "people to what they belong to": (
        "admin",
        """query ($n: Int!) { users(first: $n, filter: {search: "aa crowd"}) { totalCount nodes { id status mergedInto { id }
            orgUnits { id name memberCount } groups { id members(first: 2) { totalCount nodes { id email } } }
            roles { expiresAt role { id name holdersCount capabilities { name } availableActions { action enabled } }
              orgUnit { id } grantedBy { displayName } }
            availableActions { action enabled reason } } } }""",
    ),
    "groups to members": (
        "admin",
        """query ($n: Int!) { groups(first: $n) { totalCount nodes { id name memberCount
            members(first: 5) { totalCount pageInfo { hasNextPage } nodes { id displayName orgUnits { id } } } } } }""",
    ),
    "incidents to overrides": (
        "admin",
        """query ($n: Int!) { incidents(first: $n) { totalCount nodes { id reason createdBy { displayName }
            choice { by } sessions(first: 3) { totalCount nodes { seconds override { id amount }
              session { id displayStatus candidate { email } } } } } } }""",
    ),
    "org units to members": (
        "admin",
        """query ($n: Int!) { orgUnits(first: $n) { nodes { id memberCount members(first: 3) { nodes { id } } } } }""",
    ),
    "roles to capabilities": (
        "admin",
        """query ($n: Int!) { roles(first: $n) { totalCount nodes { id isSystem holdersCount
            capabilities { name fields } availableActions { action enabled reason } } } }""",
    ),
    "evaluations to sections": (
        "author",
        """query ($n: Int!) { evaluations(first: $n) { nodes { name latestVersion { id itemsPerSession maxPoints
            sections(first: 3) { title itemCount } } publishedVersion { id } versions(first: 2) { number } } } }""",
    ),
}


BY_THE_CLOCK = {"ledger.keys", "ledger.seal", "metrics", "schedules.run", "sessions.sweep"}
FEWEST_TRIES = 5


def is_by_the_clock() -> bool:
    """Whether a statement is that of a job or of the metrics of the same process, which run beside a request."""
    task = asyncio.current_task()
    return task is not None and task.get_name() in BY_THE_CLOCK


@contextmanager
def counted(live: Live) -> Iterator[list[str]]:
    """Collect the statements that the service sends while the block runs."""
    live.service.house.rights._readings.clear()  # or the second request would not have to read them
    engine = live.service.house.office._engine.sync_engine
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not is_by_the_clock():
            statements.append(statement)

    fetch = Work.fetch

    async def fetched(work: Work, statement: str, *values: Any) -> Any:
        if not is_by_the_clock():
            statements.append(statement)
        return await fetch(work, statement, *values)

    event.listen(engine, "after_cursor_execute", note)
    Work.fetch = fetched
    try:
        yield statements
    finally:
        Work.fetch = fetch
        event.remove(engine, "after_cursor_execute", note)


async def count(live: Live, text: str, variables: dict[str, Any], role: str) -> tuple[int, int, list[str]]:
    """Statements and rows of one request; asked once before, so that nothing is made for the first time."""
    token = await live.token(role)
    body = await live.post(text, variables, token)
    assert "errors" not in body, body
    tries: list[list[str]] = []
    # Jobs of the same process may run beside a request and only add to it: the least that comes twice is its own.
    # A row of like jobs, as mails are, adds the same to two requests in turn.
    while len(tries) < FEWEST_TRIES or (
        len(tries) < 20 and [len(one) for one in tries].count(min(map(len, tries))) == 1
    ):
        with counted(live) as statements:
            body = await live.post(text, variables, token)
        tries.append(statements)
    statements = min(tries, key=len)
    ((_, answer),) = body["data"].items()
    return len(statements), len(answer.get("nodes") or answer["monitor"]["nodes"]), statements


CERTIFIED = """update programme_enrolments set status = 'certified', met_count = mandatory_count,
    completed_at = now(), certified_at = now(), expires_at = now() + interval '30 days'"""
CERTIFICATES = """insert into certificates (id, tenant_id, org_unit_id, programme_id, version_id, enrolment_id, user_id,
    token, holder_name, grounds, issued_at, valid_through, expires_at, renewal_opens_at, renewal_ends_at)
    select gen_random_uuid(), tenant_id, org_unit_id, programme_id, version_id, id, user_id,
    id::text, 'Holder', '[]', now(), current_date + 30, now() + interval '30 days', now(), now() + interval '30 days'
    from programme_enrolments"""


@pytest.fixture(scope="module")
async def crowd(live: Live) -> dict[int, str]:
    """An assignment of 3 people and one of 40, all of whom sat and handed in; and 40 evaluations and assignments."""
    version = await story.publish(live)
    await compensate(live, version["id"])
    issued: dict[int, str] = {}
    busy = asyncio.Semaphore(5)

    async def sit(invitation: str) -> Sitting:
        async with busy:
            sitting = await story.sit_down(live, invitation)
            for item in sitting.items[:2]:
                given = {"itemId": item["id"], "revision": 1, "response": story.choice(item, "right")}
                await live.do("AnswerSave", given, token=sitting.token)
            await live.do("SessionSubmit", {}, token=sitting.token)
            return sitting

    for people in (FEW, MANY):
        issued[people], invitations = await story.issue(live, version["id"], people)
        await asyncio.gather(*(sit(invitation) for invitation in invitations))

    async def author(number: int) -> None:
        async with busy:
            sections = [{"title": "All", "drawPerGroup": True, "selector": {"referencePrefix": "W"}}]
            given = {"title": f"Crowd {number}", "passMark": {"points": "4"}, "sections": sections}
            created = await live.do("EvaluationCreate", given, role="author")
            done = await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author")
            await story.issue(live, done["version"]["id"], 1)
            await made.make_schedule(live, done["version"]["id"])
            programme = await programmes.published(live, evaluation_id=created["evaluation"]["id"])
            if number == 0:
                await programmes.enrol(live, programme, MANY)

    async def prove(submission: str) -> None:
        async with busy:
            upload = await files.staff_upload(live, b"proof", submissionId=submission)
            given = {"submissionId": submission, "uploadId": upload["id"]}
            await live.do("EvidenceRecord", given, role="assessor")

    handed_in = (await live.ask("Submissions", {"first": FEW + MANY}, role="admin"))["submissions"]["nodes"]
    await asyncio.gather(*(prove(one["id"]) for one in handed_in))
    await asyncio.gather(*(author(number) for number in range(MANY)))
    ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for number in range(MANY):
        given = {"name": f"T{number}", "capabilities": ["questions.read"], "expiresAt": ends}
        await live.do("ServiceTokenCreate", given, role="integrator")
        await live.do("CredentialKeyRotate", {"reason": f"The {number}th."}, role="admin")
    entries = [entry for n in range(2) for entry in story.pool(f"x{n}")]
    await live.do("QuestionPoolImport", {"entries": entries, "publish": True}, role="author")
    await belong(live)
    assert live.database.admin_dsn is not None
    async with connected(live.database.admin_dsn) as owner:
        await quiet(owner)
        await owner.execute(CERTIFIED)
        await owner.execute(CERTIFICATES)
    return issued


async def compensate(live: Live, version_id: str) -> None:
    """Forty incidents, each with three people who are given a second."""
    assignment, invitations = await story.issue(live, version_id, FEW)
    for invitation in invitations:
        await story.sit_down(live, invitation)
    chosen = {"sessions": {"filter": {"assignmentId": assignment}}, "category": "STAFF", "reason": "Began late."}
    for _ in range(MANY):
        await live.do("IncidentCompensate", chosen | {"seconds": 1}, role="manager")


async def belong(live: Live) -> None:
    """Forty people, org units, groups and roles; each person is in one of each, and holds one role besides."""
    for number in range(MANY):
        await live.do("OrgUnitCreate", {"name": f"Unit {number}"}, role="admin")
        await live.do("GroupCreate", {"name": f"Group {number}"}, role="admin")
        given = {"name": f"Role {number}", "capabilities": ["users.read", "roles.read"]}
        await live.do("RoleCreate", given, role="admin")
    lines = [f"aa{n}@example.org,AA crowd {n},Unit {n},Group {n};Group 0,Role {n};Viewer" for n in range(MANY)]
    text = "\n".join(["email,display_name,org_units,groups,roles", *lines])
    await live.do("UsersImport", {"csv": text, "reason": "Crowd."}, role="admin")


@pytest.mark.parametrize("name", ["AssignmentMonitor", "AssignmentResults"])
async def test_the_monitor(live: Live, crowd: dict[int, str], name: str, record_property):
    role = "manager"
    few, rows_few, _ = await count(live, document(name), {"id": crowd[FEW]}, role)
    many, rows_many, statements = await count(live, document(name), {"id": crowd[MANY]}, role)
    assert (rows_few, rows_many) == (FEW, MANY)
    record_property(name, many)
    print(f"\n{name}: {few} statements for {FEW} rows, {many} for {MANY}")  # noqa: T201 - for the closing note
    assert few == many, statements


async def test_the_mails_of_a_monitor(live: Live, crowd: dict[int, str]):
    text = """query ($id: ID!) { assignment(id: $id) { monitor(first: 50) { nodes {
        id invitation { id delivery { state at detail } } } } } }"""
    few, rows_few, _ = await count(live, text, {"id": crowd[FEW]}, "manager")
    many, rows_many, statements = await count(live, text, {"id": crowd[MANY]}, "manager")
    assert (rows_few, rows_many) == (FEW, MANY)
    assert few == many, statements


async def test_corrections_and_their_scores(live: Live, crowd: dict[int, str]):
    text = """query ($v: ID!, $n: Int!) { correctionBatches(evaluationVersionId: $v, first: $n) { totalCount nodes {
        id isInForce createdBy { displayName } evaluationVersion { id } undoes { id } undoneBy { id }
        lines { kind key { explanation } questionVersion { id } }
        scores(first: 3) { totalCount nodes { before { percent } after { number correctionBatch { id } }
          submission { id candidate { email } } } } } } }"""
    version = await correct(live, crowd[FEW])
    (few, _, _), (many, rows, statements) = [
        await count(live, text, {"v": version, "n": n}, "admin") for n in (FEW, MANY)
    ]
    assert rows == MANY
    assert few == many, statements


@pytest.fixture(scope="module")
async def watched(live: Live) -> str:
    """An assignment of 40 people who were watched: each in hand, objected to, with a draft, a mark, a told result."""
    assignment, invitations = await story.issue(live, await observed.publish(live), MANY)
    busy = asyncio.Semaphore(6)

    async def sit(invitation: str) -> None:
        async with busy:
            sitting = await story.sit_down(live, invitation)
            await live.do("SessionSubmit", {}, token=sitting.token)

    async def judge(task: str, submission: str) -> None:
        async with busy:
            mine = await observed.take(live, task)
            await mine.object(live, "MINOR")
            (item,) = await observed.essays.items(live, task)
            draft = mine.place | {"itemId": item["item"]["id"], "revision": 1, "levels": observed.PASSED}
            await live.do("GradeDraftSave", draft, role="assessor")
            await mine.mark(live)
            told = {"assignmentId": assignment, "submissionIds": [submission], "reason": "She asked."}
            await live.do("ResultsRelease", told, role="manager")

    await asyncio.gather(*(sit(invitation) for invitation in invitations))
    text = "query ($a: ID!) { reviewTasks(filter: {assignmentId: $a}, first: 40) { nodes { id submission { id } } } }"
    found = (await live.post(text, {"a": assignment}, await live.token("assessor")))["data"]["reviewTasks"]["nodes"]
    await asyncio.gather(*(judge(one["id"], one["submission"]["id"]) for one in found))
    return assignment


async def test_reviews_and_all_that_belongs_to_them(live: Live, watched: str):
    text = """query ($a: ID!, $n: Int!) { reviewTasks(filter: {assignmentId: $a}, first: $n) { totalCount nodes {
        id state claimedBy { id } leasedUntil myFence secondOpinionReasons availableActions { action enabled }
        candidate { email } assignment { id } evaluationVersion { id } evidence { id }
        findings { id raisedBy { id } closedBy { id } } events { kind actor { id } task { id } }
        items { item { id } rubric { criteria { id } } drafts { marker { id } } myDraft { revision } grades { marker { id } } }
        submission { id resultRelease { isHeld decidedBy { id } } inquiry { state answeredBy { id } } reviews { id } } } } }"""
    (few, rows_few, _), (many, rows, statements) = [
        await count(live, text, {"a": watched, "n": n}, "assessor") for n in (FEW, MANY)
    ]
    assert (rows_few, rows) == (FEW, MANY)
    assert few == many, statements


async def correct(live: Live, assignment: str) -> str:
    """Void a question and take that back, forty batches in all; returns the evaluation version."""
    (one,) = (await live.ask("Submissions", {"filter": {"assignmentId": assignment}, "first": 1}, role="admin"))[
        "submissions"
    ]["nodes"]
    shown = (await live.ask("Submission", {"id": one["id"]}, role="admin"))["submission"]
    version = shown["evaluationVersion"]["id"]
    lines = [{"questionVersionId": shown["items"][0]["questionVersion"]["id"], "change": {"void": "FULL"}}]
    given = {"evaluationVersionId": version, "lines": lines, "reason": "Unclear."}
    for _ in range(MANY // 2):
        batch = (await live.do("CorrectionApply", given, role="manager"))["batch"]
        await live.do("CorrectionUndo", {"id": batch["id"], "reason": "Clear."}, role="manager")
    return version


async def test_what_changed_in_the_monitor(live: Live, crowd: dict[int, str]):
    few, many = [
        await count(
            live,
            document("AssignmentMonitor"),
            {"id": crowd[n], "changedAfter": await earlier(live, crowd[n])},
            "manager",
        )
        for n in (FEW, MANY)
    ]
    assert (few[1], many[1]) == (FEW, MANY)
    assert few[0] == many[0], many[2]


async def earlier(live: Live, assignment: str) -> str:
    """The cursor of a page that was read before every row changed."""
    page = (await live.ask("AssignmentMonitor", {"id": assignment}, role="manager"))["assignment"]["monitor"]
    for row in page["nodes"]:
        given = {"id": row["candidate"]["id"], "displayName": f"Again {row['candidate']['email']}"}
        await live.do("UserUpdate", given, role="admin")
    return page["cursor"]


@pytest.mark.parametrize("name", NESTED)
async def test_a_nested_list(live: Live, crowd: dict[int, str], name: str, record_property):
    role, text = NESTED[name]
    few, rows_few, _ = await count(live, text, {"n": FEW}, role)
    many, rows_many, statements = await count(live, text, {"n": MANY}, role)
    assert (rows_few, rows_many) == (FEW, MANY)
    record_property(name, many)
    print(f"\n{name}: {few} statements for {FEW} rows, {many} for {MANY}")  # noqa: T201 - for the closing note
    assert few == many, statements


async def test_what_somebody_may_do_is_read_once_for_all_that_a_mutation_answers(live: Live, monkeypatch):
    """A write that takes long has outlived what was known of its caller: every field of every row asks anew."""
    monkeypatch.setattr(rights, "FRESH", 0)
    programme, token = await programmes.published(live), await live.token("manager")
    found: list[int] = []
    for people in (FEW, MANY):
        recipients = [{"email": f"{uuid4().hex}@example.org"} for _ in range(people)]
        given = {"programmeId": programme, "recipients": recipients, "idempotencyKey": uuid4().hex}
        with counted(live) as statements:
            body = await live.post(document("ProgrammeEnrol"), {"input": given}, token)
        assert len(body["data"]["programmeEnrol"]["results"]) == people, body
        found.append(sum("role_capabilities" in one for one in statements))
    assert found[0] == found[1], found
