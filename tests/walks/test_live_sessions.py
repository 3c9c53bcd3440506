"""The command centre: the table and what comes behind its cursor are the same as the table read anew."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.walks import story
from tests.walks.conftest import Live, document
from tests.walks.story import Sitting

CLOCK = {"secondsRemaining"}
TELEMETRY = [
    {"kind": "ITEM_VIEWED", "clientAt": "2026-11-20T12:00:00Z", "position": 2},
    {"kind": "FOCUS_LOST", "clientAt": "2026-11-20T12:00:01Z"},
    {"kind": "FOCUS_REGAINED", "clientAt": "2026-11-20T12:00:13Z", "details": {"seconds": 12}},
    {"kind": "PASTE_DETECTED", "clientAt": "2026-11-20T12:00:14Z", "details": {"characters": 340}},
]


@pytest.fixture(scope="module")
async def version(live: Live) -> str:
    return (await story.publish(live))["id"]


async def table(live: Live, scope: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return (await live.ask("LiveSessions", {"scope": scope, "first": 200, **more}, role="proctor"))["liveSessions"]


def rows(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: {name: value for name, value in one.items() if name not in CLOCK} for one in nodes}


async def sat(live: Live, version: str, people: int, **terms: Any) -> tuple[str, list[Sitting]]:
    assignment, invitations = await story.issue(live, version, people, **terms)
    return assignment, [await story.sit_down(live, one) for one in invitations]


async def report(live: Live, sitting: Sitting, *kinds: str) -> None:
    events = [{"kind": kind, "clientAt": "2026-11-20T12:00:00Z", "position": 1} for kind in kinds]
    await live.do("SessionEventsRecord", {"batchId": uuid4().hex, "events": events}, token=sitting.token)


async def everything(live: Live, assignment: str, some: list[Sitting], room: str) -> None:
    """Every act that changes a session."""
    first, second, third, fourth = some
    ids = {"sessions": [{"id": first.session_id}]}
    await report(live, first, "ITEM_VIEWED", "FOCUS_LOST", "FOCUS_LOST", "FOCUS_LOST", "FOCUS_LOST")
    answer = {"itemId": first.items[0]["id"], "revision": 1, "response": story.choice(first.items[0], "right")}
    await live.do("AnswerSave", answer, token=first.token)
    await live.do("SessionPause", {**ids, "category": "STAFF", "reason": "Noise."}, role="proctor")
    await live.do("SessionMessage", {"ids": [first.session_id], "text": "A moment."}, role="proctor")
    await live.do("SessionResume", ids, role="proctor")
    await live.do("SessionExtend", {**ids, "seconds": 60, "category": "STAFF", "reason": "Noise."}, role="proctor")
    await live.do("SessionAttentionAcknowledge", {"sessionIds": [first.session_id], "note": "Seen."}, role="proctor")
    await live.do("RoomSessionsMove", {"id": room, "sessions": [{"id": second.session_id}]}, role="manager")
    await live.do("SessionNote", {"ids": [second.session_id], "text": "Late."}, role="proctor")
    await live.do("SessionSubmit", {}, token=second.token)
    ended = {"sessions": [{"id": third.session_id}], "category": "EXAMINEE", "reason": "Left."}
    await live.do("SessionTerminate", ended, role="proctor")
    candidate = (await live.ask("Session", {"id": fourth.session_id}, role="admin"))["session"]["candidate"]["id"]
    change = {"assignmentId": assignment, "target": {"userId": candidate}, "change": {"extensionSeconds": 30}}
    await live.do("OverrideApply", {**change, "reason": "Fire drill."}, role="manager")


@pytest.mark.parametrize("scope", ["everything", "assignment", "label"])
async def test_the_table_and_its_events_are_the_table_read_anew(live: Live, version: str, scope: str):
    label = f"Run_{uuid4().hex[:8]}"
    assignment, some = await sat(live, version, 4, timeLimitSeconds=36000, runLabel=label)
    room = (await live.do("RoomCreate", {"name": uuid4().hex}, role="manager"))["room"]["id"]
    within = {"everything": None, "assignment": {"assignmentId": assignment}, "label": {"runLabel": label}}[scope]
    before = await table(live, within)
    kept, cursor = rows(before["nodes"]), before["cursor"]
    await everything(live, assignment, some, room)
    while True:
        asked = {"scope": within, "first": 100, "after": cursor}
        page = (await live.ask("LiveSessionEvents", asked, role="proctor"))["liveSessionEvents"]
        kept |= rows([event["session"] for event in page["events"]])
        cursor = page["cursor"]
        if not page["events"]:
            break
    after = await table(live, within)
    now, mine = rows(after["nodes"]), {one.session_id for one in some}
    assert {key: kept[key] for key in mine} == {key: now[key] for key in mine}
    assert {kept[key]["displayStatus"] for key in mine} == {"LIVE", "SUBMITTED", "TERMINATED"}
    if scope != "everything":
        assert set(now) == mine
        counts = after["counts"]
        assert (counts["submitted"], counts["terminated"], counts["live"]) == (1, 1, 2)


async def test_a_follower_of_everything_is_told_at_once_and_only_once(live: Live, version: str):
    _, (sitting,) = await sat(live, version, 1)
    token, before = await live.token("proctor"), await table(live, None)
    async with live.stream("LiveSessionStream", {"after": before["cursor"]}, token) as frames:
        await report(live, sitting, "FOCUS_LOST")
        await report(live, sitting, "TAB_SWITCH")
        seen: list[tuple[str, int]] = []
        async with asyncio.timeout(10):
            while len(seen) < 2:
                events = (await anext(frames))["events"]
                mine = [one for one in events if one["session"]["id"] == sitting.session_id]
                seen += [(one["kind"], one["seq"]) for one in mine]
    assert [kind for kind, _ in seen] == ["FOCUS_LOST", "TAB_SWITCH"]


async def test_filters_search_and_order(live: Live, version: str):
    assignment, (first, second) = await sat(live, version, 2, timeLimitSeconds=3600)
    within = {"assignmentId": assignment}
    await report(live, second, "FOCUS_LOST", "FOCUS_LOST", "FOCUS_LOST")
    found = await table(live, within, orderBy=[{"field": "FOCUS_LOST_COUNT", "direction": "DESC"}])
    assert [one["id"] for one in found["nodes"]] == [second.session_id, first.session_id]
    calling = await table(live, within, filter={"attention": ["NOTICE", "WARNING", "URGENT"]})
    assert [one["id"] for one in calling["nodes"]] == [second.session_id]
    await live.do("SessionSubmit", {}, token=first.token)
    going = await table(live, within, filter={"endedWithinMinutes": 0})
    assert [one["id"] for one in going["nodes"]] == [second.session_id]
    assert len((await table(live, within, filter={"endedWithinMinutes": 60}))["nodes"]) == 2
    assert (await table(live, within, filter={"highStakesOnly": True}))["nodes"] == []
    name = found["nodes"][0]["candidate"]["displayName"]
    assert second.session_id in rows((await table(live, within, search=name[:10].upper()))["nodes"])
    assert (await table(live, within, search="%"))["nodes"] == []
    order = [{"field": "CANDIDATE_NAME"}, {"field": "DEADLINE_AT"}]
    head = await table(live, within, orderBy=order, first=1)
    rest = await table(live, within, orderBy=order, after=head["pageInfo"]["endCursor"])
    assert set(rows(head["nodes"])) | set(rows(rest["nodes"])) == {first.session_id, second.session_id}


async def test_a_cursor_of_another_scope_and_two_scopes_at_once_are_refused(live: Live, version: str):
    assignment, _ = await sat(live, version, 1)
    token, cursor = await live.token("proctor"), (await table(live, None))["cursor"]
    asked = {"scope": {"assignmentId": assignment}, "after": cursor}
    body = await live.post(document("LiveSessionEvents"), asked, token)
    assert body["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED"
    two = {"scope": {"assignmentId": assignment, "runLabel": "x"}}
    body = await live.post(document("LiveSessions"), two, token)
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    body = await live.post(document("LiveSessions"), {"scope": {"roomId": assignment}}, token)
    assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_one_session_looked_at_closely(live: Live, version: str):
    _, (sitting,) = await sat(live, version, 1)
    await live.do("SessionEventsRecord", {"batchId": "a", "events": TELEMETRY}, token=sitting.token)
    shown = (await live.ask("SessionDetails", {"id": sitting.session_id}, role="proctor"))["session"]
    assert (shown["currentSection"], shown["currentPosition"], shown["progressPercent"]) == ("All", 2, 0)
    assert shown["telemetry"]["indicators"] == [
        "Focus lost once, away for 12 seconds in all.",
        "Text pasted once, 340 characters in all.",
    ]
    raw = "query ($id: ID!) { session(id: $id) { telemetry { technicalDetails } } }"
    refused = await live.post(raw, {"id": sitting.session_id}, await live.token("proctor"))
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    told = await live.post(raw, {"id": sitting.session_id}, await live.token("admin"))
    assert len(told["data"]["session"]["telemetry"]["technicalDetails"]) == 3
