"""Reviews that corrections run into: nothing that was marked is lost, and nothing waits for ever."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.factories import sign_ins
from tests.walks import essays, observed, story
from tests.walks.conftest import Live, key


@pytest.fixture(scope="module")
async def other(live: Live) -> str:
    """The token of a second assessor."""
    person = await sign_ins.person(live, "assessor")
    return (await sign_ins.signed_in(live, person))["tokens"]["accessToken"]


class Case:
    """One submission of two items, and corrections of their evaluation."""

    def __init__(self, live: Live, version: str, task: str, session: str) -> None:
        self.live, self.version, self.task, self.session = live, version, task, session

    @classmethod
    async def of(cls, live: Live, version: str) -> "Case":
        assignment, (session,) = await essays.hand_in(live, version, 1)
        (task,) = await essays.queue(live, assignment)
        return cls(live, version, task["id"], session)

    async def correct(self, *places: int, **change: Any) -> str:
        """Correct the questions at these places, by voiding them unless something else is said; the batch's id."""
        items = await essays.items(self.live, self.task, role="admin")
        lines = [
            {
                "questionVersionId": items[n]["item"]["questionVersion"]["id"],
                "change": change or {"void": "EXCLUDE"},
            }
            for n in places
        ]
        given = {"evaluationVersionId": self.version, "lines": lines, "reason": "Not taught."}
        return (await self.live.do("CorrectionApply", given, role="manager"))["batch"]["id"]

    async def undo(self, batch: str) -> None:
        await self.live.do("CorrectionUndo", {"id": batch, "reason": "It was taught."}, role="manager")

    async def mark(self, place: int, token: str, points: str = "7", *, task: str | None = None) -> None:
        """Claim the review and mark one item; 7 of 10 points, or all levels."""
        task = task or self.task
        fence = (await self.live.do("ReviewClaim", {"id": task}, token=token))["fence"]
        item = (await essays.items(self.live, task, token=token))[place]
        given = {"levels": observed.PASSED} if item["rubric"] else {"points": points}
        given |= {"taskId": task, "itemId": item["item"]["id"], "fence": fence, "rationale": "Read."}
        await self.live.do("GradeFinalise", given, token=token)

    async def shown(self, task: str | None = None) -> tuple[str, int, str, Decimal]:
        seen = (await self.live.ask("ReviewTask", {"id": task or self.task}, role="auditor"))["reviewTask"]
        score = seen["submission"]["latestScore"]
        return seen["state"], seen["pendingCount"], score["outcome"], Decimal(score["percent"])

    async def mine(self) -> dict[str, Any]:
        return (await self.live.ask("MyResult", token=self.session))["mySession"]


async def test_a_second_opinion_that_was_cut_short_is_waited_for_again(live: Live, other: str):
    case = await Case.of(live, await essays.publish_under(live, sampleAtLeast=1))
    await essays.mark(live, await live.token("assessor"), case.task, "all", "8")
    assert await case.shown() == ("REQUIRES_SECOND_OPINION", 2, "PENDING", 0)
    batch = await case.correct(0, 1)
    assert (await case.shown())[:2] == ("FINALISED", 0)
    await case.undo(batch)
    assert await case.shown() == ("REQUIRES_SECOND_OPINION", 2, "PENDING", 0)
    await essays.mark(live, other, case.task, "all", "8")
    assert await case.shown() == ("FINALISED", 0, "PASSED", 90)


async def test_what_comes_back_in_the_second_turn_is_marked_by_the_second_alone(live: Live, other: str):
    case = await Case.of(live, await essays.publish_under(live, sampleAtLeast=1))
    batch = await case.correct(0)
    await case.mark(1, await live.token("assessor"))
    assert (await case.shown())[:2] == ("REQUIRES_SECOND_OPINION", 1)
    await case.undo(batch)
    await essays.mark(live, other, case.task, "all", "7")
    assert await case.shown() == ("FINALISED", 0, "PASSED", 85)


async def test_what_comes_back_after_another_round_is_waited_for(live: Live):
    case = await Case.of(live, await essays.publish(live))
    batch, admin = await case.correct(0), await live.token("admin")
    await case.mark(1, admin)
    reopened = await live.do("ReviewReopen", {"taskId": case.task, "reason": "Too kind."}, role="admin")
    again = reopened["task"]["id"]
    await case.mark(1, admin, "6", task=again)
    assert await case.shown(again) == ("FINALISED", 0, "PASSED", 60)
    await case.undo(batch)
    assert (await case.shown(again))[:3] == ("AWAITING_REVIEW", 1, "PENDING")
    await case.mark(0, admin, task=again)
    assert await case.shown(again) == ("FINALISED", 0, "PASSED", 80)


async def test_an_inquiry_is_answered_by_the_correction_that_leaves_nothing_to_judge(live: Live):
    case = await Case.of(live, await essays.publish_under(live, inquiryDays=14))
    await essays.mark(live, await live.token("assessor"), case.task, "some", "2")
    await live.do("InquiryOpen", {"reason": "My facts are right."}, token=case.session)
    await case.correct(0, 1)
    found = (await case.mine())["inquiry"]
    assert (found["state"], found["outcome"], found["answer"]) == ("ANSWERED", "CHANGED", "Not taught.")


