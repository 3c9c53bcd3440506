"""Every system role at every door: what the SDL declares is what happens, and a right that is taken away is gone at once."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.capabilities import Capability
from schema.nodes import global_id
from server.viewer import access_token
from services import demonstration
from services.demonstration import ROLES
from services.system_roles import SYSTEM_ROLES
from services.tokens import Tokens, TokenType
from tests.factories import attempts
from tests.walks import reach, story
from tests.walks.conftest import Live, document, receive, send

HELD = {role.key: role.capabilities for role in SYSTEM_ROLES}
KINDS = ("query", "mutation", "subscription")
DOORS = [(kind, name) for kind in KINDS for name in reach.roots(kind)]


BY_WHAT_IS_SHOWN = {
    "invitationRedeem": "not a valid invitation",
    "publicLinkRedeem": "not a valid invitation",
    "resultOpen": "not a valid invitation",
    "signInRequest": "SignInRequestPayload",
    "signInRedeem": "SignInPayload",
    "signInRefresh": "refresh token is not valid",
    "signOut": "Only a sign-in can be ended",
}
"""Public fields, and how each answers whoever shows nothing."""


@pytest.fixture(autouse=True)
async def afresh(live: Live):
    """No role feels how many wrong tokens the ones before it have shown."""
    await attempts.forget(live.service.house)


IDS = {
    "itemId": "PaperItem",
    "sessionId": "Session",
    "assignmentId": "Assignment",
    "evaluationVersionId": "EvaluationVersion",
    "questionVersionId": "QuestionVersion",
    "userId": "User",
    "userIds": "User",
    "keptId": "User",
    "duplicateId": "User",
    "grantId": "Grant",
    "roleId": "Role",
    "orgUnitIds": "OrgUnit",
}


def subject(root: str) -> str:
    """The kind of object that a root field is about, by its name."""
    for compound in ("ServiceToken", "SignIn"):
        if root.startswith(compound[0].lower() + compound[1:]):
            return compound
    return re.split(r"(?=[A-Z])", root)[0].removesuffix("s").capitalize()


def harmless(root: str) -> reach.Fill:
    """Ids of the right kinds for objects that do not exist, so that whoever is allowed changes nothing."""

    def fill(kind: str, name: str) -> str | None:
        if kind != "ID":
            return None
        return f'"{global_id(IDS.get(name) or subject(root), uuid4())}"'

    return fill


def expected(kind: str, name: str, role: str) -> tuple[str, str] | None:
    """Code, and what the message must name, of the refusal that the SDL promises a role; None when it may ask."""
    declared, capability = reach.access(reach.roots(kind)[name])
    if declared == "candidate":
        return "UNAUTHENTICATED", "session token"
    if declared == "requires" and Capability(capability) not in HELD[ROLES[role]]:
        return "FORBIDDEN", f"'{Capability(capability).value}'"
    return None


async def knock(live: Live, kind: str, name: str, token: str | None) -> dict:
    """Ask a root field for as little as possible; of a stream, only its beginning."""
    text = reach.shallow(kind, name, harmless(name))
    if kind != "subscription":
        return await live.post(text, token=token)
    headers = {"accept": "text/event-stream"} | ({} if token is None else {"authorization": f"Bearer {token}"})
    async with live.http.stream("POST", f"{live.base}/graphql/stream", json={"query": text}, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line.startswith(("data:", "{")) and (said := line.removeprefix("data:").strip()):
                return orjson.loads(said)
    raise AssertionError(f"{name} answered nothing")


def codes(body: dict) -> list[str]:
    return [error["extensions"]["code"] for error in body.get("errors", [])]


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_ask_exactly_what_its_capabilities_say(live: Live, role: str):
    token = await live.token(role)
    wrong = []
    for kind, name in DOORS:
        body = await knock(live, kind, name, token)
        promise = expected(kind, name, role)
        if name in BY_WHAT_IS_SHOWN:
            if BY_WHAT_IS_SHOWN[name] not in str(body):
                wrong.append((kind, name, body))
        elif promise is None:
            if {"FORBIDDEN", "UNAUTHENTICATED", "INTERNAL"} & set(codes(body)):
                wrong.append((kind, name, body))
        elif codes(body) != [promise[0]] or promise[1] not in body["errors"][0]["message"]:
            wrong.append((kind, name, body))
    assert wrong == []


async def test_the_viewer_is_told_the_capabilities_of_the_role(live: Live):
    for role, key in ROLES.items():
        told = (await live.ask("Viewer", role=role))["viewer"]["capabilities"]
        assert told == sorted(capability.value for capability in HELD[key])


async def test_nobody_may_ask_what_is_not_public(live: Live):
    public = []
    for kind, name in DOORS:
        body = await knock(live, kind, name, None)
        if reach.access(reach.roots(kind)[name])[0] == "public":
            public.append(name)
        else:
            assert codes(body) == ["UNAUTHENTICATED"], (name, body)
    assert public == list(BY_WHAT_IS_SHOWN)


async def test_tokens_that_do_not_belong_here_are_refused_before_anything_runs(live: Live):
    house = live.service.house
    now = datetime.now(UTC)
    persona = await demonstration.persona(house.office, "demo", "admin")

    def mint(kind: TokenType, made: datetime, tokens: Tokens = house.tokens) -> str:
        return tokens.mint(
            kind,
            persona.user_id,
            persona.tenant_id,
            org_unit_id=persona.org_unit_id,
            now=made,
            expires_at=made + timedelta(hours=1),
        )

    foreign = Tokens(Ed25519PrivateKey.generate())
    foreign.key_id = house.tokens.key_id
    good = mint(TokenType.ACCESS, now)
    head, claims, signature = good.split(".")
    wrong = {
        "expired": mint(TokenType.ACCESS, now - timedelta(hours=2)),
        "not yet valid": mint(TokenType.ACCESS, now + timedelta(minutes=5)),
        "another key": mint(TokenType.ACCESS, now, foreign),
        "another type": mint(TokenType.INVITATION, now),
        "relabelled": ".".join([mint(TokenType.SESSION, now).split(".")[0], claims, signature]),
        "unsigned": f"{head}.{claims}.",
        "garbage": "x",
    }
    assert codes(await live.post("{ viewer { capabilities } }", token=good)) == []
    for name, token in wrong.items():
        for text in ("{ viewer { capabilities } }", document("InvitationRedeem")):
            headers = {"authorization": f"Bearer {token}"}
            answer = await live.http.post(f"{live.base}/graphql", json={"query": text}, headers=headers)
            assert (answer.status_code, codes(answer.json())) == (401, ["UNAUTHENTICATED"]), name
            assert "data" not in answer.json()


async def test_a_service_token_without_a_person_may_nothing(live: Live):
    house, now = live.service.house, datetime.now(UTC)
    persona = await demonstration.persona(house.office, "demo", "admin")
    token = house.tokens.mint(
        TokenType.SERVICE, uuid4(), persona.tenant_id, org_unit_id=None, scope_all=True, now=now, expires_at=now + timedelta(1)
    )  # fmt: skip
    assert codes(await live.post(document("Questions"), token=token)) == ["FORBIDDEN"]


async def test_a_token_for_another_tenant_or_org_unit_finds_no_rights_there(live: Live):
    house, now = live.service.house, datetime.now(UTC)
    ours = await demonstration.persona(house.office, "demo", "admin")
    theirs = await demonstration.persona(house.office, "second", "admin")
    token = house.tokens.mint(
        TokenType.ACCESS, ours.user_id, theirs.tenant_id, org_unit_id=theirs.org_unit_id, now=now, expires_at=now + timedelta(hours=1)
    )  # fmt: skip
    assert codes(await live.post(document("Questions"), token=token)) == ["FORBIDDEN"]


REVOKE = "delete from user_roles where user_id = $1"
SUSPEND = "update users set status = 'suspended' where id = $1"
EXPIRE = "update user_roles set expires_at = now() - interval '1 second' where user_id = $1"


@pytest.mark.parametrize(("role", "change"), [("auditor", REVOKE), ("proctor", SUSPEND), ("integrator", EXPIRE)])
async def test_a_right_that_is_taken_away_is_gone(live: Live, role: str, change: str):
    """In the second tenant, whose people nobody else needs: queries are refused, and the open stream ends."""
    house = live.service.house
    persona = await demonstration.persona(house.office, "second", role)
    token = access_token(house.tokens, persona, datetime.now(UTC))
    assignment = await issued_in_second(live)
    text = document("AssignmentStream")
    async with asyncio.timeout(20), live.socket(token) as socket:
        payload = {"query": text, "variables": {"assignmentId": assignment}}
        await send(socket, {"type": "subscribe", "id": "1", "payload": payload})
        assert (await receive(socket))["type"] == "next"
        assert codes(await live.post(document("Assignments"), token=token)) == []
        await as_owner(live, persona.tenant_id, change, persona.user_id)
        loop = asyncio.get_running_loop()
        since = loop.time()
        while codes(await live.post(document("Assignments"), token=token)) != ["FORBIDDEN"]:
            assert loop.time() - since < 5
        since, message = loop.time(), await receive(socket)
        while message["type"] in ("ping", "pong"):
            message = await receive(socket)
        assert "FORBIDDEN" in str(message), message
        assert loop.time() - since < 5


async def issued_in_second(live: Live) -> str:
    admin = await live.token("admin", "second")
    mark = uuid4().hex[:8]
    entries = [{"id": f"S{mark}", "question": "Q?", "answers": ["a", "b"], "correct": 0}]
    await live.do("QuestionPoolImport", {"entries": entries, "publish": True}, token=admin)
    sections = [{"title": "All", "selector": {"referencePrefix": f"S{mark}"}}]
    given = {"title": f"Second {mark}", "passMark": {"points": "1"}, "sections": sections}
    created = await live.do("EvaluationCreate", given, token=admin)
    published = await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, token=admin)
    given = {"evaluationVersionId": published["version"]["id"], "recipients": [{"email": f"{mark}@example.org"}]}
    return (await live.do("AssignmentIssue", given, token=admin))["assignment"]["id"]


async def as_owner(live: Live, tenant_id, query: str, *values: object) -> None:
    """Change a row as the database's owner; the change is what it says, and no policy is asked."""
    assert live.database.admin_dsn is not None
    connection = await asyncpg.connect(live.database.admin_dsn)
    try:
        done = await connection.execute(query, *values)
        assert not done.endswith(" 0"), done
    finally:
        await connection.close()


