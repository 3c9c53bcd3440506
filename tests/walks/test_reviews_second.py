"""Second opinions: asked for by a person, by rule and by sample, given blindly, agreed on or decided by a third."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from schema.nodes import global_id
from tests.factories import sign_ins
from tests.walks import essays
from tests.walks.conftest import Live, document, key


@dataclass
class Panel:
    """Three assessors and a tenant admin, by their tokens."""

    ann: str
    ben: str
    admin: str


@pytest.fixture(scope="module")
async def panel(live: Live) -> Panel:
    other = await sign_ins.person(live, "assessor")
    token = (await sign_ins.signed_in(live, other))["tokens"]["accessToken"]
    return Panel(await live.token("assessor"), token, await live.token("admin"))


async def waiting(live: Live, people: int = 1, **rules: Any) -> list[dict[str, Any]]:
    """Reviews of two essays each, worth 10 points each, 60 per cent to pass, under these rules."""
    version = await essays.publish_under(live, **rules)
    assignment, _ = await essays.hand_in(live, version, people)
    return await essays.queue(live, assignment)


async def shown(live: Live, task: str, token: str) -> dict[str, Any]:
    return (await live.ask("ReviewTask", {"id": task}, token=token))["reviewTask"]


async def refused(live: Live, name: str, given: dict, token: str) -> str:
    data = await live.ask(name, {"input": given | {"idempotencyKey": key()}}, token=token)
    (payload,) = data.values()
    (problem,) = payload["problems"]
    return problem["code"]


async def test_a_reviewer_wants_one_and_both_agree(live: Live, panel: Panel):
    (task,) = [one["id"] for one in await waiting(live)]
    claimed = await live.do("ReviewClaim", {"id": task}, token=panel.ann)
    given = {"taskId": task, "fence": claimed["fence"], "reason": "I know the candidate."}
    asked = await live.do("ReviewSecondOpinionAsk", given, token=panel.ann)
    assert asked["task"]["secondOpinionReasons"] == ["MANUAL"]
    done = await essays.mark(live, panel.ann, task, "some", "7.5")
    assert (done["state"], done["pendingCount"]) == ("REQUIRES_SECOND_OPINION", 2)
    score = done["submission"]["latestScore"]
    assert (score["number"], score["outcome"]) == (1, "PENDING")
    assert await refused(live, "ReviewClaim", {"id": task}, panel.ann) == "NOT_ONESELF"
    assert await refused(live, "ReviewClaimNext", {"filter": {"state": ["REQUIRES_SECOND_OPINION"]}}, panel.ann) == (
        "NOTHING_CHOSEN"
    )

    unknowing = await shown(live, task, panel.ben)
    assert (unknowing["turn"], unknowing["secondOpinionNote"]) == ("SECOND", "I know the candidate.")
    assert [one["grades"] for one in unknowing["items"]] == [[], []]
    assert all("points" not in event["facts"] for event in unknowing["events"])
    mine = await shown(live, task, panel.ann)
    assert [len(one["grades"]) for one in mine["items"]] == [1, 1]
    assert [len(one["grades"]) for one in (await shown(live, task, panel.admin))["items"]] == [1, 1]

    done = await essays.mark(live, panel.ben, task, "some", "8")
    score = done["submission"]["latestScore"]
    assert (done["state"], score["number"], score["outcome"]) == ("FINALISED", 2, "PASSED")
    assert Decimal(score["points"]) == Decimal("7.5") + Decimal("7.75")
    known = await shown(live, task, panel.ann)
    assert [[(one["role"], one["points"]) for one in item["grades"]] for item in known["items"]] == [
        [("FIRST", "7.5000"), ("SECOND", "7.5000")],
        [("FIRST", "7.5000"), ("SECOND", "8.0000")],
    ]


async def test_two_who_do_not_agree_are_decided_by_a_third(live: Live, panel: Panel):
    (task,) = [one["id"] for one in await waiting(live, secondNear="100", tolerancePercent="10")]
    done = await essays.mark(live, panel.ann, task, "all", "9")
    assert (done["state"], done["secondOpinionReasons"]) == ("REQUIRES_SECOND_OPINION", ["NEAR_BOUNDARY"])
    seen = await shown(live, task, panel.ben)
    assert seen["secondOpinionReasons"] == []
    assert [one["facts"] for one in seen["events"] if one["kind"] == "SECOND_OPINION_REQUIRED"] == [{}]
    done = await essays.mark(live, panel.ben, task, "all", "5")
    assert (done["state"], done["submission"]["latestScore"]["outcome"]) == ("REQUIRES_ADJUDICATION", "PENDING")
    given = {"input": {"id": task, "idempotencyKey": key()}}
    data = await live.post(document("ReviewClaim"), given, panel.ben)
    assert [one["extensions"]["code"] for one in data["errors"]] == ["FORBIDDEN"]
    actions = {one["action"]: one for one in (await shown(live, task, panel.ben))["availableActions"]}
    assert actions["CLAIM"]["enabled"] is False
    done = await essays.mark(live, panel.admin, task, "all", "6")
    assert (done["state"], Decimal(done["submission"]["latestScore"]["points"])) == ("FINALISED", Decimal(16))


async def test_marks_within_the_tolerance_on_two_sides_of_the_pass_mark_are_no_agreement(live: Live, panel: Panel):
    (task,) = [one["id"] for one in await waiting(live, secondNear="5", tolerancePercent="50")]
    done = await essays.mark(live, panel.ann, task, "some", "4.49")
    assert done["state"] == "REQUIRES_SECOND_OPINION"
    assert (await essays.mark(live, panel.ben, task, "some", "4.5"))["state"] == "REQUIRES_ADJUDICATION"


async def test_the_highest_counts_where_the_rules_say_so(live: Live, panel: Panel):
    rules = {"samplePercent": 100, "agreedBy": "HIGHEST", "isBlind": False}
    (task,) = [one["id"] for one in await waiting(live, **rules)]
    done = await essays.mark(live, panel.ann, task, "all", "7")
    assert done["secondOpinionReasons"] == ["SAMPLE"]
    assert [len(one["grades"]) for one in (await shown(live, task, panel.ben))["items"]] == [1, 1]
    done = await essays.mark(live, panel.ben, task, "all", "7.5")
    assert Decimal(done["submission"]["latestScore"]["points"]) == Decimal("17.5")


async def test_of_every_marker_the_first_and_then_a_share_are_marked_twice(live: Live, panel: Panel):
    tasks = [one["id"] for one in await waiting(live, 6, sampleAtLeast=1, samplePercent=50)]
    states = [(await essays.mark(live, panel.ann, task, "all", "9"))["state"] for task in tasks[:5]]
    assert states[0] == "REQUIRES_SECOND_OPINION"
    assert [states[2:4].count("REQUIRES_SECOND_OPINION")] == [1]
    assert (await essays.mark(live, panel.ben, tasks[5], "all", "9"))["state"] == "REQUIRES_SECOND_OPINION"


async def test_rules_are_checked_kept_and_hold_for_what_comes_later(live: Live):
    version = await essays.publish_under(live, dueDays=3, reason="Busy season.")
    evaluation = (await live.ask("EvaluationVersion", {"id": version}, role="admin"))["evaluationVersion"]["evaluation"]
    policy = (await live.ask("ReviewPolicy", {"evaluationId": evaluation["id"]}, role="auditor"))["reviewPolicy"]
    assert (policy["number"], policy["dueDays"], policy["reason"], policy["agreedBy"]) == (
        1,
        3,
        "Busy season.",
        "AVERAGE",
    )
    for rules, path in (
        ({"dueDays": 0}, ["rules", "due_days"]),
        ({"boundaries": ["70", "50"]}, ["rules", "boundaries"]),
        ({"secondNear": "101"}, ["rules", "second_near"]),
    ):
        given = {"evaluationId": evaluation["id"], "rules": rules, "reason": "R", "idempotencyKey": key()}
        payload = (await live.ask("ReviewPolicySet", {"input": given}, role="manager"))["reviewPolicySet"]
        assert [(one["code"], one["path"]) for one in payload["problems"]] == [("INVALID_INPUT", path)]
    assert (await live.ask("ReviewPolicy", {"evaluationId": evaluation["id"]}, role="auditor"))[
        "reviewPolicy"
    ] == policy


async def test_whoever_absorbs_the_first_marker_gives_no_second_opinion(live: Live, panel: Panel):
    (task,) = [one["id"] for one in await waiting(live, sampleAtLeast=1)]
    first, second = [await sign_ins.person(live, "assessor") for _ in range(2)]
    ann, ben = [(await sign_ins.signed_in(live, one))["tokens"]["accessToken"] for one in (first, second)]
    assert (await essays.mark(live, ann, task, "all", "8"))["state"] == "REQUIRES_SECOND_OPINION"
    fence = (await live.do("ReviewClaim", {"id": task}, token=ben))["fence"]
    item = (await essays.items(live, task, token=ben))[1]["item"]["id"]
    kept, duplicate = [global_id("User", one.user_id) for one in (second, first)]
    await live.do("UserMerge", {"keptId": kept, "duplicateId": duplicate, "reason": "One person."}, role="admin")
    given = {"taskId": task, "itemId": item, "fence": fence, "points": "8", "rationale": "As before."}
    assert await refused(live, "GradeFinalise", given, ben) == "NOT_ONESELF"
    can = {one["action"]: one["enabled"] for one in (await shown(live, task, ben))["availableActions"]}
    assert (can["MARK"], can["RELEASE"]) == (False, True)
    await live.do("ReviewRelease", {"id": task, "fence": fence}, token=ben)
    assert await refused(live, "ReviewClaim", {"id": task}, ben) == "NOT_ONESELF"
    assert (await essays.mark(live, panel.ben, task, "all", "8"))["state"] == "FINALISED"


async def test_statistics_count_no_marks_of_a_review_that_is_not_over(live: Live, panel: Panel):
    version = await essays.publish(live)
    assignment, _ = await essays.hand_in(live, version, 1)
    (task,) = await essays.queue(live, assignment)
    await essays.mark(live, panel.ann, task["id"], "all", "8")
    again = (await live.do("ReviewReopen", {"taskId": task["id"], "reason": "Too kind."}, role="admin"))["task"]["id"]
    fence = (await live.do("ReviewClaim", {"id": again}, token=panel.ben))["fence"]
    item = (await essays.items(live, again, token=panel.ben))[1]["item"]["id"]
    given = {"taskId": again, "itemId": item, "fence": fence, "points": "2", "rationale": "Thin."}
    await live.do("GradeFinalise", given, token=panel.ben)
    found = await live.ask("EvaluationStatistics", {"evaluationVersionId": version}, role="author")
    assert [one["markCount"] for one in found["evaluationStatistics"]["markers"]] == [2]
