"""People and roles over the API, as administrators use them: a right that is taken is gone everywhere within a second."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from resolvers.rights import FRESH
from schema.nodes import split_id
from server.viewer import access_token
from services import demonstration
from tests.walks import story
from tests.walks.conftest import Live, document, receive, running, send

SOON = 1.0
"""Seconds within which a right that was taken away is gone; one reading of rights and the time of one request."""


PEOPLE = 2000
"""Of one file; tests/services tries the most that there may be, without the clock of a request."""


def codes(body: dict) -> list[str]:
    return [error["extensions"]["code"] for error in body.get("errors", [])]


def local(identifier: str) -> UUID:
    parts = split_id(identifier)
    assert parts is not None
    return parts[1]


async def role_named(live: Live, name: str) -> str:
    rows = (await live.ask("Roles", {"first": 100}, role="admin"))["roles"]["nodes"]
    return next(row["id"] for row in rows if row["name"] == name)


async def colleague(live: Live, role: str, **grant: str) -> tuple[str, str, str]:
    """Somebody active with one role; their id, the grant's id, and a token."""
    house = live.service.house
    email = f"{uuid4().hex}@example.org"
    persona = await demonstration.persona(house.office, "demo", "admin")
    given = {"email": email, "displayName": "Colleague"}
    user = (await live.do("UserInvite", given, role="admin"))["user"]["id"]
    await live.do("UserSuspend", {"id": user, "reason": "To be active."}, role="admin")
    await live.do("UserReactivate", {"id": user, "reason": "As if signed in."}, role="admin")
    given = {"userId": user, "grant": {"roleId": await role_named(live, role), **grant}, "reason": "Works here."}
    made = await live.do("RoleAssign", given, role="admin")
    person = demonstration.Persona(persona.tenant_id, persona.org_unit_id, local(user), "Colleague", ())
    return user, made["grant"]["id"], access_token(house.tokens, person, datetime.now(UTC))


@pytest.fixture(scope="module")
async def assignment(live: Live) -> str:
    version = await story.publish(live)
    return (await story.issue(live, version["id"], 1))[0]


@pytest.mark.parametrize("way", ["removed role", "suspended user", "changed role", "merged user"])
async def test_an_open_stream_in_another_process_ends_within_a_second(
    live: Live, assignment: str, tmp_path, way: str, record_property
):
    """The change comes through one service, and the stream runs in another one on the same database."""
    role = "Proctor"
    if way == "changed role":
        role = f"Watcher {uuid4().hex[:6]}"
        given = {"name": role, "capabilities": ["assignments.monitor"]}
        await live.do("RoleCreate", given, role="admin")
    user, grant, _ = await colleague(live, role)
    async with running(live.database, tmp_path, EVALIUM_SIGNING_KEY=None) as other:
        persona = await demonstration.persona(other.service.house.office, "demo", "admin")
        person = demonstration.Persona(persona.tenant_id, persona.org_unit_id, local(user), "Colleague", ())
        token = access_token(other.service.house.tokens, person, datetime.now(UTC))
        async with asyncio.timeout(20), other.socket(token) as socket:
            payload = {"query": document("AssignmentStream"), "variables": {"assignmentId": assignment}}
            await send(socket, {"type": "subscribe", "id": "1", "payload": payload})
            assert (await receive(socket))["type"] == "next"
            match way:
                case "removed role":
                    await live.do("RoleRemove", {"grantId": grant, "reason": "Enough."}, role="admin")
                case "suspended user":
                    await live.do("UserSuspend", {"id": user, "reason": "Left."}, role="admin")
                case "changed role":
                    given = {"id": await role_named(live, role), "capabilities": []}
                    await live.do("RoleUpdate", given, role="admin")
                case "merged user":
                    kept, _, _ = await colleague(live, "Viewer")
                    given = {"keptId": kept, "duplicateId": user, "reason": "The same person."}
                    await live.do("UserMerge", given, role="admin")
            begun, message = time.monotonic(), await receive(socket)
            while message["type"] in ("ping", "pong", "next") and "errors" not in str(message):
                message = await receive(socket)
            seconds = time.monotonic() - begun
            record_property(way, seconds)
            assert "FORBIDDEN" in str(message), message
            assert seconds < SOON + FRESH
            assert codes(await other.post(document("Assignments"), token=token)) == ["FORBIDDEN"]


