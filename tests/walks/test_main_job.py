"""From authoring to the score, through the API, with the proctor watching."""

import asyncio
from uuid import uuid4

from tests.walks import story
from tests.walks.conftest import Live


async def test_issued_sat_watched_scored(live: Live):
    version = await story.publish(live, feedbackMode="SCORE")
    assignment, invitations = await story.issue(live, version["id"], 3, timeLimitSeconds=600)
    proctor = await live.token("proctor")

    table = (await live.ask("AssignmentMonitor", {"id": assignment}, token=proctor))["assignment"]["monitor"]
    assert [row["bucket"] for row in table["nodes"]] == ["INVITED"] * 3
    seen = []
    async with live.stream(
        "AssignmentStream", {"assignmentId": assignment, "after": table["cursor"]}, proctor
    ) as frames:
        sitting = await story.sit_down(live, invitations[0])
        for revision, item in enumerate(sitting.items, 1):
            response = story.choice(item, "right" if revision <= 5 else "wrong")
            await live.do(
                "AnswerSave", {"itemId": item["id"], "revision": revision, "response": response}, token=sitting.token
            )
        events = [{"kind": "FOCUS_LOST", "clientAt": "2026-11-20T12:00:00Z", "position": 1}]
        await live.do("SessionEventsRecord", {"batchId": uuid4().hex, "events": events}, token=sitting.token)
        submitted = await live.do("SessionSubmit", {}, token=sitting.token)
        assert (await live.do("SessionSubmit", {}, token=sitting.token))["session"]["id"] == submitted["session"]["id"]
        async with asyncio.timeout(15):
            async for frame in frames:
                seen += [(event["kind"], event["seq"]) for event in frame["events"]]
                if seen and seen[-1][0] == "SUBMITTED":
                    break
    expected = ["CREATED", "STARTED", *["ANSWER_SAVED"] * 6, "FOCUS_LOST", "SUBMITTED"]
    assert seen == list(zip(expected, range(1, 11), strict=True))

    result = (await live.ask("MySession", token=sitting.token))["mySession"]["result"]
    assert (result["outcome"], result["points"], result["percent"]) == ("PASSED", "5.0000", "83.33")
    table = (await live.ask("AssignmentMonitor", {"id": assignment}, token=proctor))["assignment"]["monitor"]
    assert sorted(row["bucket"] for row in table["nodes"]) == ["COMPLETED", "INVITED", "INVITED"]
    listed = (await live.ask("Submissions", {"filter": {"assignmentId": assignment}}, role="assessor"))["submissions"]
    assert [node["latestScore"]["percent"] for node in listed["nodes"]] == ["83.33"]


async def test_redeem_at_the_rest_door_is_the_mutation(live: Live):
    version = await story.publish(live)
    _, (invitation,) = await story.issue(live, version["id"], 1)
    door = f"{live.base}/api/v1/assignments/redeem"
    nonce = uuid4().hex
    first = await live.http.post(door, json={"token": invitation, "nonce": nonce})
    again = await live.http.post(door, json={"token": invitation, "nonce": nonce})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["session"]["id"] == again.json()["session"]["id"]
    other = await live.http.post(door, json={"token": invitation, "nonce": uuid4().hex})
    assert (other.status_code, other.json()["problems"][0]["code"]) == (410, "INVITATION_USED")
    assert (await live.http.post(door, json={"token": "x", "nonce": nonce})).status_code in (401, 410)
    assert (await live.http.post(door, json={"token": invitation, "else": 1})).status_code == 400


async def test_twenty_parallel_redeems_of_one_token_make_one_session(live: Live):
    version = await story.publish(live)
    assignment, (invitation,) = await story.issue(live, version["id"], 1)
    nonce = uuid4().hex
    given = {"input": {"token": invitation, "nonce": nonce}}
    answers = await asyncio.gather(*(live.ask("InvitationRedeem", given) for _ in range(20)))
    assert len({answer["invitationRedeem"]["session"]["id"] for answer in answers}) == 1
    listed = await live.ask("Sessions", {"filter": {"assignmentId": assignment}}, role="admin")
    assert len(listed["sessions"]["nodes"]) == 1


async def test_a_second_tenant_sees_nothing_of_the_first(live: Live):
    version = await story.publish(live)
    assignment, (invitation, _) = await story.issue(live, version["id"], 2)
    sitting = await story.sit_down(live, invitation)
    stranger = await live.token("admin", "second")
    for name, variables in (
        ("AssignmentMonitor", {"id": assignment}),
        ("EvaluationVersion", {"id": version["id"]}),
        ("Session", {"id": sitting.session_id}),
        ("Node", {"id": assignment}),
    ):
        data = await live.ask(name, variables, token=stranger)
        assert list(data.values()) == [None], name
    for name in ("Assignments", "Evaluations", "Questions", "Sessions", "Submissions"):
        (connection,) = (await live.ask(name, {}, token=stranger)).values()
        assert connection["nodes"] == [], name
    body = await live.post(story_document("AssignmentEvents"), {"assignmentId": assignment}, stranger)
    assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def story_document(name: str) -> str:
    from tests.walks.conftest import document  # noqa: PLC0415 - beside its one use

    return document(name)
