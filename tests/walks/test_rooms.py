"""Rooms, as invigilators use them: who watches which, who comes in, and that nobody sees another room."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from models.identity import User, UserStatus
from schema.nodes import global_id, split_id
from server.viewer import access_token
from services import demonstration
from services.demonstration import Persona
from services.viewer import Viewer
from services.work import Work
from tests.walks import story
from tests.walks.conftest import Live, document, receive, send

SCOPED = ["rooms.proctor", "assignments.read"]


@pytest.fixture(scope="module")
async def version(live: Live) -> str:
    return (await story.publish(live))["id"]


async def room(live: Live) -> str:
    return (await live.do("RoomCreate", {"name": f"Room {uuid4().hex[:8]}", "capacity": 20}, role="manager"))["room"][
        "id"
    ]


async def proctor(live: Live, *rooms: str) -> tuple[str, str]:
    """Somebody who proctors these rooms and nothing else; returns token and id."""
    role = await live.do("RoleCreate", {"name": f"Rooms {uuid4().hex[:8]}", "capabilities": SCOPED}, role="admin")
    house = live.service.house
    like = await demonstration.persona(house.office, "demo", "proctor")
    unit = global_id("OrgUnit", like.org_unit_id)
    given = {"email": f"{uuid4().hex}@example.org", "displayName": "Room Proctor", "orgUnitIds": [unit]}
    user = (await live.do("UserInvite", given, role="admin"))["user"]["id"]
    found = split_id(user)
    assert found is not None

    async def come(work: Work) -> None:
        await work.session.execute(update(User).where(User.id == found[1]).values(status=UserStatus.ACTIVE))

    await house.office.perform(Viewer.system(like.tenant_id), come)
    grant = {"userId": user, "grant": {"roleId": role["role"]["id"]}, "reason": "Watches."}
    await live.do("RoleAssign", grant, role="admin")
    for one in rooms:
        await live.do("RoomProctorsAdd", {"id": one, "userIds": [user]}, role="manager")
    me = Persona(like.tenant_id, like.org_unit_id, found[1], "Room Proctor", ())
    return access_token(house.tokens, me, datetime.now(UTC)), user


async def sittings(live: Live, version: str, people: int) -> tuple[str, list[story.Sitting]]:
    assignment, invitations = await story.issue(live, version, people)
    return assignment, [await story.sit_down(live, one) for one in invitations]


async def move(live: Live, room_id: str | None, *sessions: str) -> list[dict[str, Any]]:
    given = {"id": room_id, "sessions": [{"id": one} for one in sessions]}
    return (await live.do("RoomSessionsMove", given, role="manager"))["results"]


async def seen(live: Live, token: str) -> set[str]:
    return {one["id"] for one in (await live.ask("Sessions", {}, token=token))["sessions"]["nodes"]}


async def test_a_proctor_of_rooms_sees_and_touches_the_own_ones_alone(live: Live, version: str):
    one, other = await room(live), await room(live)
    assignment, (mine, theirs, nowhere) = await sittings(live, version, 3)
    await move(live, one, mine.session_id)
    await move(live, other, theirs.session_id)
    token, _ = await proctor(live, one)
    assert await seen(live, token) == {mine.session_id}
    rooms = (await live.ask("Rooms", token=token))["rooms"]["nodes"]
    assert [(row["id"], row["openSessionCount"]) for row in rooms] == [(one, 1)]
    for session in (theirs.session_id, nowhere.session_id):
        assert (await live.ask("Session", {"id": session}, token=token))["session"] is None
        given = {"sessions": [{"id": session}], "category": "STAFF", "reason": "Mine?"}
        (result,) = (await live.do("SessionPause", given, token=token))["results"]
        assert (result["node"], result["problems"][0]["code"]) == (None, "NOT_FOUND")
        body = await live.post(document("SessionEvents"), {"sessionId": session}, token)
        assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert (await live.ask("Room", {"id": other}, token=token))["room"] is None
    body = await live.post(document("AssignmentMonitor"), {"id": assignment}, token)
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    given = {"sessions": [{"id": mine.session_id}], "category": "STAFF", "reason": "Noise."}
    (result,) = (await live.do("SessionPause", given, token=token))["results"]
    assert (result["node"]["id"], result["problems"]) == (mine.session_id, [])


async def test_followers_see_a_session_leave_the_one_room_and_enter_the_other(live: Live, version: str):
    one, other = await room(live), await room(live)
    _, (sitting,) = await sittings(live, version, 1)
    await move(live, one, sitting.session_id)
    first, _ = await proctor(live, one)
    second, _ = await proctor(live, other)
    async with (
        live.stream("RoomStream", {"roomId": one}, first) as left,
        live.stream("RoomStream", {"roomId": other}, second) as right,
    ):
        assert (await anext(left))["heartbeat"]
        assert (await anext(right))["heartbeat"]
        await story_event(live, sitting, "a")
        (event,) = (await anext(left))["events"]
        assert (event["kind"], event["session"]["id"]) == ("FOCUS_LOST", sitting.session_id)
        await move(live, other, sitting.session_id)
        (gone,) = (await anext(left))["events"]
        (come,) = (await anext(right))["events"]
        assert [(x["kind"], x["fromRoomId"], x["toRoomId"]) for x in (gone, come)] == [("ROOM_CHANGED", one, other)] * 2
        assert (gone["session"], come["session"]["id"]) == (None, sitting.session_id)
        await story_event(live, sitting, "b")
        (event,) = (await anext(right))["events"]
        assert event["kind"] == "FOCUS_LOST"
    assert await seen(live, first) == set()
    assert await seen(live, second) == {sitting.session_id}


async def story_event(live: Live, sitting: story.Sitting, batch: str) -> None:
    await live.do("SessionEventsRecord", {"batchId": batch, "events": [story.EVENT]}, token=sitting.token)


async def test_who_is_taken_out_of_a_room_loses_its_stream_within_a_second(live: Live, version: str):
    one = await room(live)
    _, (sitting,) = await sittings(live, version, 1)
    await move(live, one, sitting.session_id)
    token, user = await proctor(live, one)
    async with live.socket(token) as socket:
        payload = {"query": document("RoomStream"), "variables": {"roomId": one}}
        await send(socket, {"type": "subscribe", "id": "1", "payload": payload})
        assert (await receive(socket))["type"] == "next"
        await live.do("RoomProctorsRemove", {"id": one, "userIds": [user]}, role="manager")
        async with asyncio.timeout(5):
            while (message := await receive(socket))["type"] != "error":
                assert not message["payload"]["data"]["roomStream"]["events"]
        assert message["payload"][0]["extensions"]["code"] == "ACCESS_CHANGED"
    assert await seen(live, token) == set()


async def test_candidates_come_into_the_room_that_they_were_given(live: Live, version: str):
    one = await room(live)
    assignment, invitations = await story.issue(live, version, 1)
    people = (await live.ask("Invitations", {"id": assignment}, role="manager"))["assignment"]["invitations"]["nodes"]
    given = {"id": one, "assignmentId": assignment, "userIds": [people[0]["candidate"]["id"], "nobody"]}
    results = (await live.do("RoomCandidatesAssign", given, role="manager"))["results"]
    assert [[problem["code"] for problem in row["problems"]] for row in results] == [[], ["NOT_FOUND"]]
    sitting = await story.sit_down(live, invitations[0])
    shown = (await live.ask("Room", {"id": one}, role="proctor"))["room"]
    assert [node["id"] for node in shown["sessions"]["nodes"]] == [sitting.session_id]
    assert (shown["openSessionCount"], shown["seatCount"]) == (1, 1)
    data = await live.ask("RoomArchive", {"input": {"id": one, "reason": "Done."}}, role="manager")
    assert data["roomArchive"]["problems"][0]["code"] == "STILL_IN_USE"
    await live.do("SessionSubmit", {}, token=sitting.token)
    await live.do("RoomArchive", {"id": one, "reason": "Done."}, role="manager")
    (row,) = await move(live, None, sitting.session_id)
    assert row["problems"][0]["code"] == "STATE_DRIFT"


async def test_the_table_and_its_events_say_the_same_while_sessions_move(live: Live, version: str):
    one, other = await room(live), await room(live)
    _, (sitting,) = await sittings(live, version, 1)
    for target in (one, other, one, None, one):
        await move(live, target, sitting.session_id)
    for target, inside in ((one, True), (other, False)):
        page = (await live.ask("RoomEvents", {"roomId": target}, role="proctor"))["roomEvents"]
        moves = [event for event in page["events"] if event["kind"] == "ROOM_CHANGED"]
        told = {True: False}
        for event in moves:
            told[True] = event["toRoomId"] == target
        assert told[True] is inside
        shown = (await live.ask("Room", {"id": target}, role="proctor"))["room"]["sessions"]["nodes"]
        assert bool(shown) is inside
