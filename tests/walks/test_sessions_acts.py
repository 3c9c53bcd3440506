"""What proctors do, as their candidates see it on the socket, and as it is found later in the history of everything."""

import asyncio
from typing import Any

from tests.walks import story
from tests.walks.conftest import Live
from tests.walks.test_incidents import refused_while_paused
from tests.walks.test_overrides import frame_with

WHY = {"category": "EXAMINEE", "reason": "Spoke with a neighbour."}
OFFERED = "query ($id: ID!) { session(id: $id) { availableActions { action enabled reason } } }"
HISTORY = """query ($session: ID!, $assignment: ID!) {
    session(id: $session) {
        state activity(first: 20) { nodes { id act reason } }
        submission { cause activity(first: 20) { nodes { id act } } }
    }
    assignment(id: $assignment) { activity(first: 50) { nodes { id act } } } }"""


async def test_the_candidate_is_shown_what_and_not_why(live: Live):
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1, timeLimitSeconds=3600, feedbackMode="SCORE")
    sitting = await story.sit_down(live, invitation)
    answer = {"itemId": sitting.items[0]["id"], "revision": 1, "response": story.choice(sitting.items[0], "right")}
    await live.do("AnswerSave", answer, token=sitting.token)
    target = {"sessions": [{"id": sitting.session_id}]}
    async with asyncio.timeout(30), live.stream("MySessionStream", {}, sitting.token) as mine:

        async def told(kind: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
            waiting = asyncio.create_task(frame_with(mine, kind))
            await live.do("SessionNote", {"ids": [sitting.session_id], "text": "Secret remark."}, role="proctor")
            payload = await live.do(name, given, role="proctor")
            assert [row["problems"] for row in payload["results"]] == [[]]
            frame = await waiting
            assert "Secret" not in str(frame), "a note is for staff"
            assert "neighbour" not in str(frame), "a candidate is told what, and not why"
            return frame

        # The stream has begun once it tells of something that was done after it was asked for.
        began = asyncio.create_task(frame_with(mine, "MESSAGE"))
        while not began.done():
            await live.do("SessionMessage", {"ids": [sitting.session_id], "text": "Please be quiet."}, role="proctor")
            await asyncio.wait([began], timeout=0.5)
        assert (await began)["event"]["message"] == "Please be quiet."
        paused = await told("PAUSED", "SessionPause", target | WHY)
        assert paused["session"]["state"] == "PAUSED"
        await refused_while_paused(live, sitting)
        resumed = await told("RESUMED", "SessionResume", target)
        assert resumed["event"]["deadlineAfter"] == resumed["session"]["deadlineAt"]
        extended = await told("TIME_EXTENDED", "SessionExtend", target | WHY | {"seconds": 300})
        assert extended["event"]["deadlineAfter"] > extended["event"]["deadlineBefore"]
        ended = await told("TERMINATED", "SessionTerminate", target | WHY)
        assert ended["session"]["state"] == "TERMINATED"
    own = (await live.ask("MySession", token=sitting.token))["mySession"]
    assert {one["text"] for one in own["messages"]} == {"Please be quiet."}
    assert own["result"]["points"] is not None
    assert "Secret" not in str(own)
    (late,) = (await live.do("SessionPause", target | WHY, role="proctor"))["results"]
    assert [(one["code"], one["currentState"]) for one in late["problems"]] == [("STATE_DRIFT", "TERMINATED")]
    await found_later(live, sitting.session_id, assignment)


async def found_later(live: Live, session_id: str, assignment: str) -> None:
    ids = {"session": session_id, "assignment": assignment}
    body = await live.post(HISTORY, ids, await live.token("admin"))
    assert "errors" not in body, body
    session, history = body["data"]["session"], body["data"]["assignment"]["activity"]["nodes"]
    acts = {row["id"]: row["act"] for row in session["activity"]["nodes"]}
    assert set(acts.values()) >= {
        *("session.paused", "session.resumed", "session.terminated"),
        *("session.messaged", "session.noted", "session.limits_changed"),
    }
    assert (session["state"], session["submission"]["cause"]) == ("TERMINATED", "TERMINATED")
    for rows in (history, session["submission"]["activity"]["nodes"]):
        assert acts.keys() <= {row["id"] for row in rows}
    monitored = (await live.ask("AssignmentMonitor", {"id": assignment}, role="proctor"))["assignment"]["monitor"]
    assert [row["bucket"] for row in monitored["nodes"]] == ["COMPLETED"]


async def test_what_can_be_done_is_told_by_state_and_right(live: Live):
    version = await story.publish(live)
    _, (invitation,) = await story.issue(live, version["id"], 1, timeLimitSeconds=3600)
    sitting = await story.sit_down(live, invitation)

    async def offered(role: str) -> set[str]:
        body = await live.post(OFFERED, {"id": sitting.session_id}, await live.token(role))
        shown = body["data"]["session"]["availableActions"]
        assert all((one["reason"] is None) is one["enabled"] for one in shown)
        return {one["action"] for one in shown if one["enabled"]}

    assert await offered("proctor") == {"PAUSE", "TERMINATE", "EXTEND", "MESSAGE", "NOTE"}
    assert await offered("auditor") == set()
