"""A small form of `make chaos ARGS=uploads`: a real process takes a file in and gives it out with its memory flat."""

import pytest

from bench import chaos_uploads
from bench.chaos_uploads import MEGABYTE, digest_of, pieces


@pytest.mark.timeout(150)
async def test_a_file_is_sent_cut_killed_refused_verified_and_downloaded(record_property):
    found = await chaos_uploads.trial(100)
    record_property("found", str(found))
    assert found.is_whole, found
    assert found.sending.before > 0
    assert found.sending.growth < 30 * MEGABYTE, found.sending
    assert found.receiving.growth < 30 * MEGABYTE, found.receiving
    assert 0 < found.resumed_from <= found.cut_at == 60 * MEGABYTE
    assert 0 < found.killed_from <= 60 * MEGABYTE


def test_the_file_of_the_trial_is_the_same_from_wherever_it_is_sent() -> None:
    whole = b"".join(pieces(3_200_001))
    assert len(whole) == 3_200_001
    for start in (1, 999_999, 1_000_000, 2_500_000, 3_200_000):
        assert b"".join(pieces(3_200_001, start)) == whole[start:]
    assert digest_of(10) != digest_of(11)