async def test_importing_and_publishing_at_once_needs_the_right_to_publish(live: Live):
    """A grant of writing alone must not publish by the side door of an import."""
    house = live.service.house
    persona = await demonstration.persona(house.office, "second", "author")
    token = access_token(house.tokens, persona, datetime.now(UTC))
    publishing = "delete from role_capabilities where capability = 'questions.publish' and role_id = any($1)"
    await as_owner(live, persona.tenant_id, publishing, list(persona.role_ids))
    entry = {"id": f"P{uuid4().hex[:8]}", "question": "Q?", "answers": ["a", "b"], "correct": 0}
    given = {"input": {"entries": [entry], "publish": True}}
    body = await live.post(document("QuestionPoolImport"), given, token)
    assert codes(body) == ["FORBIDDEN"], body
    given["input"]["publish"] = False
    assert codes(await live.post(document("QuestionPoolImport"), given, token)) == []


async def test_fields_with_their_own_right_are_null_without_it(live: Live):
    """The nested fields that declare a capability hide what they lead to from whoever lacks it."""
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1)
    await story.sit_down(live, invitation)
    text = """query ($id: ID!) { assignment(id: $id) {
        monitor { nodes { session { id } outcome } } evaluationVersion { sections { items { questionVersion { id key { explanation } } } } } } }"""
    viewer = await live.post(text, {"id": assignment}, await live.token("viewer"))
    assert set(codes(viewer)) == {"FORBIDDEN"}
    assert "explanation" not in orjson.dumps(viewer.get("data")).decode()
    proctor = await live.post(text, {"id": assignment}, await live.token("proctor"))
    shown = orjson.dumps(proctor.get("data")).decode()
    assert "explanation" not in shown
    assert set(codes(proctor)) == {"FORBIDDEN"}
