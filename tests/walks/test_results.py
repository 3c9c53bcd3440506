"""Telling results: kept back, released, in as much detail as the session allows, and asked about once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from schema.nodes import global_id
from tests.factories import sign_ins
from tests.walks import essays, story
from tests.walks.conftest import Live, document, key


async def mine(live: Live, token: str) -> dict[str, Any]:
    return (await live.ask("MyResult", token=token))["mySession"]


async def refused(live: Live, name: str, given: dict, **who: str) -> str:
    data = await live.ask(name, {"input": given | {"idempotencyKey": key()}}, **who)
    (payload,) = data.values()
    (problem,) = payload["problems"]
    return problem["code"]


async def sat(live: Live, mode: str, people: int = 1) -> tuple[str, list[str]]:
    """Let people hand in a pool's questions without an answer; returns the assignment and their tokens."""
    version = await story.publish(live)
    assignment, invitations = await story.issue(live, version["id"], people, feedbackMode=mode)
    sittings = [await story.sit_down(live, invitation) for invitation in invitations]
    for one in sittings:
        await live.do("SessionSubmit", {}, token=one.token)
    return assignment, [one.token for one in sittings]


async def test_results_are_kept_back_and_released_one_by_one_and_together(live: Live):
    assignment, (first, second) = await sat(live, "SCORE", 2)
    assert [(await mine(live, one))["resultState"] for one in (first, second)] == ["TOLD", "TOLD"]
    held = await live.do("ResultsHold", {"assignmentId": assignment, "reason": "The board meets."}, role="manager")
    assert held["assignment"]["resultRelease"]["isHeld"] is True
    for one in (first, second):
        seen = await mine(live, one)
        assert (seen["resultState"], seen["result"], seen["resultFrom"]) == ("WITHHELD", None, None)
        assert (await live.ask("MySession", token=one))["mySession"]["result"] is None

    nodes = (await live.ask("Submissions", {"filter": {"assignmentId": assignment}}, role="admin"))["submissions"]
    one = nodes["nodes"][0]["id"]
    given = {"assignmentId": assignment, "submissionIds": [one], "reason": "She asked."}
    await live.do("ResultsRelease", given, role="manager")
    assert sorted([(await mine(live, token))["resultState"] for token in (first, second)]) == ["TOLD", "WITHHELD"]
    shown = (await live.ask("SubmissionResult", {"id": one}, role="auditor"))["submission"]["resultRelease"]
    assert (shown["isHeld"], shown["reason"], shown["decidedBy"]["displayName"]) == (
        False,
        "She asked.",
        "Demo Manager",
    )

    await live.do("ResultsRelease", {"assignmentId": assignment, "reason": "It met."}, role="manager")
    assert [(await mine(live, token))["resultState"] for token in (first, second)] == ["TOLD", "TOLD"]
    told = (await live.ask("Activity", {"filter": {"act": "results."}}, role="auditor"))["activity"]["nodes"]
    assert ("results.released", "It met.") in [(row["act"], row["reason"]) for row in told]


async def test_an_embargo_ends_by_itself_and_only_in_the_future(live: Live):
    assignment, (token,) = await sat(live, "OUTCOME")
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    past = {"assignmentId": assignment, "until": (soon - timedelta(days=1)).isoformat(), "reason": "R"}
    assert await refused(live, "ResultsHold", past, role="manager") == "INVALID_INPUT"
    vague = past | {"until": (soon + timedelta(days=1)).replace(tzinfo=None).isoformat()}
    assert await refused(live, "ResultsHold", vague, role="manager") == "INVALID_INPUT"
    await live.do("ResultsHold", past | {"until": soon.isoformat()}, role="manager")
    seen = await mine(live, token)
    assert (seen["resultState"], seen["result"]) == ("WITHHELD", None)
    assert datetime.fromisoformat(seen["resultFrom"]) == soon
    while (seen := await mine(live, token))["resultState"] == "WITHHELD":
        assert datetime.now(UTC) < soon + timedelta(seconds=10)
    assert seen["result"] == {"outcome": "FAILED", "percent": None, "points": None, "maxPoints": None, "items": None}
    stranger = {"assignmentId": assignment, "submissionIds": [global_id("Submission", uuid4())], "reason": "R"}
    assert await refused(live, "ResultsRelease", stranger, role="manager") == "NOT_FOUND"


@pytest.mark.parametrize(
    ("mode", "tells_items", "tells_keys"), [("SCORE", 0, 0), ("COMMENTS", 1, 0), ("ANSWERS", 1, 1)]
)
async def test_the_mode_decides_what_is_told_of_each_item(live: Live, mode: str, *, tells_items: int, tells_keys: int):
    _, (token,) = await sat(live, mode)
    result = (await mine(live, token))["result"]
    assert result["percent"] == "0.00"
    if not tells_items:
        assert result["items"] is None
        return
    assert all(one["points"] == "0.0000" for one in result["items"])
    assert [one["key"] is not None for one in result["items"]] == [bool(tells_keys)] * len(result["items"])


