"""Acts on one review at the same moment, through real connections: each counts once, and nothing is lost."""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.factories import sign_ins
from tests.walks import essays, observed
from tests.walks.conftest import Live, key


@pytest.fixture(scope="module")
async def others(live: Live) -> list[str]:
    """The tokens of three more assessors."""
    people = [await sign_ins.person(live, "assessor") for _ in range(3)]
    return [(await sign_ins.signed_in(live, one))["tokens"]["accessToken"] for one in people]


async def tried(live: Live, name: str, given: dict[str, Any], token: str) -> str:
    """Try an act; returns the code of what stands against it, or DONE."""
    data = await live.ask(name, {"input": given | {"idempotencyKey": key()}}, token=token)
    (payload,) = data.values()
    return payload["problems"][0]["code"] if payload["problems"] else "DONE"


async def waiting(live: Live, version: str) -> tuple[str, str]:
    """A submission that waits; its review and the candidate's token."""
    assignment, (token,) = await essays.hand_in(live, version, 1)
    (task,) = await essays.queue(live, assignment)
    return task["id"], token


async def taken(live: Live, task: str, token: str) -> list[dict[str, Any]]:
    """Claim a review; returns what makes each of its two marks final."""
    fence = (await live.do("ReviewClaim", {"id": task}, token=token))["fence"]
    first, second = await essays.items(live, task, token=token)
    place = {"taskId": task, "fence": fence, "rationale": "Read."}
    return [
        {**place, "itemId": first["item"]["id"], "levels": observed.PASSED},
        {**place, "itemId": second["item"]["id"], "points": "8"},
    ]


async def shown(live: Live, task: str) -> dict[str, Any]:
    return (await live.ask("ReviewTask", {"id": task}, role="admin"))["reviewTask"]


async def test_of_many_who_give_the_last_mark_at_once_one_does(live: Live):
    token = await live.token("assessor")
    task, _ = await waiting(live, await essays.publish(live))
    first, last = await taken(live, task, token)
    done = await asyncio.gather(*[tried(live, "GradeFinalise", one, token) for one in [last, first, *[last] * 5]])
    assert Counter(done) == {"DONE": 2, "STATE_DRIFT": 5}
    seen = await shown(live, task)
    score = seen["submission"]["latestScore"]
    assert (seen["state"], score["number"], score["percent"]) == ("FINALISED", 2, "90.00")
    assert [len(one["grades"]) for one in seen["items"]] == [1, 1]
    assert [one["kind"] for one in seen["events"]].count("FINALISED") == 1


async def test_a_correction_while_the_last_mark_is_given_leaves_nothing_pending(live: Live):
    token = await live.token("assessor")
    for _ in range(2):
        version = await essays.publish(live)
        task, _ = await waiting(live, version)
        first, last = await taken(live, task, token)
        await live.do("GradeFinalise", first, token=token)
        question = (await shown(live, task))["items"][1]["item"]["questionVersion"]["id"]
        lines = [{"questionVersionId": question, "change": {"void": "EXCLUDE"}}]
        given = {"evaluationVersionId": version, "lines": lines, "reason": "Not taught."}
        done, _ = await asyncio.gather(
            tried(live, "GradeFinalise", last, token), live.do("CorrectionApply", given, role="manager")
        )
        seen = await shown(live, task)
        score = seen["submission"]["latestScore"]
        assert done in ("DONE", "STATE_DRIFT")
        assert (seen["state"], seen["pendingCount"]) == ("FINALISED", 0)
        assert (score["outcome"], Decimal(score["percent"])) == ("PASSED", 100)


async def test_of_several_second_reviewers_one_judges(live: Live, others: list[str]):
    task, _ = await waiting(live, await essays.publish_under(live, sampleAtLeast=1))
    assessor = await live.token("assessor")
    await essays.mark(live, assessor, task, "all", "8")
    done = await asyncio.gather(
        *[tried(live, "ReviewClaim", {"id": task}, token) for token in [*others, assessor]],
        tried(live, "ReviewSteal", {"id": task, "reason": "Mine."}, await live.token("admin")),
    )
    assert done[3] == "NOT_ONESELF"
    seen = (await live.ask("ReviewTask", {"id": task}, role="admin"))["reviewTask"]
    tokens = [*others, await live.token("admin")]
    fences = [(await live.ask("ReviewTask", {"id": task}, token=one))["reviewTask"]["myFence"] for one in tokens]
    assert [one is not None for one in fences].count(True) == 1
    holder = tokens[next(n for n, one in enumerate(fences) if one is not None)]
    marks = [
        {
            "taskId": task,
            "itemId": one["item"]["id"],
            "fence": max(filter(None, fences)),
            "rationale": "Read.",
            **({"levels": observed.PASSED} if one["rubric"] else {"points": "8"}),
        }
        for one in seen["items"]
    ]
    tries = [(token, mark) for token in tokens for mark in marks]
    done = await asyncio.gather(*[tried(live, "GradeFinalise", mark, token) for token, mark in tries])
    assert [token for (token, _), one in zip(tries, done, strict=True) if one == "DONE"] == [holder, holder]
    assert (await shown(live, task))["state"] == "FINALISED"


async def test_of_several_requests_for_a_regrade_one_is_kept(live: Live):
    task, token = await waiting(live, await essays.publish_under(live, inquiryDays=7))
    await essays.mark(live, await live.token("assessor"), task, "some", "2")
    given = {"taskId": task, "reason": "Too kind."}
    done = await asyncio.gather(
        *[tried(live, "InquiryOpen", {"reason": "My facts are right."}, token) for _ in range(4)],
        tried(live, "ReviewReopen", given, await live.token("admin")),
    )
    reopened = done.pop()
    assert done.count("DONE") == (reopened == "STATE_DRIFT")
    assert set(done) <= {"DONE", "ALREADY_EXISTS", "INQUIRY_CLOSED", "STATE_DRIFT"}
