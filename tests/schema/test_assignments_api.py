"""Assignments as clients see them: every operation document, who may, and how many statements they take."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import event

from models.identity import User, UserStatus
from realtime.hub import Hub
from resolvers.context import Context, House
from schema.nodes import global_id, split_id
from schema.root import schema
from server.addresses import DatabaseAddress
from services import sessions, sessions_expiry
from services.tokens import TokenType
from services.vault import Vault
from services.viewer import Viewer
from services.work import Office
from tests.factories import assignments as factory
from tests.factories import sessions as sittings
from tests.factories import tenants

OPERATIONS = Path(__file__).parents[2] / "graphql" / "operations"
NONCE = "b" * 32


def document(name: str) -> str:
    (path,) = OPERATIONS.rglob(f"{name}.graphql")
    return path.read_text()


class Client:
    """Runs operation documents against the schema, as the server does."""

    def __init__(self, office: Office) -> None:
        # Nothing here follows a stream, so that no hub has to run.
        self.house = House(office, cast("Hub", None), factory.TOKENS, factory.TOKENS.secret_for("cursors"))
        self.statements: list[str] = []

    async def run(self, text: str, variables: dict[str, Any], viewer: Viewer, house: House | None = None):
        context = Context(house or self.house, viewer)
        try:
            result = await schema.execute(text, variable_values=variables, context_value=context)
        finally:
            await context.aclose()
        return result

    async def ask(self, name: str, variables: dict[str, Any], viewer: Viewer, *, house: House | None = None) -> Any:
        result = await self.run(document(name), variables, viewer, house)
        assert result.errors is None, result.errors
        assert result.data is not None
        (value,) = result.data.values()
        return value

    async def act(self, operation: str, viewer: Viewer, **given: Any) -> Any:
        return await self.ask(operation, {"input": given}, viewer)

    async def codes(self, name: str, variables: dict[str, Any], viewer: Viewer) -> list[str]:
        result = await self.run(document(name), variables, viewer)
        return [(error.extensions or {})["code"] for error in result.errors or []]

    async def counted(self, name: str, variables: dict[str, Any], viewer: Viewer) -> tuple[Any, int]:
        self.house.rights._readings.clear()  # or the second request would not have to read them
        engine = self.house.office._engine.sync_engine
        statements: list[str] = []

        def note(_connection, _cursor, statement, *_rest):
            statements.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            value = await self.ask(name, variables, viewer)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return value, len(statements)


@pytest.fixture(scope="module")
async def office(database: DatabaseAddress) -> AsyncIterator[Office]:
    office = Office(database.app, ring=lambda _topics: None, pool_size=24, vault=Vault(bytes(32)))
    yield office
    await office.close()


@pytest.fixture(scope="module")
async def world(office):
    return await tenants.found(office, time_zone="Europe/Vienna")


@pytest.fixture(scope="module")
async def client(office):
    return Client(office)


@pytest.fixture(scope="module")
async def manager(world):
    return await world.staff("programme_manager")


@pytest.fixture(scope="module")
async def version(world):
    return (await sittings.sitting(world)).version


def version_id(version) -> str:
    return global_id("EvaluationVersion", version.id)


async def issue(client, manager, version, people=1, **terms):
    recipients = [{"email": address} for address in factory.addresses(people)]
    given = {"evaluationVersionId": version_id(version), "recipients": recipients, **terms}
    payload = await client.act("AssignmentIssue", manager, **given)
    assert payload["problems"] == []
    return payload


async def redeem(client, token, nonce=NONCE, viewer=None, **more):
    return await client.act("InvitationRedeem", viewer or Viewer.anonymous(), token=token, nonce=nonce, **more)


async def test_issuing_answers_for_each_recipient_in_order(client, world, manager, version):
    known = await world.staff("viewer")
    fresh = factory.addresses(1)[0]
    people = [
        {"email": fresh},
        {"email": "nonsense"},
        {"userId": global_id("User", known.user_id)},
        {"userId": global_id("Assignment", known.user_id)},
    ]
    payload = await client.act(
        "AssignmentIssue",
        manager,
        evaluationVersionId=version_id(version),
        recipients=people,
        securityConfig={"lockdownBrowser": "REQUIRED"},
        runLabel="Spring_1",
    )
    assert payload["problems"] == []
    assert (payload["assignment"]["runLabel"], payload["assignment"]["securityLevel"]) == ("Spring_1", "HIGH_STAKES")
    rows = payload["results"]
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert [row["recipient"] for row in rows] == [next(iter(person.values())) for person in people]
    assert [[problem["code"] for problem in row["problems"]] for row in rows] == [
        [],
        ["INVALID_INPUT"],
        [],
        ["NOT_FOUND"],
    ]
    assert rows[1]["problems"][0]["path"] == ["recipients", "1", "email"]
    assert [row["invitationToken"] is not None for row in rows] == [True, False, True, False]
    assert rows[0]["invitation"]["candidate"]["email"] == fresh
    assert rows[0]["invitation"]["status"] == "SENT"


async def test_nothing_is_issued_when_nobody_can_be_invited(client, manager, version):
    payload = await client.act(
        "AssignmentIssue", manager, evaluationVersionId=version_id(version), recipients=[{"email": "a"}, {"email": "b"}]
    )
    assert payload["assignment"] is None
    assert [problem["code"] for problem in payload["problems"]] == ["NOBODY_TO_INVITE"]
    assert [row["problems"][0]["code"] for row in payload["results"]] == ["INVALID_INPUT"] * 2
    assert [row["recipient"] for row in payload["results"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"recipients": []}, ["recipients"]),
        ({"evaluationVersionId": "rubbish"}, ["evaluationVersionId"]),
        ({"validUntil": "2020-01-01T00:00:00Z"}, ["validUntil"]),
        ({"securityConfig": {"focusLossLimit": 5000}}, ["securityConfig", "focus_loss_limit"]),
        ({"idempotencyKey": " "}, ["idempotencyKey"]),
    ],
)
async def test_what_cannot_be_issued_is_a_problem_that_names_the_input(client, manager, version, given, path):
    whole = {"evaluationVersionId": version_id(version), "recipients": [{"email": "a@example.org"}], **given}
    payload = await client.act("AssignmentIssue", manager, **whole)
    assert (payload["assignment"], payload["results"]) == (None, [])
    (problem,) = payload["problems"]
    assert problem["path"][0] == path[0]


async def test_issuing_again_with_the_same_key_gives_the_same_tokens(client, manager, version):
    given = {
        "evaluationVersionId": version_id(version),
        "recipients": [{"email": address} for address in [*factory.addresses(2), "bad"]],
        "idempotencyKey": str(uuid4()),
    }
    first = await client.act("AssignmentIssue", manager, **given)
    assert await client.act("AssignmentIssue", manager, **given) == first
    other = await client.act("AssignmentIssue", manager, **given, name="Another")
    assert [problem["code"] for problem in other["problems"]] == ["IDEMPOTENCY_MISMATCH"]


async def test_a_candidate_redeems_and_sees_the_session_and_its_limits(client, manager, version):
    issued = await issue(client, manager, version, timeLimitSeconds=2700, feedbackMode="OUTCOME")
    payload = await redeem(client, issued["results"][0]["invitationToken"])
    assert payload["problems"] == []
    assert payload["session"]["state"] == "CREATED"
    policy = payload["session"]["policy"]
    assert (policy["timeLimitText"], policy["attempt"], policy["allowedAttempts"]) == ("45 minutes", 1, 1)
    claims = client.house.tokens.verify(payload["sessionToken"], TokenType.SESSION)
    assert global_id("Session", claims.subject) == payload["session"]["id"]
    again = await redeem(client, issued["results"][0]["invitationToken"])
    assert (again["sessionToken"], again["expiresAt"]) == (payload["sessionToken"], payload["expiresAt"])
    other = await redeem(client, issued["results"][0]["invitationToken"], "c" * 32)
    assert (other["session"], other["sessionToken"]) == (None, None)
    assert [problem["code"] for problem in other["problems"]] == ["INVITATION_USED"]


async def test_the_same_key_redeems_once_also_for_somebody_signed_in(client, manager, version):
    issued = await issue(client, manager, version, 2)
    first, second = [row["invitationToken"] for row in issued["results"]]
    key = str(uuid4())
    one = await redeem(client, first, viewer=manager, idempotencyKey=key)
    assert (await redeem(client, first, idempotencyKey=key))["sessionToken"] == one["sessionToken"]
    other = await redeem(client, second, idempotencyKey=key)
    assert other["session"]["id"] != one["session"]["id"]


async def test_refusals_of_redeeming_carry_what_a_client_needs(client, manager, version):
    opens = datetime.now(UTC) + timedelta(hours=1)
    issued = await issue(client, manager, version, validFrom=opens.isoformat())
    token = issued["results"][0]["invitationToken"]
    (problem,) = (await redeem(client, token))["problems"]
    assert (problem["__typename"], datetime.fromisoformat(problem["opensAt"])) == ("WindowNotOpen", opens)
    (problem,) = (await redeem(client, token, "short"))["problems"]
    assert (problem["code"], problem["path"]) == ("INVALID_INPUT", ["nonce"])
    for bad in ("x", token[:-4]):
        given = {"input": {"token": bad, "nonce": NONCE}}
        assert await client.codes("InvitationRedeem", given, Viewer.anonymous()) == ["UNAUTHENTICATED"]


async def test_closing(client, manager, version):
    issued = await issue(client, manager, version)
    given = {"id": issued["assignment"]["id"], "reason": "The room is flooded.", "idempotencyKey": str(uuid4())}
    closed = await client.act("AssignmentClose", manager, **given)
    assert (closed["problems"], closed["assignment"]["status"]) == ([], "CLOSED")
    assert await client.act("AssignmentClose", manager, **given) == closed
    (problem,) = (await client.act("AssignmentClose", manager, **{**given, "idempotencyKey": None}))["problems"]
    assert (problem["__typename"], problem["code"]) == ("StateDrift", "STATE_DRIFT")
    (problem,) = (await client.act("AssignmentClose", manager, id="nothing", reason="x"))["problems"]
    assert problem["code"] == "NOT_FOUND"
    (problem,) = (await redeem(client, issued["results"][0]["invitationToken"]))["problems"]
    assert (problem["__typename"], problem["closedAt"]) == ("WindowClosed", closed["assignment"]["closedAt"])


async def test_limits_name_their_sources(client, manager, version):
    issued = await issue(client, manager, version, 2, allowedAttempts=3, validUntil="2099-01-01T00:00:00Z")
    shown = await client.ask("Assignment", {"id": issued["assignment"]["id"]}, manager)
    limits = shown["limits"]
    attempts, seconds, until = limits["allowedAttempts"], limits["timeLimitSeconds"], limits["windowUntil"]
    assert (attempts["value"], attempts["source"]) == (3, "ASSIGNMENT")
    assert attempts["sourceId"] == shown["uuid"]
    assert (seconds["value"], seconds["isUnlimited"], seconds["source"]) == (None, True, "SYSTEM_DEFAULT")
    assert (until["value"], until["source"]) == ("2099-01-01T00:00:00+00:00", "ASSIGNMENT")
    assert shown["createdBy"]["displayName"] == "Programme_Manager"
    assert shown["evaluationVersion"]["title"] == version.title
    assert shown["counts"] == {"invited": 2, "started": 0, "completed": 0, "expired": 0}
    assert shown["invitations"]["totalCount"] == 2
    tail = await client.ask("Assignment", {"id": issued["assignment"]["id"], "first": 1}, manager)
    assert tail["invitations"]["pageInfo"]["hasNextPage"]


async def test_the_monitor_shows_filters_and_counts(client, world, manager, version):
    issued = await issue(client, manager, version, 3)
    await redeem(client, issued["results"][0]["invitationToken"])
    of_it = {"id": issued["assignment"]["id"]}
    proctor = await world.staff("proctor")
    monitor = (await client.ask("AssignmentMonitor", of_it, proctor))["monitor"]
    assert [row["bucket"] for row in monitor["nodes"]] == ["STARTED", "INVITED", "INVITED"]
    assert [row["displayStatus"] for row in monitor["nodes"]] == ["CREATED", None, None]
    assert (monitor["counts"]["started"], monitor["totalCount"]) == (1, 3)
    assert monitor["nodes"][0]["session"]["id"] == monitor["nodes"][0]["sessionId"]
    assert monitor["cursor"]
    only = {**of_it, "filter": {"buckets": ["STARTED"], "displayStatus": ["CREATED", "LIVE"]}}
    shown = (await client.ask("AssignmentMonitor", only, proctor))["monitor"]
    assert (len(shown["nodes"]), shown["totalCount"], shown["counts"]["invited"]) == (1, 1, 2)
    none = {**of_it, "filter": {"highStakesOnly": True}}
    assert (await client.ask("AssignmentMonitor", none, proctor))["monitor"]["nodes"] == []
    found = {**of_it, "search": issued["results"][2]["recipient"][:10].upper()}
    assert len((await client.ask("AssignmentMonitor", found, proctor))["monitor"]["nodes"]) == 1
    assert await client.codes("AssignmentMonitor", {**of_it, "first": 201}, proctor) == ["BAD_USER_INPUT"]


async def test_the_monitors_cursor_is_one_of_its_stream(client, manager, version):
    issued = await issue(client, manager, version, 2)
    of_it = {"id": issued["assignment"]["id"]}
    monitor = (await client.ask("AssignmentMonitor", of_it, manager))["monitor"]
    behind = {"assignmentId": of_it["id"], "after": monitor["cursor"]}
    assert (await client.ask("AssignmentEvents", behind, manager))["events"] == []
    await redeem(client, issued["results"][0]["invitationToken"])
    events = (await client.ask("AssignmentEvents", behind, manager))["events"]
    assert [one["kind"] for one in events] == ["CREATED"]
    later = (await client.ask("AssignmentMonitor", of_it, manager))["monitor"]["cursor"]
    assert (await client.ask("AssignmentEvents", {**behind, "after": later}, manager))["events"] == []
    other = await issue(client, manager, version)
    foreign = {"assignmentId": other["assignment"]["id"], "after": monitor["cursor"]}
    assert await client.codes("AssignmentEvents", foreign, manager) == ["CURSOR_EXPIRED"]


async def test_outcomes_are_for_those_who_may_read_submissions(client, world, manager, version):
    issued = await issue(client, manager, version)
    payload = await redeem(client, issued["results"][0]["invitationToken"])
    claims = client.house.tokens.verify(payload["sessionToken"], TokenType.SESSION)
    await world.office.perform(world.system, lambda work: sessions.start(work, claims.subject))
    await world.office.perform(world.system, lambda work: sessions_expiry.submit(work, claims.subject))
    of_it = {"id": issued["assignment"]["id"]}
    (row,) = (await client.ask("AssignmentResults", of_it, manager))["monitor"]["nodes"]
    assert (row["bucket"], row["outcome"], row["invitation"]["status"]) == ("COMPLETED", "FAILED", "SUBMITTED")
    proctor = await world.staff("proctor")
    (row,) = (await client.ask("AssignmentResults", of_it, proctor))["monitor"]["nodes"]
    assert (row["bucket"], row["outcome"]) == ("COMPLETED", None)


async def test_lists_take_as_many_statements_for_a_hundred_as_for_five(client, manager, version):
    label = f"Many_{uuid4().hex}"
    for _ in range(100):
        await issue(client, manager, version, runLabel=label)
    wanted = {"filter": {"runLabel": label}, "orderBy": [{"field": "NAME", "direction": "DESC"}]}
    few, few_statements = await client.counted("Assignments", {**wanted, "first": 5}, manager)
    many, many_statements = await client.counted("Assignments", {**wanted, "first": 100}, manager)
    assert (len(few["nodes"]), len(many["nodes"]), many["totalCount"]) == (5, 100, 100)
    assert few_statements == many_statements
    crowd = await issue(client, manager, version, 100)
    for row in crowd["results"][:50]:
        await redeem(client, row["invitationToken"])
    for name in ("AssignmentMonitor", "AssignmentResults", "Assignment"):
        of_it = {"id": crowd["assignment"]["id"]}
        few, few_statements = await client.counted(name, {**of_it, "first": 5}, manager)
        many, many_statements = await client.counted(name, {**of_it, "first": 100}, manager)
        assert few_statements == many_statements, name
        assert many_statements <= 10, name


async def test_who_may(client, world, manager, version):
    issued = await issue(client, manager, version)
    of_it = {"id": issued["assignment"]["id"]}
    viewer, billing = await world.staff("viewer"), await world.staff("billing_admin")
    assert (await client.ask("Assignment", of_it, viewer))["name"]
    assert await client.codes("AssignmentMonitor", of_it, viewer) == ["FORBIDDEN"]
    assert await client.codes("Assignments", {}, billing) == ["FORBIDDEN"]
    given = {"evaluationVersionId": version_id(version), "recipients": [{"email": "a@example.org"}]}
    assert await client.codes("AssignmentIssue", {"input": given}, viewer) == ["FORBIDDEN"]
    assert await client.codes("AssignmentClose", {"input": {**of_it, "reason": "x"}}, viewer) == ["FORBIDDEN"]
    for name in ("Assignments", "Assignment"):
        assert await client.codes(name, of_it, Viewer.anonymous()) == ["UNAUTHENTICATED"]


async def test_another_tenant_sees_and_changes_nothing(client, office, manager, version):
    issued = await issue(client, manager, version)
    stranger = await (await tenants.found(office)).staff("tenant_admin")
    assert await client.ask("Assignment", {"id": issued["assignment"]["id"]}, stranger) is None
    assert (await client.ask("Assignments", {}, stranger))["nodes"] == []
    for name, given in (
        ("AssignmentClose", {"id": issued["assignment"]["id"], "reason": "x"}),
        ("AssignmentIssue", {"evaluationVersionId": version_id(version), "recipients": [{"email": "a@example.org"}]}),
    ):
        payload = await client.act(name, stranger, **given)
        assert [problem["code"] for problem in payload["problems"]] == ["NOT_FOUND"]
    foreign = (
        await client.act(
            "AssignmentIssue",
            manager,
            evaluationVersionId=version_id(version),
            recipients=[{"userId": global_id("User", stranger.user_id)}],
        )
    )["results"][0]["problems"]
    assert foreign[0]["code"] == "NOT_FOUND"


async def test_a_suspended_person_cannot_redeem(client, world, manager, version):
    issued = await issue(client, manager, version)
    _, user_id = split_id(issued["results"][0]["invitation"]["candidate"]["id"])

    async def suspend(work):
        (await work.session.get_one(User, (world.tenant_id, user_id))).status = UserStatus.SUSPENDED

    await world.office.perform(world.system, suspend)
    (problem,) = (await redeem(client, issued["results"][0]["invitationToken"]))["problems"]
    assert problem["code"] == "NOT_A_MEMBER"


async def test_invitations_are_nodes(client, manager, version):
    issued = await issue(client, manager, version)
    found = await client.ask("Node", {"id": issued["results"][0]["invitation"]["id"]}, manager)
    assert found["__typename"] == "Invitation"
