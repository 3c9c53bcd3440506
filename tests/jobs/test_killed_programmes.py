"""A small form of `make chaos ARGS=programmes`: whoever enrols may be killed at any moment."""

import pytest

from bench import chaos_programmes


@pytest.mark.timeout(180)
async def test_killed_workers_enrol_everybody_once_and_whole(record_property):
    found = await chaos_programmes.trial(3)
    record_property("people", found.people)
    assert found.kills >= 3
    assert found.is_whole, found
