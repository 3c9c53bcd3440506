"""A small form of `make chaos ARGS=remediation`: scores corrected both ways under each policy."""

from bench.chaos_remediation import Trial


async def test_scores_corrected_both_ways_are_carried_through_once_by_each_policy(office):
    found = await Trial(office, people=4).run()
    assert not found.wrong
    assert found.certificates == {
        "hold": "4 issued, 0 revoked",
        "keep": "4 issued, 0 revoked",
        "revoke_and_reissue": "6 issued, 4 revoked",
    }
    assert found.answered == 2 * (2 + 4 + 4) + (2 + 2 + 2)
