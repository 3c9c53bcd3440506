"""A small form of `make chaos ARGS=programmes`: whoever enrols, sits, follows or renews may be killed at any moment."""

import pytest

from bench import chaos_programmes


@pytest.mark.timeout(180)
async def test_killed_people_and_workers_leave_everybody_certified_and_renewed_once(record_property):
    found = await chaos_programmes.trial(3, workers=1)
    record_property("people", found.people)
    assert found.kills >= 3
    assert not found.wrong, found
