"""The grading queue, as assessors use it: claim, look, draft, lose, take over, make final, and see the score."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.walks import essays
from tests.walks.conftest import Live, document, key

GOOD = [{"criterion": "facts", "level": "all"}, {"criterion": "style", "level": "poor"}]


@pytest.fixture(scope="module")
async def version(live: Live) -> str:
    return await essays.publish(live)


async def refused(live: Live, name: str, given: dict, *, role: str) -> list[dict]:
    data = await live.ask(name, {"input": given}, role=role)
    (payload,) = data.values()
    assert payload["task"] is None
    return payload["problems"]


async def test_an_essay_is_claimed_judged_and_scored(live: Live, version: str):
    assignment, _ = await essays.hand_in(live, version, 1)
    (waiting,) = await essays.queue(live, assignment)
    assert (waiting["state"], waiting["pending"], waiting["claimedBy"]) == ("AWAITING_REVIEW", "2 items pending", None)
    claimed = await live.do("ReviewClaim", {"id": waiting["id"]}, role="assessor")
    again = await live.do("ReviewClaim", {"id": waiting["id"]}, role="assessor")
    assert (claimed["task"]["state"], again["fence"]) == ("IN_PROGRESS", claimed["fence"])
    (drift,) = await refused(live, "ReviewClaim", {"id": waiting["id"]}, role="admin")
    assert (drift["code"], drift["currentState"]) == ("STATE_DRIFT", "AWAITING_REVIEW")

    first, second = await essays.items(live, waiting["id"])
    assert first["item"]["response"]["textHtml"] == "<p>Because <strong>0</strong> is &lt;b&gt;so&lt;/b&gt;.</p>\n"
    assert (first["rubric"]["criteria"][0]["title"], second["rubric"]) == ("Facts", None)
    place = {"taskId": waiting["id"], "itemId": first["item"]["id"], "fence": claimed["fence"]}
    draft = {**place, "revision": 1, "levels": GOOD[:1], "comment": "Half way."}
    kept = await live.do("GradeDraftSave", draft, role="assessor")
    assert (kept["draft"]["levels"], kept["draft"]["lostAt"]) == (GOOD[:1], None)
    (open_,) = await refused(live, "GradeFinalise", {**place, "levels": GOOD[:1], "rationale": "R"}, role="assessor")
    assert (open_["code"], open_["message"]) == ("INVALID_INPUT", "Choose a level of 'Style'.")
    odd = {**place, "itemId": second["item"]["id"]}
    for points in ("1E-999999999", "10.0001", "-1", "NaN"):
        given = {**odd, "points": points, "rationale": "R"}
        (unfit,) = await refused(live, "GradeFinalise", given, role="assessor")
        assert (unfit["code"], unfit["path"]) == ("INVALID_INPUT", ["points"])
    (early,) = await refused(live, "GradeDraftSave", {**odd, "points": "0E-9", "revision": -1}, role="assessor")
    assert (early["code"], early["path"]) == ("INVALID_INPUT", ["revision"])
    (silent,) = await refused(live, "GradeFinalise", {**place, "levels": GOOD, "rationale": " "}, role="assessor")
    assert silent["path"] == ["rationale"]

    given = {**place, "levels": GOOD, "comment": "*Well* argued.", "rationale": "All facts, no style."}
    task = (await live.do("GradeFinalise", given, role="assessor"))["task"]
    assert (task["state"], task["pendingCount"], task["submission"]["latestScore"]["outcome"]) == (
        "IN_PROGRESS",
        1,
        "PENDING",
    )
    given = {**place, "itemId": second["item"]["id"], "points": "7.5", "rationale": "Clear."}
    task = (await live.do("GradeFinalise", given, role="assessor"))["task"]
    score = task["submission"]["latestScore"]
    assert (task["state"], score["outcome"], score["cause"], score["number"]) == ("FINALISED", "PASSED", "GRADED", 2)
    assert (Decimal(score["points"]), score["percent"]) == (Decimal("12.5"), "62.50")

    shown = (await live.ask("ReviewTask", {"id": waiting["id"]}, role="auditor"))["reviewTask"]
    assert [event["kind"] for event in shown["events"]] == [
        "OPENED",
        "CLAIMED",
        "ITEM_FINALISED",
        "ITEM_FINALISED",
        "FINALISED",
    ]
    assert shown["items"][0]["grades"][0]["rationale"] == "All facts, no style."
    assert shown["claimedBy"] is None
    (late,) = await refused(live, "ReviewClaim", {"id": waiting["id"]}, role="admin")
    assert late["currentState"] == "FINALISED"


async def test_who_loses_a_review_keeps_the_draft_and_changes_nothing(live: Live, version: str):
    assignment, _ = await essays.hand_in(live, version, 1)
    (waiting,) = await essays.queue(live, assignment)
    mine = await live.do("ReviewClaim", {"id": waiting["id"]}, role="assessor")
    _, second = await essays.items(live, waiting["id"])
    place = {"taskId": waiting["id"], "itemId": second["item"]["id"]}
    draft = {**place, "fence": mine["fence"], "revision": 1, "points": "4", "comment": "Mine."}
    await live.do("GradeDraftSave", draft, role="assessor")
    taken = await live.do("ReviewSteal", {"id": waiting["id"], "reason": "She is ill."}, role="admin")
    assert taken["fence"] > mine["fence"]
    await live.do("GradeDraftSave", {**place, "fence": taken["fence"], "revision": 1, "points": "9"}, role="admin")

    late = await live.ask("GradeDraftSave", {"input": draft | {"revision": 2, "points": "5"}}, role="assessor")
    (problem,) = late["gradeDraftSave"]["problems"]
    assert (problem["code"], problem["path"]) == ("STATE_DRIFT", ["fence"])
    assert (late["gradeDraftSave"]["draft"]["points"], late["gradeDraftSave"]["draft"]["lostAt"] is None) == (
        "5.0000",
        False,
    )
    lost = {**place, "fence": mine["fence"], "points": "5", "rationale": "Late."}
    (drift,) = await refused(live, "GradeFinalise", lost, role="assessor")
    assert drift["code"] == "STATE_DRIFT"
    _, shown = await essays.items(live, waiting["id"], role="admin")
    assert [(one["points"], one["lostAt"] is None) for one in shown["drafts"]] == [("5.0000", False), ("9.0000", True)]
    assert shown["grades"] == []
    await live.do("ReviewRelease", {"id": waiting["id"], "fence": taken["fence"]}, role="admin")
    (free,) = await essays.queue(live, assignment, isUnclaimed=True)
    assert free["state"] == "AWAITING_REVIEW"


async def test_the_next_is_ones_own_first_and_everybody_gets_another(live: Live, version: str):
    assignment, _ = await essays.hand_in(live, version, 4)
    wanted = {"filter": {"assignmentId": assignment}}
    first = await live.do("ReviewClaimNext", wanted, role="assessor")
    own = await live.do("ReviewClaimNext", wanted, role="assessor")
    assert (own["task"]["id"], own["fence"]) == (first["task"]["id"], first["fence"])
    other = await live.do("ReviewClaimNext", wanted, role="admin")
    assert other["task"]["id"] != first["task"]["id"]
    (mine,) = await essays.queue(live, assignment, isMine=True)
    assert mine["id"] == first["task"]["id"]
    assert len(await essays.queue(live, assignment, state=["AWAITING_REVIEW"])) == 2
    assert len(await essays.queue(live, assignment, state=["IN_PROGRESS"])) == 2
    own = (await live.post("{ viewer { orgUnit { id } } }", token=await live.token("assessor")))["data"]
    unit = own["viewer"]["orgUnit"]["id"]
    other = (await live.do("OrgUnitCreate", {"name": f"Unit {key()}"}, role="admin"))["orgUnit"]["id"]
    assert len(await essays.queue(live, assignment, orgUnitId=unit)) == 4
    assert await essays.queue(live, assignment, orgUnitId=other) == []
    assert len(await essays.queue(live, assignment, dueWithinDays=0)) == 0
    assert len(await essays.queue(live, assignment, dueWithinDays=8)) == 4


async def test_of_twenty_who_claim_at_once_one_has_it(live: Live, version: str):
    assignment, _ = await essays.hand_in(live, version, 1)
    (waiting,) = await essays.queue(live, assignment)
    roles = ["assessor", "admin"] * 10
    done = await asyncio.gather(
        *[
            live.ask("ReviewClaim", {"input": {"id": waiting["id"], "idempotencyKey": key()}}, role=role)
            for role in roles
        ]
    )
    fences = {
        role: {one["reviewClaim"]["fence"] for one, by in zip(done, roles, strict=True) if by == role} for role in roles
    }
    assert sorted(fences.values(), key=str) == [{1}, {None}]


async def test_a_service_token_judges_nobody(live: Live, version: str):
    assignment, _ = await essays.hand_in(live, version, 1)
    (waiting,) = await essays.queue(live, assignment)
    token = (
        await live.do(
            "ServiceTokenCreate",
            {
                "name": f"Robot {key()}",
                "capabilities": ["reviews.grade", "submissions.read"],
                "expiresAt": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
            },
            role="admin",
        )
    )["token"]
    mine = await live.post(document("ReviewTasks"), {"filter": {"assignmentId": assignment, "isMine": True}}, token)
    assert mine["data"]["reviewTasks"]["nodes"] == []
    seen = await live.post(document("ReviewTask"), {"id": waiting["id"]}, token)
    assert not [one for one in seen["data"]["reviewTask"]["availableActions"] if one["enabled"]]
    body = await live.post(document("ReviewClaim"), {"input": {"id": waiting["id"]}}, token)
    assert body["data"]["reviewClaim"]["problems"][0]["code"] == "PERSON_NEEDED"