async def test_comments_are_told_once_a_person_has_judged(live: Live):
    version = await essays.publish(live)
    assignment, (token,) = await essays.hand_in(live, version, 1, feedbackMode="COMMENTS")
    assert (await mine(live, token))["resultState"] == "PENDING"
    (task,) = [one["id"] for one in await essays.queue(live, assignment)]
    await essays.mark(live, await live.token("assessor"), task, "all", "9", comment="*Well* argued.")
    result = (await mine(live, token))["result"]
    assert [(Decimal(one["points"]), one["comments"]) for one in result["items"]] == [
        (Decimal(10), ["*Well* argued."]),
        (Decimal(9), ["*Well* argued."]),
    ]


async def test_a_regrade_is_asked_for_once_and_another_assessor_answers(live: Live):
    version = await essays.publish_under(live, inquiryDays=14)
    assignment, (token,) = await essays.hand_in(live, version, 1)
    assert await refused(live, "InquiryOpen", {"reason": "Too few."}, token=token) == "INQUIRY_CLOSED"
    (task,) = await essays.queue(live, assignment)
    assessor = await live.token("assessor")
    await essays.mark(live, assessor, task["id"], "some", "2")
    seen = await mine(live, token)
    assert (seen["result"]["outcome"], seen["inquiry"]) == ("FAILED", None)
    assert datetime.fromisoformat(seen["inquiryUntil"]) > datetime.now(UTC) + timedelta(days=13)
    asked = await live.do("InquiryOpen", {"reason": "My facts are right."}, token=token)
    assert (asked["session"]["inquiry"]["state"], asked["session"]["inquiryUntil"]) == ("OPEN", None)
    assert await refused(live, "InquiryOpen", {"reason": "Again."}, token=token) == "ALREADY_EXISTS"
    assert (await mine(live, token))["result"]["outcome"] == "FAILED"

    (again,) = await essays.queue(live, assignment, state=["AWAITING_REVIEW"])
    assert (again["id"] != task["id"], again["pending"]) == (True, "2 items pending")
    assert await refused(live, "ReviewClaim", {"id": again["id"]}, token=assessor) == "NOT_ONESELF"
    other = (await sign_ins.signed_in(live, await sign_ins.person(live, "assessor")))["tokens"]["accessToken"]
    await live.do("ResultsHold", {"assignmentId": assignment, "reason": "The board meets."}, role="manager")
    await essays.mark(live, other, again["id"], "all", "8")
    seen = await mine(live, token)
    kept = {name: seen["inquiry"][name] for name in ("state", "outcome", "answer", "answeredAt")}
    assert (seen["resultState"], kept) == (
        "WITHHELD",
        {"state": "OPEN", "outcome": None, "answer": None, "answeredAt": None},
    )
    await live.do("ResultsRelease", {"assignmentId": assignment, "reason": "It met."}, role="manager")
    seen = await mine(live, token)
    assert (seen["result"]["outcome"], seen["inquiry"]["state"], seen["inquiry"]["outcome"]) == (
        "PASSED",
        "ANSWERED",
        "CHANGED",
    )
    assert seen["inquiry"]["answer"] == "It is 8."
    (first, second) = (await live.ask("ReviewTasks", {"filter": {"assignmentId": assignment}}, role="auditor"))[
        "reviewTasks"
    ]["nodes"]
    assert {first["state"], second["state"]} == {"FINALISED"}


async def test_the_invitation_opens_the_result_again_when_the_session_s_token_has_ended(live: Live):
    version = await story.publish(live)
    _, (invitation, other) = await story.issue(live, version["id"], 2, feedbackMode="SCORE")
    sitting = await story.sit_down(live, invitation)
    assert await refused(live, "ResultOpen", {"token": invitation}) == "INVALID_INPUT"
    assert await refused(live, "ResultOpen", {"token": other}) == "INVALID_INPUT"
    await live.do("SessionSubmit", {}, token=sitting.token)
    opened = await live.do("ResultOpen", {"token": invitation})
    assert opened["session"]["result"] == {"outcome": "FAILED", "percent": "0.00"}
    assert datetime.fromisoformat(opened["expiresAt"]) > datetime.now(UTC) + timedelta(days=6)
    assert (await mine(live, opened["sessionToken"]))["resultState"] == "TOLD"
    body = await live.post(document("ResultOpen"), {"input": {"token": "nothing", "idempotencyKey": key()}})
    assert [one["extensions"]["code"] for one in body["errors"]] == ["UNAUTHENTICATED"]


async def test_no_regrade_is_offered_where_the_rules_offer_none(live: Live):
    version = await essays.publish(live)
    assignment, (token,) = await essays.hand_in(live, version, 1)
    (task,) = [one["id"] for one in await essays.queue(live, assignment)]
    await essays.mark(live, await live.token("assessor"), task, "all", "8")
    assert (await mine(live, token))["inquiryUntil"] is None
    assert await refused(live, "InquiryOpen", {"reason": "Too few."}, token=token) == "INQUIRY_CLOSED"
