"""A small form of `make chaos ARGS=jobs`: killed workers lose nothing, a poisonous job is parked, a frozen one is redone."""

import pytest

from bench import chaos_jobs
from services import jobs


@pytest.fixture(autouse=True)
def names_as_before(monkeypatch):
    monkeypatch.setattr(jobs, "NAMES", jobs.NAMES)


@pytest.mark.timeout(120)
async def test_killed_workers_lose_nothing_and_do_nothing_twice(record_property):
    found = await chaos_jobs.trial(6, heartbeat=2.0, every=0.7)
    for name in ("asked", "handed_over_twice", "poison_seconds", "frozen_seconds"):
        record_property(name, getattr(found, name))
    assert found.asked > 50
    assert (found.lost, found.twice) == (0, 0)
    assert found.poison_begun == 5
    assert "1 parked. Given up: chaos.poison." in found.poison_told
    assert found.frozen_seconds < 30
