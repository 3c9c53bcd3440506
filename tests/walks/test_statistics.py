"""How an assessment measured, as its author reads it: before and after a question was voided, and for whom."""

from typing import Any
from uuid import uuid4

import pytest

from tests.walks import story
from tests.walks.conftest import Live, document
from tests.walks.test_corrections import robot

RIGHT = [6, 5, 4, 3, 2, 1]
"""How many of the six questions each person answers right, from the first one on."""


@pytest.fixture(scope="module")
async def version(live: Live) -> dict[str, Any]:
    """Six people have sat six questions, and somebody else under another run label."""
    version = await story.publish(live)
    _, invitations = await story.issue(live, version["id"], len(RIGHT), runLabel="Measured")
    _, others = await story.issue(live, version["id"], 1, runLabel="Alone")
    for invitation, right in zip([*invitations, *others], [*RIGHT, 6], strict=True):
        sitting = await story.sit_down(live, invitation)
        answers = [
            {"itemId": item["id"], "revision": 1, "response": story.choice(item, "right" if n < right else "wrong")}
            for n, item in enumerate(sitting.items)
        ]
        await live.do("AnswersSave", {"answers": answers}, token=sitting.token)
        await live.do("SessionSubmit", {}, token=sitting.token)
    return version


async def read(live: Live, version_id: str, **wanted: Any) -> dict[str, Any]:
    given = {"evaluationVersionId": version_id, **wanted}
    return (await live.ask("EvaluationStatistics", given, role="author"))["evaluationStatistics"]


async def test_papers_that_were_drawn_tell_of_scores_and_of_no_reliability(live: Live, version: dict[str, Any]):
    found = await read(live, version["id"], runLabel="Measured")
    assert (found["paperCount"], found["pendingCount"]) == (6, 0)
    assert found["scores"]["mean"] == "58.33"
    assert found["scores"]["median"] == "58.34"
    assert (found["scores"]["minimum"], found["scores"]["maximum"]) == ("16.67", "100.00")
    assert sum(found["scores"]["bins"]) == 6
    assert sum(item["askedCount"] for item in found["items"]) == 36
    assert found["alpha"] == {"value": None, "absence": "DIFFERENT_PAPERS"}
    assert found["standardError"] == {"value": None, "absence": "DIFFERENT_PAPERS"}
    few = [item for item in found["items"] if item["askedCount"] < 5]
    assert few
    assert all(item["facility"] == {"value": None, "absence": "TOO_FEW"} for item in few)
    assert all(item["choices"] is None for item in few)


async def test_one_person_is_only_counted(live: Live, version: dict[str, Any]):
    found = await read(live, version["id"], runLabel="Alone")
    assert (found["paperCount"], found["scores"], found["markers"]) == (1, None, [])
    assert found["alpha"]["absence"] == "TOO_FEW"
    assert all(item["facility"]["value"] is None and item["choices"] is None for item in found["items"])
    assert (await read(live, version["id"]))["paperCount"] == 7


async def test_fixed_papers_tell_of_reliability_before_and_after_a_question_was_voided(live: Live):
    version, questions = await fixed(live)
    before = await read(live, version)
    alpha = before["alpha"]["value"]
    assert before["standardError"]["value"] is not None
    assert [item["facility"]["value"] for item in before["items"]] == ["0.8333", "0.5000", "0.1667"]
    assert before["items"][0]["choices"] == [
        {"option": "true", "count": 5, "upperCount": 2, "lowerCount": 1},
        {"option": "false", "count": 1, "upperCount": 0, "lowerCount": 1},
    ]
    lines = [{"questionVersionId": questions[0], "change": {"void": "EXCLUDE"}}]
    given = {"evaluationVersionId": version, "lines": lines, "reason": "Not taught."}
    await live.do("CorrectionApply", given, role="manager")
    reported, remediated = await read(live, version, isRemediated=False), await read(live, version)
    assert (reported["alpha"]["value"], reported["items"]) == (alpha, before["items"])
    assert remediated["alpha"]["value"] not in {None, alpha}
    first = remediated["items"][0]
    assert (first["isVoided"], first["facility"]["absence"]) == (True, "VOIDED")


async def test_statistics_need_their_right_and_a_question_its_own(live: Live, version: dict[str, Any]):
    given = {"evaluationVersionId": version["id"]}
    body = await live.post(document("EvaluationStatistics"), given, await live.token("assessor"))
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    token = await robot(live, ["statistics.read"])
    text = """query ($id: ID!) { evaluationStatistics(evaluationVersionId: $id) {
        paperCount items { number questionVersion { id } } } }"""
    body = await live.post(text, {"id": version["id"]}, token)
    assert {error["extensions"]["code"] for error in body["errors"]} == {"FORBIDDEN"}
    assert {item["questionVersion"] for item in body["data"]["evaluationStatistics"]["items"]} == {None}
    body = await live.post(text, {"id": version["id"]}, await live.token("author"))
    assert all(item["questionVersion"]["id"] for item in body["data"]["evaluationStatistics"]["items"])


async def fixed(live: Live) -> tuple[str, list[str]]:
    """Let six people sit the same three statements, of which five, three and one of them know the truth."""
    entries = []
    for n in range(3):
        given = {"reference": f"T-{uuid4().hex[:8]}", "stem": f"So {n}?", "body": {"trueFalse": {"correct": True}}}
        made = await live.do("QuestionCreate", given, role="author")
        entries.append(
            (await live.do("QuestionPublish", {"id": made["question"]["id"]}, role="author"))["version"]["id"]
        )
    items = [{"questionVersionId": one, "points": "1"} for one in entries]
    given = {
        "title": f"Fixed {uuid4().hex[:8]}",
        "passMark": {"percent": "60"},
        "sections": [{"title": "All", "items": items}],
    }
    created = await live.do("EvaluationCreate", given, role="author")
    version = (await live.do("EvaluationPublish", {"id": created["evaluation"]["id"]}, role="author"))["version"]["id"]
    _, invitations = await story.issue(live, version, 6)
    for person, invitation in enumerate(invitations):
        sitting = await story.sit_down(live, invitation)
        answers = [
            {"itemId": item["id"], "revision": 1, "response": {"choice": "true" if person < known else "false"}}
            for item, known in zip(sitting.items, (5, 3, 1), strict=True)
        ]
        await live.do("AnswersSave", {"answers": answers}, token=sitting.token)
        await live.do("SessionSubmit", {}, token=sitting.token)
    return version, entries
