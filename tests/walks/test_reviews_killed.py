"""Assessors on one queue with leases of two seconds, in processes that are killed: the small form of `make chaos`."""

from bench import chaos_reviews


async def test_nothing_is_marked_twice_or_lost_while_processes_die():
    found = await chaos_reviews.trial(3, papers=6, every=(60.0, 90.0))
    print(found)  # noqa: T201 - for the record
    assert found.is_whole, found
    assert found.claims >= 6
    assert found.kills
