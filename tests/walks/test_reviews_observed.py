"""What was observed: findings, changes, approval, rejection, and another round."""

from decimal import Decimal

import pytest

from tests.factories import sign_ins
from tests.walks import observed
from tests.walks.conftest import Live, key


@pytest.fixture(scope="module")
async def version(live: Live) -> str:
    return await observed.publish(live)


async def refused(live: Live, name: str, given: dict) -> str:
    data = await live.ask(name, {"input": given | {"idempotencyKey": key()}}, role="assessor")
    (payload,) = data.values()
    (problem,) = payload["problems"]
    return problem["code"]


async def outcome(live: Live, task: str) -> tuple[str, Decimal]:
    score = (await live.ask("ReviewTask", {"id": task}, role="auditor"))["reviewTask"]["submission"]["latestScore"]
    return score["outcome"], Decimal(score["percent"])


async def test_a_blocking_finding_stands_in_the_way_of_approval(live: Live, version: str):
    (task,) = await observed.hand_in(live, version, 1)
    mine = await observed.take(live, task)
    assert await refused(live, "ReviewApprove", mine.place | {"reason": "Too soon."}) == "STATE_DRIFT"
    (item,) = await observed.essays.items(live, task)
    blocking = await mine.object(live, "BLOCKING", itemId=item["item"]["id"])
    minor = await mine.object(live, "MINOR")
    assert (await mine.mark(live))["state"] == "AWAITING_DECISION"
    assert await outcome(live, task) == ("PENDING", 0)

    assert await refused(live, "ReviewApprove", mine.place | {"reason": "All fine."}) == "FINDINGS_OPEN"
    changed = await mine.decide(live, "ReviewRequestChanges", "Wear gloves.")
    assert changed["state"] == "CHANGES_REQUESTED"
    assert await refused(live, "ReviewApprove", mine.place | {"reason": "All fine."}) == "STATE_DRIFT"
    resumed = await live.do("ReviewResume", {"taskId": task, "reason": "Gloves are on."}, role="assessor")
    assert resumed["task"]["state"] == "AWAITING_DECISION"

    again = await observed.take(live, task)
    closed = await live.do("FindingResolve", {"id": blocking, "fence": again.fence, "reason": "Seen."}, role="assessor")
    assert [one["state"] for one in closed["task"]["findings"]] == ["RESOLVED", "OPEN"]
    assert await refused(live, "FindingWaive", {"id": blocking, "fence": again.fence, "reason": "W"}) == "STATE_DRIFT"
    done = await again.decide(live, "ReviewApprove")
    assert (done["state"], done["decision"]) == ("FINALISED", "APPROVED")
    assert await outcome(live, task) == ("PASSED", 100)
    shown = (await live.ask("ReviewTask", {"id": task}, role="auditor"))["reviewTask"]
    assert [(one["id"], one["severity"], one["state"]) for one in shown["findings"]] == [
        (blocking, "BLOCKING", "RESOLVED"),
        (minor, "MINOR", "OPEN"),
    ]
    assert [event["kind"] for event in shown["events"]][2:5] == ["FINDING_RAISED", "FINDING_RAISED", "ITEM_FINALISED"]


async def test_what_is_rejected_counts_nothing_and_another_round_may_say_otherwise(live: Live, version: str):
    (task,) = await observed.hand_in(live, version, 1)
    mine = await observed.take(live, task)
    await mine.mark(live)
    assert (await mine.decide(live, "ReviewReject", "It was another's work."))["decision"] == "REJECTED"
    assert await outcome(live, task) == ("FAILED", 0)

    data = await live.do("ReviewReopen", {"taskId": task, "reason": "It was not."}, role="admin")
    second = data["task"]
    assert (second["round"], second["state"], second["pendingCount"]) == (2, "AWAITING_REVIEW", 1)
    assert await outcome(live, task) == ("FAILED", 0)
    again = await live.ask(
        "ReviewReopen", {"input": {"taskId": task, "reason": "Twice.", "idempotencyKey": key()}}, role="admin"
    )
    assert [one["code"] for one in again["reviewReopen"]["problems"]] == ["STATE_DRIFT"]
    mine = await observed.take(live, second["id"])
    await mine.mark(live)
    await mine.decide(live, "ReviewApprove")
    assert await outcome(live, task) == ("PASSED", 100)


async def test_nothing_else_is_approved_or_objected_to(live: Live):
    version = await observed.essays.publish(live)
    assignment, _ = await observed.essays.hand_in(live, version, 1)
    (task,) = await observed.essays.queue(live, assignment)
    mine = await observed.take(live, task["id"])
    for act in ("ReviewApprove", "ReviewReject", "ReviewRequestChanges"):
        assert await refused(live, act, mine.place | {"reason": "R"}) == "INVALID_INPUT"
    given = mine.place | {"severity": "MINOR", "text": "T"}
    assert await refused(live, "FindingRaise", given) == "INVALID_INPUT"
    shown = (await live.ask("ReviewTask", {"id": task["id"]}, role="assessor"))["reviewTask"]
    can = {one["action"] for one in shown["availableActions"] if one["enabled"]}
    assert can == {"CLAIM", "RELEASE", "MARK", "ASK_SECOND"}


async def test_nobody_decides_about_a_review_of_their_own_work(live: Live, version: str):
    person = await sign_ins.person(live, "admin")
    token = (await sign_ins.signed_in(live, person))["tokens"]["accessToken"]
    (task,) = await observed.hand_in(live, version, 1, recipients=[{"email": person.email}])
    mine = await observed.take(live, task)
    await mine.decide(live, "ReviewRequestChanges", "Wear gloves.")
    given = {"taskId": task, "reason": "They are on."}
    await oneself(live, "ReviewResume", given, token)
    await live.do("ReviewResume", given, role="assessor")
    mine = await observed.take(live, task)
    await mine.mark(live)
    await mine.decide(live, "ReviewApprove")
    await oneself(live, "ReviewReopen", {"taskId": task, "reason": "Too few."}, token)
    shown = (await live.ask("ReviewTask", {"id": task}, token=token))["reviewTask"]
    assert not [one for one in shown["availableActions"] if one["enabled"]]


async def oneself(live: Live, name: str, given: dict, token: str) -> None:
    (payload,) = (await live.ask(name, {"input": given | {"idempotencyKey": key()}}, token=token)).values()
    assert [one["code"] for one in payload["problems"]] == ["NOT_ONESELF"]
