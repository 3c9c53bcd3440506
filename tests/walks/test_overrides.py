"""More time for somebody who sits, through the API: previewed, applied, and seen on both sockets within a second."""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

from tests.walks import story
from tests.walks.conftest import Live

AT_ONCE = 1.0


async def frame_with(frames: Any, kind: str) -> dict[str, Any]:
    async for frame in frames:
        for event in frame["events"]:
            if event["kind"] == kind:
                return frame | {"event": event}
    raise AssertionError("the stream ended")


async def test_an_extension_reaches_candidate_and_proctor_within_a_second(live: Live, record_property):
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1, timeLimitSeconds=3600)
    sitting = await story.sit_down(live, invitation)
    session = (await live.ask("Session", {"id": sitting.session_id}, role="admin"))["session"]
    about = {
        "assignmentId": assignment,
        "target": {"userId": session["candidate"]["id"]},
        "change": {"extensionSeconds": 900},
    }
    preview = (await live.ask("OverridePreview", about, role="manager"))["overridePreview"]
    (effect,) = preview["effects"]
    assert (preview["affectedCount"], preview["immediateCount"], preview["problems"]) == (1, 1, [])
    assert [one["text"] for one in effect["changes"]] == ["60 minutes → 75 minutes"]
    assert effect["appliesImmediately"]
    proctor = await live.token("proctor")
    async with (
        asyncio.timeout(20),
        live.stream("MySessionStream", {}, sitting.token) as mine,
        live.stream("SessionStream", {"sessionId": sitting.session_id}, proctor) as watched,
    ):
        waiting = [asyncio.create_task(frame_with(frames, "TIME_EXTENDED")) for frames in (mine, watched)]
        await live.do("SessionEventsRecord", {"batchId": "1", "events": [story.EVENT]}, token=sitting.token)
        began = time.monotonic()
        applied = await live.do("OverrideApply", about | {"reason": "The lights went out."}, role="manager")
        candidate, seen = await asyncio.gather(*waiting)
        took = time.monotonic() - began
    record_property("override applied, until both sockets had it, seconds", took)
    assert took < AT_ONCE
    old, new = (datetime.fromisoformat(candidate["event"][name]) for name in ("deadlineBefore", "deadlineAfter"))
    assert new - old == timedelta(seconds=900)
    assert candidate["session"]["deadlineAt"] == candidate["event"]["deadlineAfter"] == effect["deadlineAfter"]
    assert applied["sessions"] == [{"id": sitting.session_id, "deadlineAt": effect["deadlineAfter"]}]
    assert seen["event"]["reason"] == "The lights went out."
    assert "lights" not in str(candidate), "a candidate is told what, and not why"
    asked = (
        "query($a: ID!, $u: ID!) { assignment(id: $a) { limitsFor(userId: $u) { extensionSeconds { value base } } } }"
    )
    person = {"a": assignment, "u": session["candidate"]["id"]}
    limits = (await live.post(asked, person, proctor))["data"]["assignment"]["limitsFor"]
    assert limits == {"extensionSeconds": {"value": 900, "base": 0}}
    ledger = (await live.ask("Overrides", {"filter": {"assignmentId": assignment}}, role="viewer"))["overrides"][
        "nodes"
    ]
    assert [(one["kind"], one["amount"], one["reason"]) for one in ledger] == [
        ("EXTENSION", "900.0000", "The lights went out.")
    ]


async def test_a_candidate_s_stream_goes_on_behind_its_cursor(live: Live):
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1, timeLimitSeconds=3600)
    sitting = await story.sit_down(live, invitation)
    candidate = (await live.ask("Session", {"id": sitting.session_id}, role="admin"))["session"]["candidate"]["id"]
    about = {"assignmentId": assignment, "target": {"userId": candidate}, "reason": "A long corridor."}

    async def extend(seconds: int) -> None:
        await live.do("OverrideApply", about | {"change": {"extensionSeconds": seconds}}, role="manager")

    async with asyncio.timeout(20), live.stream("MySessionStream", {}, sitting.token) as mine:
        waiting = asyncio.create_task(frame_with(mine, "TIME_EXTENDED"))
        await asyncio.sleep(0)
        while not waiting.done():
            await extend(60)
            await asyncio.wait([waiting], timeout=1)
        cursor = (await waiting)["cursor"]
    await extend(61)
    async with asyncio.timeout(20), live.stream("MySessionStream", {"after": cursor}, sitting.token) as mine:
        seen = await frame_with(mine, "TIME_EXTENDED")
        moved = [
            datetime.fromisoformat(event["deadlineAfter"]) - datetime.fromisoformat(event["deadlineBefore"])
            for event in seen["events"]
        ]
    assert moved[-1] == timedelta(seconds=61)
