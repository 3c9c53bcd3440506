"""Scores after the first: by marks, by corrections, by both, each as one more version and never more."""

from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select

from models.base import uuid7
from models.corrections import Correction, CorrectionBatch
from models.reviews import ReviewTask
from models.submissions import Outcome, ScoreCause, Submission
from services import corrections_lines, scores, submissions
from services.refusals import NotFound
from services.scores import Mark, Why
from services.sessions_expiry import submit
from tests.factories import sessions as factory

GRADED = Why(ScoreCause.GRADED, "Read twice.")
CORRECTED = Why(ScoreCause.CORRECTED, "The key was wrong.")


@pytest.fixture(scope="module")
async def sitting(world):
    return await factory.sitting(world, essay=True)


async def handed_in(sitting, answer):
    candidate = await sitting.candidate()
    for n in range(len(candidate.items)):
        await candidate.save(n, 1, answer(candidate, n))
    return await hand_in(candidate)


async def hand_in(candidate):
    office = candidate.sitting.world.office
    await office.perform(candidate.viewer.elevated(), lambda work: submit(work, candidate.session_id))
    async with office.snapshot(candidate.sitting.world.system) as work:
        return await submissions.of_session(work, candidate.session_id)


async def read(sitting, submission_id: UUID):
    async with sitting.world.office.snapshot(sitting.world.system) as work:
        items = (await submissions.items_of(work, [submission_id]))[submission_id]
        return items, (await submissions.scores_of(work, [submission_id]))[submission_id]


async def correct(sitting, items, kind, value, *, undoes=None):
    """Apply one correction of an item's question to all submissions of the sitting."""
    version_id = sitting.version.id

    async def act(work):
        await work.lock(scores.version_lock(work.viewer.tenant_id, version_id))
        batch = CorrectionBatch(
            id=uuid7(),
            evaluation_version_id=version_id,
            reason="The key was wrong.",
            undoes_id=undoes,
            affected_count=0,
            changed_count=0,
        )
        work.session.add(batch)
        await work.session.flush()
        for position, item in enumerate(items, 1):
            work.session.add(
                Correction(
                    batch_id=batch.id,
                    position=position,
                    question_version_id=item.question_version_id,
                    kind=kind,
                    value=value,
                )
            )
        await work.session.flush()
        ids = list(
            await work.session.scalars(select(Submission.id).where(Submission.evaluation_version_id == version_id))
        )
        holds = await corrections_lines.in_force(work, version_id)
        await scores.renew(work, version_id, ids, holds, CORRECTED)
        return batch.id

    return await sitting.world.office.perform(sitting.world.system, act)


async def graded(sitting, submission_id, item, points):
    async def act(work):
        held = await scores.hold(work, submission_id)
        mark = Mark(item.id, Decimal(points), item.max_points, {"comment": "Good."}, "Read twice.", None)
        return await scores.mark(work, held, [mark], GRADED)

    return await sitting.world.office.perform(sitting.world.system, act)


async def test_handing_in_an_essay_opens_a_review(sitting):
    submission = await handed_in(sitting, lambda c, n: c.right(n))
    async with sitting.world.office.snapshot(sitting.world.system) as work:
        task = (await work.session.scalars(select(ReviewTask).where(ReviewTask.submission_id == submission.id))).one()
    assert (task.state, task.item_count, task.pending_count) == ("awaiting_review", 1, 1)


async def test_without_an_essay_answered_nobody_has_to_review(sitting):
    submission = await handed_in(sitting, lambda c, n: c.wrong(n))
    async with sitting.world.office.snapshot(sitting.world.system) as work:
        found = await work.session.scalars(select(ReviewTask.id).where(ReviewTask.submission_id == submission.id))
        assert found.all() == []


async def test_a_mark_ends_the_waiting_and_a_second_one_counts(sitting):
    submission = await handed_in(sitting, lambda c, n: c.right(n))
    items, versions = await read(sitting, submission.id)
    assert versions[-1].outcome == Outcome.PENDING
    change = await graded(sitting, submission.id, items[-1], "1")
    assert change.total.outcome is Outcome.PASSED
    await graded(sitting, submission.id, items[-1], "2")
    await graded(sitting, submission.id, items[-1], "2")
    _, versions = await read(sitting, submission.id)
    assert [(one.number, one.points, one.cause) for one in versions] == [
        (1, Decimal(14), "automatic"),
        (2, Decimal(15), "graded"),
        (3, Decimal(16), "graded"),
    ]
    assert sum(Decimal(one["points"]) for one in versions[-1].items) == versions[-1].points


async def test_a_correction_reaches_all_and_its_undoing_restores_by_new_rows(world):
    sitting = await factory.sitting(world, essay=True)
    first = await handed_in(sitting, lambda c, n: c.right(n))
    second = await handed_in(sitting, lambda c, n: c.wrong(n))
    items, _ = await read(sitting, first.id)
    batch = await correct(sitting, items[:1], "key", {"key": {"correct": "c", "explanation": ""}})
    assert [one.points for one in (await read(sitting, first.id))[1]] == [14, 12]
    assert [one.points for one in (await read(sitting, second.id))[1]] == [0, 2]
    await correct(sitting, [], "void", {}, undoes=batch)
    assert [one.points for one in (await read(sitting, first.id))[1]] == [14, 12, 14]
    assert [one.points for one in (await read(sitting, second.id))[1]] == [0, 2, 0]


async def test_a_mark_and_a_correction_stand_together(world):
    sitting = await factory.sitting(world, essay=True)
    submission = await handed_in(sitting, lambda c, n: c.right(n))
    items, _ = await read(sitting, submission.id)
    await graded(sitting, submission.id, items[-1], "1")
    await correct(sitting, items[-1:], "points", {"points": "8"})
    await correct(sitting, items[:1], "void", {"credit": "exclude"})
    await graded(sitting, submission.id, items[-1], "2")
    _, versions = await read(sitting, submission.id)
    assert [(one.points, one.max_points) for one in versions] == [(14, 16), (15, 16), (18, 22), (16, 20), (20, 20)]


async def test_who_hands_in_after_a_correction_is_scored_by_it(world):
    sitting = await factory.sitting(world)
    early = await handed_in(sitting, lambda c, n: c.right(n))
    items, _ = await read(sitting, early.id)
    await correct(sitting, items[:1], "void", {"credit": "exclude"})
    late = await handed_in(sitting, lambda c, n: c.right(n))
    _, versions = await read(sitting, late.id)
    assert [(one.number, one.points, one.max_points) for one in versions] == [(1, 12, 12)]


async def test_a_submission_that_cannot_be_seen_is_not_held(world):
    with pytest.raises(NotFound):
        await world.office.perform(world.system, lambda work: scores.hold(work, uuid7()))