async def test_an_expired_grant_stops_at_its_instant_on_an_open_stream(live: Live, assignment: str, record_property):
    ends = datetime.now(UTC) + timedelta(seconds=3)
    _, _, token = await colleague(live, "Proctor", expiresAt=ends.isoformat())
    async with asyncio.timeout(20), live.socket(token) as socket:
        payload = {"query": document("AssignmentStream"), "variables": {"assignmentId": assignment}}
        await send(socket, {"type": "subscribe", "id": "1", "payload": payload})
        assert (await receive(socket))["type"] == "next"
        assert datetime.now(UTC) < ends
        message = await receive(socket)
        while message["type"] in ("ping", "pong", "next") and "errors" not in str(message):
            message = await receive(socket)
        late = (datetime.now(UTC) - ends).total_seconds()
    record_property("seconds after the end", late)
    assert "FORBIDDEN" in str(message), message
    assert 0 <= late < SOON + FRESH


async def test_what_can_be_done_is_told_with_why_not(live: Live):
    user, _, _ = await colleague(live, "Proctor")
    told = (await live.ask("User", {"id": user}, role="admin"))["user"]["availableActions"]
    assert {one["action"] for one in told if one["enabled"]} == {"UPDATE", "SUSPEND", "MERGE", "ASSIGN_ROLE"}
    assert all(bool(one["reason"]) is not one["enabled"] for one in told)
    me = (await live.ask("Viewer", role="admin"))["viewer"]["user"]["id"]
    told = {
        one["action"]: one["reason"]
        for one in (await live.ask("User", {"id": me}, role="admin"))["user"]["availableActions"]
    }
    assert "yourself" in told["SUSPEND"]
    told = (await live.ask("User", {"id": user}, role="billing"))["user"]["availableActions"]
    assert not any(one["enabled"] for one in told)
    viewer = await role_named(live, "Viewer")
    told = (await live.ask("Role", {"id": viewer}, role="admin"))["role"]["availableActions"]
    assert {one["action"]: one["reason"] for one in told if not one["enabled"]} == {
        "UPDATE": "It is a system role.",
        "DELETE": "It is a system role.",
    }


async def test_every_capability_names_the_fields_that_need_it(live: Live):
    told = {one["name"]: one for one in (await live.ask("Capabilities", role="auditor"))["capabilities"]}
    assert "Mutation.roleAssign" in told["roles.manage"]["fields"]
    assert {"Query.users", "User.orgUnits"} <= set(told["users.read"]["fields"])
    assert told["questions.read"]["fields"]
    assert all(one["description"] for one in told.values())


async def test_explaining_the_past_needs_the_ledger_and_the_present_does_not(live: Live):
    user, grant, _ = await colleague(live, "Proctor")
    given = {"name": f"Readers {uuid4().hex[:6]}", "capabilities": ["roles.read", "users.read"]}
    await live.do("RoleCreate", given, role="admin")
    _, _, token = await colleague(live, given["name"])
    asked = {"userId": user, "capability": "sessions.proctor"}
    told = (await live.ask("AccessExplain", asked, token=token))["accessExplain"]
    assert (told["allowed"], told["reasons"][0]["verdict"], told["reasons"][0]["roleName"]) == (
        True,
        "GRANTED",
        "Proctor",
    )
    assert told["reasons"][0]["grantId"] == grant
    about_a_person = (await live.ask("AccessExplain", asked | {"objectId": user}, token=token))["accessExplain"]
    assert (about_a_person["orgUnit"], about_a_person["allowed"]) == (None, True), "people belong to the whole tenant"
    past = asked | {"at": told["at"]}
    assert codes(await live.post(document("AccessExplain"), past, token)) == ["FORBIDDEN"]
    await live.do("RoleRemove", {"grantId": grant, "reason": "Enough."}, role="admin")
    now = (await live.ask("AccessExplain", asked, role="auditor"))["accessExplain"]
    then = (await live.ask("AccessExplain", past, role="auditor"))["accessExplain"]
    assert (now["allowed"], now["reasons"][0]["verdict"]) == (False, "GRANT_REMOVED")
    assert (then["allowed"], then["reasons"][0]["roleName"]) == (True, "Proctor")


async def test_thousands_of_people_in_one_request_stay_within_its_limits(live: Live, record_property):
    mark = uuid4().hex[:6]
    lines = [f"{n}.{mark}@example.org,Person {n},Main" for n in range(PEOPLE)]
    text = "\n".join(["email,display_name,org_units", *lines])
    preview = (await live.ask("UsersImportPreview", {"csv": text}, role="admin"))["usersImportPreview"]
    assert {row["action"] for row in preview} == {"CREATE"}
    begun = time.monotonic()
    rows = (await live.do("UsersImport", {"csv": text}, role="admin"))["results"]
    seconds = time.monotonic() - begun
    record_property("seconds for 2000 people", seconds)
    print(f"\nimport of {PEOPLE}: {seconds:.1f} s")  # noqa: T201 - for the closing note
    assert [row["index"] for row in rows] == list(range(PEOPLE))
    assert all(row["user"] for row in rows)
