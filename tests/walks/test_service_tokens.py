"""Service tokens: what they name, as far as their creator holds it, for the operations they name, until revoked."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from models.activity import Activity
from models.identity import UserRole
from models.service_tokens import ServiceToken
from realtime import topics
from schema.nodes import local_id
from services import sign_ins
from services.viewer import Viewer
from tests.factories import sign_ins as made
from tests.walks import story
from tests.walks.conftest import Live, document, receive, running, send

VIEWER = "{ viewer { user { email } orgUnit { name } capabilities } }"


def codes(body: dict) -> list[str]:
    return [error["extensions"]["code"] for error in body.get("errors", [])]


def given(**more) -> dict:
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    return {
        "name": f"T{uuid4().hex[:8]}",
        "capabilities": ["assignments.read", "evaluations.read"],
        "expiresAt": expires_at,
    } | more


async def create(live: Live, role: str = "integrator", **more) -> dict:
    return await live.do("ServiceTokenCreate", given(**more), role=role)


async def refused(live: Live, role: str = "integrator", **more) -> tuple[str, list[str]]:
    body = await live.post(document("ServiceTokenCreate"), {"input": given(**more)}, await live.token(role))
    (problem,) = body["data"]["serviceTokenCreate"]["problems"]
    assert body["data"]["serviceTokenCreate"]["token"] is None
    return problem["code"], problem["path"]


async def test_a_token_may_what_it_names_and_nothing_else(live: Live):
    token = (await create(live))["token"]
    viewer = (await live.post(VIEWER, token=token))["data"]["viewer"]
    assert viewer == {
        "user": None,
        "orgUnit": {"name": "Main"},
        "capabilities": ["assignments.read", "evaluations.read"],
    }
    assert codes(await live.post(document("Assignments"), token=token)) == []
    assert codes(await live.post(document("Questions"), token=token)) == ["FORBIDDEN"]


async def test_what_cannot_be_made(live: Live):
    year = timedelta(days=367)
    assert await refused(live, capabilities=["questions.publish"]) == ("INVALID_INPUT", ["capabilities", "0"])
    assert await refused(live, capabilities=["no.such"]) == ("INVALID_INPUT", ["capabilities", "0"])
    assert await refused(live, capabilities=[]) == ("INVALID_INPUT", ["capabilities"])
    assert await refused(live, operations=["NoSuch"]) == ("INVALID_INPUT", ["operations", "0"])
    assert await refused(live, operations=[]) == ("INVALID_INPUT", ["operations"])
    assert await refused(live, name=" ") == ("INVALID_INPUT", ["name"])
    for wrong in (datetime.now(UTC) + year, datetime.now(UTC) - timedelta(seconds=1)):
        assert await refused(live, expiresAt=wrong.isoformat()) == ("INVALID_INPUT", ["expiresAt"])
    parent = (await create(live, capabilities=["tokens.manage", "assignments.read"]))["token"]
    body = await live.post(document("ServiceTokenCreate"), {"input": given()}, parent)
    assert body["data"]["serviceTokenCreate"]["problems"][0]["code"] == "INVALID_INPUT", "tokens make no tokens"


async def test_a_token_is_limited_to_the_documents_that_it_names(live: Live):
    token = (await create(live, operations=["Assignments"]))["token"]
    assert codes(await live.post(document("Assignments"), token=token)) == []
    own = "{ assignments(first: 1) { nodes { id } } }"
    assert codes(await live.post(own, token=token)) == ["OUT_OF_SCOPE"]
    assert codes(await live.post(document("Viewer"), token=token)) == ["OUT_OF_SCOPE"]
    other = document("Assignments").replace("query Assignments", "query Viewer")
    assert codes(await live.post(other, token=token)) == ["OUT_OF_SCOPE"]
    manifest = (await live.http.get(f"{live.base}/graphql/manifest.json")).json()["operations"]
    ids = {one["name"]: one["id"] for one in manifest}
    for name, expected in (("Assignments", []), ("Viewer", ["OUT_OF_SCOPE"])):
        for body in (
            {"documentId": ids[name]},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": ids[name]}}},
        ):
            answer = await live.http.post(
                f"{live.base}/graphql", json=body, headers={"authorization": f"Bearer {token}"}
            )
            assert codes(answer.json()) == expected


async def test_a_token_of_the_whole_tenant_sees_people_and_nothing_of_an_org_unit(live: Live):
    made_one = await create(live, "admin", isWholeTenant=True, capabilities=["assignments.read", "users.read"])
    version = await story.publish(live)
    await story.issue(live, version["id"], 1)
    body = await live.post(document("Assignments"), token=made_one["token"])
    assert body["data"]["assignments"]["nodes"] == []
    assert made_one["serviceToken"]["orgUnit"] is None


async def test_tokens_are_listed_without_the_token_and_their_use_is_seen(live: Live):
    done = await create(live)
    row_id = local_id("ServiceToken", done["serviceToken"]["id"])
    assert codes(await live.post(document("Assignments"), token=done["token"])) == []

    async def listed() -> dict:
        body = await live.ask("ServiceTokens", {"first": 100}, role="admin")
        assert done["token"].split(".")[2] not in str(body)
        return next(one for one in body["serviceTokens"]["nodes"] if one["id"] == done["serviceToken"]["id"])

    async with asyncio.timeout(5):
        while (await listed())["lastUsedAt"] is None:
            await asyncio.sleep(0.02)
    first = (await listed())["lastUsedAt"]
    live.service.house.rights._readings.clear()
    assert codes(await live.post(document("Assignments"), token=done["token"])) == []
    await asyncio.gather(*live.service.house.rights._uses.values())
    assert (await listed())["lastUsedAt"] == first, "written at most once a minute"
    async with live.service.house.office.snapshot(Viewer.system(await tenant(live))) as work:
        rows = await work.rows(select(Activity.act).where(Activity.subject_id == row_id).order_by(Activity.id))
    assert [row.act for row in rows] == ["service_token.created", "service_token.used"]


async def tenant(live: Live):
    return (await made.person(live)).tenant_id


async def test_a_revoked_token_is_refused_at_once_in_every_process_and_only_once_revoked(live: Live, tmp_path):
    done = await create(live)
    token = done["token"]
    async with running(live.database, tmp_path, **made.same_key(live)) as other:
        assert codes(await other.post(VIEWER, token=token)) == []
        revoke = {"id": done["serviceToken"]["id"], "reason": "Leaked."}
        told = await live.do("ServiceTokenRevoke", revoke, role="admin")
        assert told["serviceToken"]["revokeReason"] == "Leaked."
        async with asyncio.timeout(1.5):
            while codes(await other.post(VIEWER, token=token)) != ["UNAUTHENTICATED"]:
                await asyncio.sleep(0.02)
    body = await live.post(document("ServiceTokenRevoke"), {"input": revoke}, await live.token("admin"))
    assert body["data"]["serviceTokenRevoke"]["problems"][0]["code"] == "STATE_DRIFT"
    foreign = await live.post(document("ServiceTokenRevoke"), {"input": revoke}, await live.token("admin", "second"))
    assert foreign["data"]["serviceTokenRevoke"]["problems"][0]["code"] == "NOT_FOUND"


async def test_a_token_holds_no_more_than_its_creator_holds_now(live: Live):
    who = await made.person(live, "integrator")
    access = (await made.signed_in(live, who))["tokens"]["accessToken"]
    token = (await live.do("ServiceTokenCreate", given(), token=access))["token"]
    assert codes(await live.post(document("Assignments"), token=token)) == []

    async def act(work):
        mine = update(UserRole).where(UserRole.user_id == who.user_id)
        await work.session.execute(mine.values(expires_at=UserRole.granted_at))
        work.touch(topics.rights(who.tenant_id))

    await live.service.house.office.perform(Viewer.system(who.tenant_id), act)
    async with asyncio.timeout(5):
        while codes(await live.post(document("Assignments"), token=token)) != ["FORBIDDEN"]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("change", ["revoked", "expired", "signed out", "suspended"])
async def test_an_open_stream_in_another_process_is_cut(live: Live, tmp_path, change: str):
    version = await story.publish(live)
    assignment, _ = await story.issue(live, version["id"], 1)
    who = await made.person(live, "proctor")
    tokens = (await made.signed_in(live, who))["tokens"]
    done = await create(live, "admin", capabilities=["assignments.monitor"])
    shown = done["token"] if change in ("revoked", "expired") else tokens["accessToken"]
    async with (
        asyncio.timeout(20),
        running(live.database, tmp_path, **made.same_key(live)) as other,
        other.socket(shown) as socket,
    ):
        payload = {"query": document("AssignmentStream"), "variables": {"assignmentId": assignment}}
        await send(socket, {"type": "subscribe", "id": "1", "payload": payload})
        assert (await receive(socket))["type"] == "next"
        await take_away(live, who, done, tokens, change)
        began = asyncio.get_running_loop().time()
        while (message := await receive(socket))["type"] in ("ping", "pong"):
            pass
        assert asyncio.get_running_loop().time() - began < 2
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        await send(socket, {"type": "subscribe", "id": "2", "payload": payload})
        while (message := await receive(socket))["type"] in ("ping", "pong"):
            pass
        assert "UNAUTHENTICATED" in str(message), "nor does the same socket open it again"


async def take_away(live: Live, who: made.Person, done: dict, tokens: dict, change: str) -> None:
    token_id = local_id("ServiceToken", done["serviceToken"]["id"])

    async def expire(work):
        of_it = update(ServiceToken).where(ServiceToken.id == token_id)
        await work.session.execute(of_it.values(expires_at=ServiceToken.created_at))

    async def suspend(work):
        await sign_ins.end_all_of(work, who.user_id)

    match change:
        case "revoked":
            given = {"id": done["serviceToken"]["id"], "reason": "Leaked."}
            await live.do("ServiceTokenRevoke", given, role="admin")
        case "expired":
            await live.service.house.office.perform(Viewer.system(who.tenant_id), expire)
        case "signed out":
            await live.do("SignOut", {"refreshToken": tokens["refreshToken"]})
        case _:
            await live.service.house.office.perform(Viewer.system(who.tenant_id), suspend)
