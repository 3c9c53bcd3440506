"""A cohort, from issue to figures, through the API."""

from datetime import UTC, datetime
from uuid import uuid4

from tests.walks import story
from tests.walks.conftest import Live, document
from tests.walks.test_query_counts import counted


async def sit(live: Live, invitation: str, text: str) -> None:
    sitting = await story.sit_down(live, invitation)
    for item in sitting.items:
        given = {"itemId": item["id"], "revision": 1, "response": story.choice(item, text)}
        await live.do("AnswerSave", given, token=sitting.token)
    await live.do("SessionSubmit", {}, token=sitting.token)


async def test_what_came_of_a_run_label(live: Live):
    label = f"Walk_{uuid4().hex[:8]}"
    version = await story.publish(live)
    first, invitations = await story.issue(live, version["id"], 3, runLabel=label)
    other, more = await story.issue(live, version["id"], 1, runLabel=label)
    await sit(live, invitations[0], "right")
    await sit(live, invitations[1], "wrong")
    await story.sit_down(live, more[0])
    began = datetime.now(UTC)
    found = (await live.ask("Cohort", {"runLabel": label}, role="auditor"))["cohort"]
    assert found["counts"] == {"invited": 1, "started": 1, "completed": 2, "expired": 0}
    figures = found["figures"]
    assert {key: figures[key] for key in ("attempts", "passed", "failed", "pending")} == {
        "attempts": 3,
        "passed": 1,
        "failed": 1,
        "pending": 0,
    }
    assert figures["passRate"] == "50.00"
    assert figures["scoreBins"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert figures["scores"] == {"minimum": "0.00", "median": "50.00", "mean": "50.00", "maximum": "100.00"}
    assert 0 <= float(figures["secondsUsed"]["maximum"]) < 60 + (datetime.now(UTC) - began).seconds
    assert [one["assignmentId"] for one in found["assignments"]] == [first, other]
    assert [one["figures"]["attempts"] for one in found["assignments"]] == [2, 1]
    own = {"runLabel": label, "evaluationVersionId": version["id"], "attempts": "ALL"}
    assert (await live.ask("Cohort", own, role="author"))["cohort"]["figures"]["attempts"] == 3
    assert (await live.ask("Cohort", {"runLabel": "None_Such"}, role="author"))["cohort"] is None
    refused = await live.post(document("Cohort"), {"runLabel": label}, await live.token("proctor"))
    assert [one["extensions"]["code"] for one in refused["errors"]] == ["FORBIDDEN"]


async def test_a_cohort_costs_the_same_for_any_number_of_people(live: Live):
    version = await story.publish(live)
    numbers: list[int] = []
    for people in (1, 12):
        label = f"Walk_{uuid4().hex[:8]}"
        _, invitations = await story.issue(live, version["id"], people, runLabel=label)
        for invitation in invitations[:2]:
            await sit(live, invitation, "right")
        await live.ask("Cohort", {"runLabel": label}, role="author")
        tries: list[int] = []
        for _ in range(3):  # a job of the same process may run beside a request
            with counted(live) as statements:
                await live.ask("Cohort", {"runLabel": label}, role="author")
            tries.append(len(statements))
        numbers.append(min(tries))
    assert numbers[0] == numbers[1]
