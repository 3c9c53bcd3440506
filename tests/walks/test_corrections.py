"""A question that turned out wrong: previewed, corrected, seen in every score, and taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from models.base import uuid7
from schema.nodes import global_id
from tests.walks import essays, story
from tests.walks.conftest import Live, document, key

OPTIONS = [{"id": name, "text": name} for name in "abc"]


@pytest.fixture(scope="module")
async def questions(live: Live) -> list[str]:
    """Two single-choice questions whose key is `a`, and a number whose key is 7; the ids of their versions."""
    bodies: list[dict[str, Any]] = [{"singleChoice": {"options": OPTIONS, "correct": "a"}}] * 2
    found = []
    for body in [*bodies, {"numeric": {"value": "7"}}]:
        given = {"reference": f"C-{uuid4().hex[:8]}", "stem": "Which?", "body": body}
        made = await live.do("QuestionCreate", given, role="author")
        found.append((await live.do("QuestionPublish", {"id": made["question"]["id"]}, role="author"))["version"]["id"])
    return found


async def sat(live: Live, questions: list[str], *answers: str) -> tuple[str, list[str]]:
    """Let somebody hand in each of these answers to the three questions; the version's and the submissions' ids."""
    items = [{"questionVersionId": one, "points": "1"} for one in questions]
    given = {
        "title": f"Corrected {uuid4().hex[:8]}",
        "passMark": {"percent": "60"},
        "sections": [{"title": "All", "items": items}],
    }
    created = await live.do("EvaluationCreate", given, role="author")
    version = (await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author"))["version"]["id"]
    _, invitations = await story.issue(live, version, len(answers))
    for invitation, given in zip(invitations, answers, strict=True):
        sitting = await story.sit_down(live, invitation)
        for item, answer in zip(sitting.items, given, strict=True):
            response = {"value": answer} if answer.isdigit() else {"choice": answer}
            await live.do(
                "AnswerSave", {"itemId": item["id"], "revision": 1, "response": response}, token=sitting.token
            )
        await live.do("SessionSubmit", {}, token=sitting.token)
    filter_ = {"evaluationId": created["evaluation"]["id"]}
    shown = await live.ask("Submissions", {"filter": filter_, "orderBy": [{"field": "SUBMITTED_AT"}]}, role="admin")
    return version, [one["id"] for one in shown["submissions"]["nodes"]]


async def scored(live: Live, submissions: list[str]) -> list[list[tuple[str, str]]]:
    found = [(await live.ask("Submission", {"id": one}, role="admin"))["submission"] for one in submissions]
    return [[(one["percent"], one["outcome"]) for one in each["scoreVersions"]] for each in found]


async def refused(live: Live, given: dict[str, Any], name: str = "CorrectionApply") -> dict[str, Any]:
    (payload,) = (await live.ask(name, {"input": given}, role="manager")).values()
    assert payload.get("batch") is None
    (problem,) = payload["problems"]
    return problem


async def test_a_wrong_key_is_corrected_and_that_taken_back(live: Live, questions: list[str]):
    version, submissions = await sat(live, questions, "aa1", "ba1", "bb7")
    about = {
        "evaluationVersionId": version,
        "lines": [
            {"questionVersionId": questions[0], "change": {"key": {"singleChoice": {"correct": "b"}}}},
            {"questionVersionId": questions[2], "change": {"accept": {"value": "1"}}},
        ],
    }
    seen = (await live.ask("CorrectionPreview", {"input": about, "first": 2}, role="manager"))["correctionPreview"]
    summary = seen["summary"]
    assert (summary["affectedCount"], summary["changedCount"], summary["raisedCount"]) == (3, 3, 2)
    assert (summary["passedCount"], summary["failedCount"]) == (2, 0)
    first, second = seen["changes"]["nodes"]
    assert (first["submission"]["id"], first["before"]["percent"], first["percent"]) == (
        submissions[0],
        "66.67",
        "66.67",
    )
    assert (second["before"]["outcome"], second["outcome"], second["percent"]) == ("FAILED", "PASSED", "100.00")
    more = {"input": about, "after": seen["changes"]["pageInfo"]["endCursor"]}
    rest = (await live.ask("CorrectionPreview", more, role="manager"))["correctionPreview"]["changes"]
    assert ([one["submission"]["id"] for one in rest["nodes"]], rest["pageInfo"]["hasNextPage"]) == (
        submissions[2:],
        False,
    )

    given = {**about, "reason": "The key was wrong.", "fingerprint": summary["fingerprint"], "idempotencyKey": key()}
    batch = (await live.do("CorrectionApply", given, role="manager"))["batch"]
    again = (await live.do("CorrectionApply", given, role="manager"))["batch"]
    assert (again["id"], batch["isInForce"], batch["changedCount"]) == (batch["id"], True, 3)
    assert await scored(live, submissions) == [
        [("66.67", "PASSED"), ("66.67", "PASSED")],
        [("33.33", "FAILED"), ("100.00", "PASSED")],
        [("33.33", "FAILED"), ("66.67", "PASSED")],
    ]
    stale = await refused(live, given | {"idempotencyKey": key(), "lines": about["lines"]})
    assert (stale["code"], stale["path"]) == ("CORRECTION_WITHOUT_EFFECT", ["lines", "0"])

    shown = (await live.ask("CorrectionBatch", {"id": batch["id"], "first": 1}, role="admin"))["correctionBatch"]
    key_line, accepted = shown["lines"]
    assert (key_line["kind"], key_line["key"]["correct"], accepted["response"]["value"]) == ("KEY", "b", "1")
    assert shown["scores"]["totalCount"] == 3
    one = shown["scores"]["nodes"][0]
    assert (one["submission"]["id"], one["before"]["number"], one["after"]["cause"]) == (submissions[0], 1, "CORRECTED")
    ledger = await live.post(
        "query ($id: ID!) { submission(id: $id) { activity { nodes { act reason subject { kind } } } } }",
        {"id": submissions[1]},
        await live.token("auditor"),
    )
    told = ledger["data"]["submission"]["activity"]["nodes"][0]
    assert told == {
        "act": "correction.applied",
        "reason": "The key was wrong.",
        "subject": {"kind": "correction_batch"},
    }

    undone = await live.do("CorrectionUndo", {"id": batch["id"], "reason": "It was right."}, role="manager")
    assert undone["batch"]["undoes"] == {"id": batch["id"], "isInForce": False}
    assert [found[-1] for found in await scored(live, submissions)] == [
        ("66.67", "PASSED"),
        ("33.33", "FAILED"),
        ("33.33", "FAILED"),
    ]
    twice = await refused(live, {"id": batch["id"], "reason": "Again."}, "CorrectionUndo")
    assert twice["code"] == "ALREADY_UNDONE"
    listed = await live.ask("CorrectionBatches", {"evaluationVersionId": version}, role="auditor")
    newest, oldest = listed["correctionBatches"]["nodes"]
    assert (newest["undoes"]["id"], oldest["undoneBy"]["id"]) == (oldest["id"], newest["id"])
    assert (newest["isInForce"], oldest["isInForce"]) == (True, False)


async def test_what_changed_since_the_preview_is_not_applied_unseen(live: Live, questions: list[str]):
    version, submissions = await sat(live, questions, "aa7")
    lines = [{"questionVersionId": questions[0], "change": {"void": "EXCLUDE"}}]
    about = {"evaluationVersionId": version, "lines": lines}
    seen = (await live.ask("CorrectionPreview", {"input": about}, role="manager"))["correctionPreview"]["summary"]
    other = {"evaluationVersionId": version, "reason": "Clearer.", "lines": [
        {"questionVersionId": questions[1], "change": {"points": "2"}}
    ]}  # fmt: skip
    await live.do("CorrectionApply", other, role="manager")
    given = {**about, "reason": "Not taught.", "fingerprint": seen["fingerprint"]}
    drift = await refused(live, given)
    now = (await live.ask("CorrectionPreview", {"input": about}, role="manager"))["correctionPreview"]["summary"]
    assert (drift["code"], drift["currentState"]) == ("STATE_DRIFT", now["fingerprint"])
    assert len((await scored(live, submissions))[0]) == 2
    await live.do("CorrectionApply", given | {"fingerprint": now["fingerprint"]}, role="manager")
    assert len((await scored(live, submissions))[0]) == 3


async def test_what_cannot_hold_is_refused_where_it_stands(live: Live, questions: list[str]):
    version, _ = await sat(live, questions, "aa7")

    def line(question: str, **change: Any) -> dict[str, Any]:
        return {"questionVersionId": question, "change": change}

    void, points = line(questions[0], void="FULL"), line(questions[0], points="3")
    unknown = line(global_id("QuestionVersion", uuid7()), void="FULL")
    for lines, code, path in [
        ([void, points], "CORRECTIONS_CONTRADICT", ["lines", "1"]),
        ([unknown], "NOT_FOUND", ["lines", "0", "questionVersionId"]),
        ([line(questions[0], key={"numeric": {"value": "1"}})], "INVALID_INPUT", ["lines", "0", "change", "key"]),
        ([line(questions[0], points="0.00001")], "INVALID_INPUT", ["lines", "0", "change", "points"]),
        ([line(questions[0], accept={"choice": "a"})], "CORRECTION_WITHOUT_EFFECT", ["lines", "0"]),
        ([], "INVALID_INPUT", ["lines"]),
    ]:
        about = {"evaluationVersionId": version, "lines": lines}
        seen = (await live.ask("CorrectionPreview", {"input": about}, role="manager"))["correctionPreview"]
        assert (seen["summary"], seen["changes"]) == (None, None)
        for problem in (seen["problems"][0], await refused(live, about | {"reason": "Wrong."})):
            assert (problem["code"], problem["path"]) == (code, path)
    silent = await refused(live, {"evaluationVersionId": version, "lines": [void], "reason": " "})
    assert silent["path"] == ["reason"]


async def test_a_review_ends_with_the_essay_that_was_voided(live: Live):
    version = await essays.publish(live)
    assignment, _ = await essays.hand_in(live, version, 2)
    tasks = await essays.queue(live, assignment)
    shown = await essays.items(live, tasks[0]["id"], role="admin")
    first, second = [one["item"]["questionVersion"]["id"] for one in shown]
    lines = [{"questionVersionId": one, "change": {"void": "EXCLUDE"}} for one in (first, second)]
    given = {"evaluationVersionId": version, "lines": lines[:1], "reason": "Not taught."}
    await live.do("CorrectionApply", given, role="manager")
    assert [one["pendingCount"] for one in await essays.queue(live, assignment)] == [1, 1]
    batch = await live.do("CorrectionApply", {**given, "lines": lines[1:]}, role="manager")
    assert {one["state"] for one in await essays.queue(live, assignment)} == {"FINALISED"}
    await live.do("CorrectionUndo", {"id": batch["batch"]["id"], "reason": "It was taught."}, role="manager")
    assert {(one["state"], one["pendingCount"]) for one in await essays.queue(live, assignment)} == {
        ("AWAITING_REVIEW", 1)
    }


async def test_marks_that_were_given_count_when_the_rest_is_voided(live: Live):
    version = await essays.publish(live)
    assignment, _ = await essays.hand_in(live, version, 1)
    (task,) = [one["id"] for one in await essays.queue(live, assignment)]
    _, second = await essays.items(live, task)
    claimed = await live.do("ReviewClaim", {"id": task}, role="assessor")
    mark = {"taskId": task, "itemId": second["item"]["id"], "fence": claimed["fence"], "points": "7"}
    await live.do("GradeFinalise", mark | {"rationale": "Good."}, role="assessor")
    first = (await essays.items(live, task, role="admin"))[0]["item"]["questionVersion"]["id"]
    lines = [{"questionVersionId": first, "change": {"void": "EXCLUDE"}}]
    given = {"evaluationVersionId": version, "lines": lines, "reason": "Not taught."}
    batch = await live.do("CorrectionApply", given, role="manager")

    async def shown() -> tuple[str, int, str, str]:
        seen = (await live.ask("ReviewTask", {"id": task}, role="auditor"))["reviewTask"]
        score = seen["submission"]["latestScore"]
        return seen["state"], seen["pendingCount"], score["outcome"], score["percent"]

    assert await shown() == ("FINALISED", 0, "PASSED", "70.00")
    await live.do("CorrectionUndo", {"id": batch["batch"]["id"], "reason": "It was taught."}, role="manager")
    state, pending, outcome, _ = await shown()
    assert (state, pending, outcome) == ("AWAITING_REVIEW", 1, "PENDING")


async def test_who_may_correct_and_read_no_submission_sees_numbers_alone(live: Live, questions: list[str]):
    version, _ = await sat(live, questions, "aa7")
    token = await robot(live, ["scores.correct"])
    about = {
        "evaluationVersionId": version,
        "lines": [{"questionVersionId": questions[0], "change": {"void": "EXCLUDE"}}],
    }
    body = await live.post(document("CorrectionPreview"), {"input": about}, token)
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert body["data"]["correctionPreview"]["summary"]["affectedCount"] == 1
    assert {one["submission"] for one in body["data"]["correctionPreview"]["changes"]["nodes"]} == {None}


async def robot(live: Live, capabilities: list[str]) -> str:
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    given = {"name": f"Robot {key()}", "capabilities": capabilities, "expiresAt": expires_at}
    return (await live.do("ServiceTokenCreate", given, role="admin"))["token"]
