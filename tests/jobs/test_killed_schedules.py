"""A small form of `make chaos ARGS=schedules`: killed workers issue every occurrence once."""

import pytest

from bench import chaos_schedules


@pytest.mark.timeout(180)
async def test_killed_workers_issue_every_occurrence_once(record_property):
    found = await chaos_schedules.trial(6)
    record_property("catching_up", found.catching_up)
    assert found.kills >= 6
    assert (found.missing, found.twice) == (0, 0)
    assert found.assignments == found.due
    assert found.mails == found.due * chaos_schedules.PEOPLE