async def watched(live: Live, **rules: Any) -> Case:
    """Somebody is watched, and hands in an essay beside it; the essay is the second item."""
    items = []
    for n, body in enumerate(({"observation": {"rubric": essays.RUBRIC}}, essays.BODIES[1])):
        given = {"reference": f"W{n}-{uuid4().hex[:8]}", "stem": "Do it.", "body": body}
        made = await live.do("QuestionCreate", given, role="author")
        shown = await live.do("QuestionPublish", {"id": made["question"]["id"]}, role="author")
        items.append({"questionVersionId": shown["version"]["id"], "points": "10"})
    sections = [{"title": "All", "items": items}]
    given = {"title": f"Watched {uuid4().hex[:8]}", "passMark": {"percent": "60"}, "sections": sections}
    created = await live.do("EvaluationCreate", given, role="author")
    evaluation = created["evaluation"]["id"]
    version = (await live.do("EvaluationPublish", {"id": evaluation}, role="author"))["version"]["id"]
    if rules:
        given = {"evaluationId": evaluation, "rules": rules, "reason": "As the board says."}
        await live.do("ReviewPolicySet", given, role="manager")
    assignment, (invitation,) = await story.issue(live, version, 1)
    sitting = await story.sit_down(live, invitation)
    given = {"itemId": sitting.items[1]["id"], "revision": 1, "response": {"text": "So."}}
    await live.do("AnswerSave", given, token=sitting.token)
    await live.do("SessionSubmit", {}, token=sitting.token)
    (task,) = await essays.queue(live, assignment)
    return Case(live, version, task["id"], sitting.token)


async def test_what_comes_back_before_a_decision_is_marked_first(live: Live):
    case = await watched(live)
    batch = await case.correct(1)
    await case.mark(0, await live.token("assessor"))
    assert (await case.shown())[:2] == ("AWAITING_DECISION", 0)
    await case.undo(batch)
    assert (await case.shown())[:2] == ("IN_PROGRESS", 1)
    await case.mark(1, await live.token("assessor"))
    assert (await case.shown())[:2] == ("AWAITING_DECISION", 0)


async def test_a_review_that_waited_for_changes_goes_on_where_corrections_left_it(live: Live):
    case = await watched(live)
    await case.mark(0, await live.token("assessor"))
    mine = await observed.take(live, case.task)
    await mine.decide(live, "ReviewRequestChanges", "Wear gloves.")
    batch = await case.correct(1)
    await live.do("ReviewResume", {"taskId": case.task, "reason": "Gloves are on."}, role="assessor")
    assert (await case.shown())[:2] == ("AWAITING_DECISION", 0)
    mine = await observed.take(live, case.task)
    await mine.decide(live, "ReviewRequestChanges", "Wear a hat.")
    await case.undo(batch)
    await live.do("ReviewResume", {"taskId": case.task, "reason": "It is on."}, role="assessor")
    assert (await case.shown())[:2] == ("AWAITING_REVIEW", 1)


async def test_marks_given_before_and_after_the_worth_was_corrected_are_compared_as_shares(live: Live, other: str):
    case = await Case.of(live, await essays.publish_under(live, sampleAtLeast=1))
    await essays.mark(live, await live.token("assessor"), case.task, "all", "8")
    await case.correct(1, points="5")
    await essays.mark(live, other, case.task, "all", "4")
    assert await case.shown() == ("FINALISED", 0, "PASSED", Decimal("93.33"))


async def test_two_whom_a_correction_parts_before_the_decision_are_decided_by_a_third(live: Live, other: str):
    case = await watched(live, sampleAtLeast=1, tolerancePercent="50")
    assessor, admin = await live.token("assessor"), await live.token("admin")
    for token, points in ((assessor, "3"), (other, "7")):
        await case.mark(0, token)
        await case.mark(1, token, points)
    assert (await case.shown())[:2] == ("AWAITING_DECISION", 0)
    await case.correct(0, points="2")
    assert (await case.shown())[:2] == ("REQUIRES_ADJUDICATION", 2)
    await case.mark(0, admin)
    await case.mark(1, admin, "7")
    fence = (await live.do("ReviewClaim", {"id": case.task}, token=admin))["fence"]
    await live.do("ReviewApprove", {"taskId": case.task, "fence": fence, "reason": "As seen."}, token=admin)
    assert await case.shown() == ("FINALISED", 0, "PASSED", 75)


async def test_no_regrade_is_offered_of_what_was_voided(live: Live):
    case = await Case.of(live, await essays.publish_under(live, inquiryDays=14))
    await essays.mark(live, await live.token("assessor"), case.task, "some", "2")
    assert (await case.mine())["inquiryUntil"] is not None
    await case.correct(0, 1)
    assert (await case.mine())["inquiryUntil"] is None
    given = {"reason": "My facts are right.", "idempotencyKey": key()}
    payload = (await live.ask("InquiryOpen", {"input": given}, token=case.session))["inquiryOpen"]
    assert [one["code"] for one in payload["problems"]] == ["INQUIRY_CLOSED"]
