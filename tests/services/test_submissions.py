"""Handing in: a snapshot that can be verified, items, and a score that follows from them."""

import hashlib
import json
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services import submissions
from services.paging import PageRequest
from services.sessions_expiry import submit
from services.submissions import Filter, Outcome, SortedBy, SubmissionOrder
from tests.factories import sessions as factory


async def sat(sitting, answer):
    """A session in which `answer(candidate, n)` was given to each item, handed in."""
    candidate = await sitting.candidate()
    office = sitting.world.office
    for n in range(len(candidate.items)):
        response = answer(candidate, n)
        await candidate.save(n, 1, response)
    await office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))
    return candidate


async def read(candidate):
    world = candidate.sitting.world
    async with world.office.snapshot(world.system) as work:
        submission = await submissions.of_session(work, candidate.session_id)
        items = (await submissions.items_of(work, [submission.id]))[submission.id]
        score = (await submissions.latest_scores(work, [submission.id]))[submission.id]
        return submission, items, score


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world)


async def test_all_right_is_a_hundred_per_cent(sitting):
    _, items, score = await read(await sat(sitting, lambda c, n: c.right(n)))
    assert (score.points, score.max_points, score.percent) == (Decimal(14), Decimal(14), Decimal("100.00"))
    assert (score.outcome, score.number, score.reason) == (Outcome.PASSED, 1, "automatic scoring")
    assert [item.position for item in items] == list(range(1, 8))
    assert {one["state"] for one in score.items} == {"scored"}
    assert all(one["correct"] for one in score.items)


async def test_all_wrong_is_nothing(sitting):
    _, _, score = await read(await sat(sitting, lambda c, n: c.wrong(n)))
    assert (score.points, score.percent, score.outcome) == (0, 0, Outcome.FAILED)


async def test_nothing_answered_is_told_apart_from_wrong(sitting):
    candidate = await sitting.candidate()
    await sitting.world.office.perform(candidate.viewer.elevated(), lambda w: submit(w, candidate.session_id))
    _, items, score = await read(candidate)
    assert {one["state"] for one in score.items} == {"unanswered"}
    assert {item.response for item in items} == {None}


async def test_an_essay_waits_for_a_person(world):
    sitting = await factory.sitting(world, essay=True)
    _, _, score = await read(await sat(sitting, lambda c, n: c.right(n)))
    assert (score.outcome, score.points, score.max_points) == (Outcome.PENDING, 14, 16)
    assert score.items[-1]["state"] == "pending"
    _, _, blank = await read(await sat(sitting, lambda c, n: c.wrong(n)))
    assert blank.outcome == Outcome.FAILED


async def test_anybody_can_verify_the_hash_and_no_key_is_in_the_snapshot(sitting):
    candidate = await sat(sitting, lambda c, n: c.right(n))
    submission, _, _ = await read(candidate)
    canonical = json.dumps(submission.snapshot, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == submission.content_hash
    snapshot = submission.snapshot
    assert [item["response"] for item in snapshot["items"]] == [candidate.right(n) for n in range(7)]
    assert snapshot["policy"] == (await candidate.row()).policy
    for word in ('"correct"', '"accepted"', '"tolerance"', '"rule"', '"explanation"'):
        assert word not in canonical


@pytest.mark.parametrize(
    "statement",
    [
        "update submissions set content_hash = 'x' where session_id = :id",
        "delete from submissions where session_id = :id",
        "update submission_items set position = 99",
        "update submission_score_versions set points = 0",
        "update session_events set seq = seq + 1000 where session_id = :id",
        "update session_papers set title = 'x' where session_id = :id",
    ],
)
async def test_what_was_handed_in_cannot_be_changed(sitting, statement):
    candidate = await sat(sitting, lambda c, n: c.right(n))
    world = sitting.world
    with pytest.raises(DBAPIError):
        async with world.office.work(world.system) as work:
            await work.session.execute(text(statement), {"id": candidate.session_id} if ":id" in statement else {})


async def test_lists_filter_by_outcome_and_page_in_order(world):
    sitting = await factory.sitting(world)
    right = [await sat(sitting, lambda c, n: c.right(n)) for _ in range(2)]
    wrong = [await sat(sitting, lambda c, n: c.wrong(n)) for _ in range(3)]
    mine = sitting.assignment.id
    async with world.office.snapshot(world.system) as work:
        passed = await submissions.listed(
            work, Filter(assignment_id=mine, outcome=Outcome.PASSED), [], PageRequest(first=10)
        )
        assert {row.session_id for row in passed.rows} == {c.session_id for c in right}
        of_it = Filter(evaluation_id=sitting.version.evaluation_id)
        order = [SortedBy(SubmissionOrder.PERCENT)]
        seen, after = [], None
        while True:
            page = await submissions.listed(work, of_it, order, PageRequest(first=2, after=after))
            seen += page.rows
            if not page.has_next:
                break
            after = page.cursors[-1]
        assert await page.total(work) == 5
    assert {row.session_id for row in seen[:3]} == {c.session_id for c in wrong}
    assert {row.session_id for row in seen[3:]} == {c.session_id for c in right}
