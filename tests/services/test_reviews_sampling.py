"""Which reviews are marked twice: enough of every marker, and none that could be foretold."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.reviews_sampling import is_sampled

markers = st.uuids(version=4)


def taken(seed: str, marker: UUID, count: int, percent: int, at_least: int) -> list[int]:
    return [k for k in range(1, count + 1) if is_sampled(seed, marker, k, percent, at_least)]


@given(st.text(max_size=8), markers, st.integers(0, 300), st.integers(0, 100), st.integers(0, 20))
def test_never_fewer_than_asked_for(seed: str, marker: UUID, count: int, percent: int, at_least: int):
    found = taken(seed, marker, count, percent, at_least)
    assert len(found) >= max(min(count, at_least), count * percent // 100)
    assert len(found) <= count * percent // 100 + 1 + min(count, at_least)


@given(markers, st.integers(1, 100))
def test_one_of_every_block(marker: UUID, percent: int):
    found = taken("seed", marker, 1000, percent, 0)
    assert len(found) in (10 * percent, 10 * percent + 1)
    blocks = [(k - 1) * percent // 100 for k in found]
    assert blocks == sorted(set(blocks))


def test_the_first_of_a_marker_are_all_taken_and_nothing_else_without_a_percentage():
    assert taken("seed", UUID(int=1), 100, 0, 5) == [1, 2, 3, 4, 5]
    assert taken("seed", UUID(int=1), 50, 100, 0) == list(range(1, 51))


def test_seed_and_marker_decide_which():
    sets = {tuple(taken(seed, UUID(int=n), 1000, 10, 0)) for seed in ("a", "b", "c") for n in range(3)}
    assert len(sets) == 9
