"""A small form of `make chaos ARGS=programmes`: whoever enrols, sits and certifies may be killed at any moment."""

import pytest

from bench import chaos_certificates


@pytest.mark.timeout(180)
async def test_killed_workers_certify_everybody_once(record_property):
    found = await chaos_certificates.trial(2)
    record_property("people", found.people)
    assert found.kills >= 2
    assert found.is_whole, found
