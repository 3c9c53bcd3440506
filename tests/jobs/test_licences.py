"""A small form of `make chaos ARGS=licences`: real papers, failures, two decades, and each certificate renewed once."""

import pytest

from bench import licences


@pytest.mark.timeout(180)
@pytest.mark.skipif(not licences.POOLS.is_dir(), reason="the public pools are not at hand here")
async def test_licences_are_renewed_once_over_two_decades_and_history_stays_right(database, tmp_path, record_property):
    found = await licences.on_database(database, tmp_path, 8, licences.POOLS)
    record_property("papers", found.counts["papers sat in all"])
    assert found.counts["renewals begun"] > 0
    assert found.wrong == []
