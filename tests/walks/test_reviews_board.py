"""A board of assessors who are known to disagree, on the real General pool: the small form of `make chaos`."""

from pathlib import Path

import pytest

from bench import chaos_board

POOL = Path(__file__).parents[3] / "shared" / "data" / "question-pools" / "general-2023-2027.json"


@pytest.mark.skipif(not POOL.exists(), reason="the public pools are not at hand here")
async def test_every_score_follows_from_the_marks_by_the_rules():
    found = await chaos_board.trial(POOL, 12)
    print(found)  # noqa: T201 - for the record
    assert (found.papers, found.wrong) == (12, 0)
    assert found.agreed + found.adjudicated >= 12 // 2
