"""Counts of tries in the database: ten a window and no more, whichever process asks, across restarts."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from models.attempts import AttemptCounter
from services import attempts
from services.attempts import MOST_FAILURES, WINDOW_SECONDS, Attempts, Limit
from services.refusals import RateLimited
from services.viewer import Viewer
from services.work import Office


async def told(counts: Attempts, *target: str, times: int = 1, limit: Limit = attempts.GUESSES) -> int:
    """How many of several tries at once are told why they failed."""
    answers = await asyncio.gather(*(counts.failed(*target, limit=limit) for _ in range(times)), return_exceptions=True)
    assert all(one is None or isinstance(one, RateLimited) for one in answers)
    return answers.count(None)


async def test_ten_failures_a_minute_and_then_a_wait_that_is_told(office: Office) -> None:
    counts, target = Attempts(office), uuid4().hex
    for _ in range(MOST_FAILURES):
        await counts.check("invitation", target)
        await counts.failed("invitation", target)
    for act in (counts.check, counts.failed, Attempts(office).check, Attempts(office).failed):
        with pytest.raises(RateLimited) as refusal:
            await act("invitation", target)
        assert WINDOW_SECONDS - 5 < refusal.value.retry_after_seconds <= WINDOW_SECONDS
    await counts.check("invitation", uuid4().hex)
    await counts.check("address", target)


async def test_twins_in_two_processes_learn_no_more_than_ten_reasons(office: Office) -> None:
    target = uuid4().hex
    both = await asyncio.gather(*(told(Attempts(office), target, times=40) for _ in range(2)))
    assert sum(both) == MOST_FAILURES


async def test_a_window_ends_and_a_longer_one_goes_on(office: Office) -> None:
    target, day = uuid4().hex, Limit(3, 86_400)
    assert await told(Attempts(office), target, times=12) == MOST_FAILURES
    assert await told(Attempts(office), target, times=5, limit=day) == 3
    later = office.shifted(timedelta(seconds=WINDOW_SECONDS + 1))
    assert await told(Attempts(later), target, times=12) == MOST_FAILURES
    assert await told(Attempts(later), target, limit=day) == 0


async def test_several_targets_are_counted_in_one_step(office: Office) -> None:
    counts, one, two = Attempts(office), uuid4().hex, uuid4().hex
    for _ in range(2):
        await counts.tried([((one,), Limit(2)), ((two,), Limit(5))])
    with pytest.raises(RateLimited):
        await counts.tried([((one,), Limit(2)), ((two,), Limit(5))])
    assert await told(Attempts(office), two, times=5, limit=Limit(5)) == 2


async def test_whoever_goes_on_guessing_costs_no_commit(office: Office) -> None:
    counts, target = Attempts(office), uuid4().hex
    await told(counts, target, times=MOST_FAILURES + 1)

    async def sum_of_counts() -> int:
        async with office.snapshot(Viewer.anonymous()) as work:
            return (await work.session.execute(select(func.sum(AttemptCounter.count)))).scalar_one()

    before = await sum_of_counts()
    assert await told(counts, target, times=20) == 0
    assert await sum_of_counts() == before


async def test_the_memory_of_many_targets_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.attempts._MOST_TARGETS", 5)
    counts = Attempts(office)
    for _ in range(12):
        await told(counts, uuid4().hex, times=2, limit=Limit(1))
    assert len(counts._full) == 5


async def test_counters_are_removed_when_their_window_is_over(office: Office) -> None:
    await told(Attempts(office), uuid4().hex)
    later = office.shifted(timedelta(days=2))
    assert await later.perform(Viewer.anonymous(), attempts.prune) > 0
    assert await later.perform(Viewer.anonymous(), attempts.prune) == 0
