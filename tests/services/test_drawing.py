from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import drawing
from services.drawing import PoolItem, Section
from services.refusals import InvalidInput

SEEDS = st.integers(-(2**63), 2**63 - 1)


def make(number: int, *, start: int = 1, groups: int = 0, name: int = 0) -> Section:
    items = tuple(
        PoolItem(UUID(int=start + n), group=f"G{n % groups}" if groups else "", option_ids=("a", "b", "c", "d"))
        for n in range(number)
    )
    return Section(UUID(int=name), f"Part {name}", items)


def ids(paper: list[drawing.DrawnItem]) -> list[int]:
    return [item.item_id.int for item in paper]


def test_golden_numbers_stay_for_ever() -> None:
    stream = drawing.numbers(42, "x", "é")
    assert [next(stream) for _ in range(6)] == [
        2330392786886254650,
        11252483235018668822,
        11391210589215150124,
        14709925417473147122,
        9509555193199219968,
        13354835891225564216,
    ]
    assert drawing.shuffled("abcdefghij", 42, "letters") == list("defihabgcj")
    assert drawing.shuffled("abcdefghij", -1, "letters") == list("dcebajfgih")


def test_golden_papers_stay_for_ever() -> None:
    drawn = replace(make(20, name=1), draw=5, shuffle_items=True, shuffle_options=True)
    grouped = replace(make(12, start=100, groups=4, name=2), draw_per_group=True)
    paper = drawing.draw([drawn, grouped, make(2, start=200, name=3)], 2026)
    assert [
        (item.position, item.section_id.int, item.item_id.int, "".join(item.option_order or ())) for item in paper
    ] == [
        (1, 1, 13, "cdba"),
        (2, 1, 20, "adcb"),
        (3, 1, 2, "cbda"),
        (4, 1, 4, "acbd"),
        (5, 1, 3, "cbad"),
        (6, 2, 104, ""),
        (7, 2, 105, ""),
        (8, 2, 106, ""),
        (9, 2, 103, ""),
        (10, 3, 200, ""),
        (11, 3, 201, ""),
    ]


def test_another_implementation_of_the_written_rule_agrees() -> None:
    """The docstring of the module, followed with nothing but hashlib."""
    import hashlib  # noqa: PLC0415 - only this test follows the rule by hand

    digest = hashlib.sha256('["evalium-draw-1",7,"group","s","é",0]'.encode()).digest()
    expected = [int.from_bytes(digest[start : start + 8], "big") for start in (0, 8, 16, 24)]
    stream = drawing.numbers(7, "group", "s", "é")
    assert [next(stream) for _ in range(4)] == expected


def test_without_any_rule_the_author_s_order_stands() -> None:
    paper = drawing.draw([make(3, name=1), make(2, start=10, name=2)], 5)
    assert ids(paper) == [1, 2, 3, 10, 11]
    assert [item.position for item in paper] == [1, 2, 3, 4, 5]
    assert {item.option_order for item in paper} == {None}


@given(st.integers(1, 40), st.data(), SEEDS, st.booleans())
def test_so_many_are_drawn_and_none_twice(number: int, data: st.DataObject, seed: int, shuffle: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    wanted = data.draw(st.integers(1, number))
    section = replace(make(number), draw=wanted, shuffle_items=shuffle)
    drawn = ids(drawing.draw([section], seed))
    assert len(drawn) == len(set(drawn)) == wanted == drawing.size([section])
    assert set(drawn) <= set(range(1, number + 1))
    assert shuffle or drawn == sorted(drawn)
    assert drawn == ids(drawing.draw([section], seed))


@given(st.integers(1, 35), st.integers(0, 60), SEEDS, st.booleans())
def test_every_group_is_drawn_once(groups: int, more: int, seed: int, shuffle: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    section = replace(make(groups + more, groups=groups), draw_per_group=True, shuffle_items=shuffle)
    group_of = {item.id.int: item.group for item in section.items}
    drawn = [group_of[item] for item in ids(drawing.draw([section], seed))]
    assert Counter(drawn) == Counter(f"G{n}" for n in range(groups))
    assert len(drawn) == drawing.size([section])
    assert shuffle or drawn == [f"G{n}" for n in range(groups)]


@given(st.integers(1, 30), SEEDS)
def test_shuffles_are_permutations(number: int, seed: int) -> None:
    section = replace(make(number), shuffle_items=True, shuffle_options=True)
    paper = drawing.draw([section], seed)
    assert sorted(ids(paper)) == list(range(1, number + 1))
    assert all(sorted(item.option_order or ()) == ["a", "b", "c", "d"] for item in paper)


@given(SEEDS)
def test_another_section_changes_nothing_about_this_one(seed: int) -> None:
    section = replace(make(10, name=7), draw=4, shuffle_items=True, shuffle_options=True)
    alone = drawing.draw([section], seed)
    beside = drawing.draw([make(3, start=50, name=6), section], seed)[3:]
    assert [replace(item, position=0) for item in alone] == [replace(item, position=0) for item in beside]


@given(st.integers(1, 10**6), SEEDS)
def test_a_number_below_a_bound_is_below_it(bound: int, seed: int) -> None:
    assert 0 <= drawing.below(bound, drawing.numbers(seed, "bound")) < bound


def test_what_would_favour_a_remainder_is_thrown_away() -> None:
    limit = 2**64 - 2**64 % 10
    assert drawing.below(10, iter([limit, 2**64 - 1, limit - 1])) == 9
    assert drawing.below(16, iter([2**64 - 1])) == 15


def chi_square(counts: Counter[object], cells: int) -> float:
    expected = counts.total() / cells
    return sum((count - expected) ** 2 for count in counts.values()) / expected + (cells - len(counts)) * expected


@pytest.mark.parametrize(
    ("outcome", "cells", "largest"),
    [
        (lambda seed: drawing.below(10, drawing.numbers(seed, "d")), 10, 27.9),
        (lambda seed: tuple(drawing.shuffled("abcd", seed, "p")), 24, 49.7),
        (lambda seed: drawing.shuffled(range(12), seed, "first")[0], 12, 31.3),
        (lambda seed: drawing.shuffled(range(12), seed, "first")[-1], 12, 31.3),
    ],
)
def test_no_outcome_is_favoured_over_2400_seeds(outcome: Callable[[int], object], cells: int, largest: float) -> None:
    """`largest` is the 99.9th percentile of chi-square with cells - 1 degrees of freedom; the seeds are fixed."""
    assert chi_square(Counter(outcome(seed) for seed in range(2400)), cells) < largest


def test_every_item_of_a_pool_has_the_same_chance_to_be_drawn() -> None:
    section = replace(make(12), draw=3)
    counts: Counter[object] = Counter(item for seed in range(1000) for item in ids(drawing.draw([section], seed)))
    assert chi_square(counts, 12) < 31.3


def test_neighbouring_seeds_and_sections_draw_independently() -> None:
    orders = [tuple(drawing.shuffled("abc", seed, "s", str(name))) for seed in range(300) for name in range(2)]
    pairs: Counter[object] = Counter(zip(orders[::2], orders[1::2], strict=True))
    assert chi_square(pairs, 36) < 66.6
    assert set(orders) == set(permutations("abc"))


@pytest.mark.parametrize(
    ("sections", "path", "said"),
    [
        ([], ("sections",), "at least one"),
        ([make(0)], ("sections", 0, "items"), "'Part 0' has no items"),
        ([make(2, name=1), replace(make(8, start=9), draw=10)], ("sections", 1, "draw"), "cannot draw 10 of 8"),
        ([replace(make(8), draw=0)], ("sections", 0, "draw"), "cannot draw 0 of 8"),
        ([replace(make(8, groups=2), draw=2, draw_per_group=True)], ("sections", 0, "draw"), "both"),
        ([replace(make(8), draw_per_group=True)], ("sections", 0, "items", 0), "has no group"),
        ([make(2, name=1), make(2, start=2, name=2)], ("sections", 1, "items"), "twice"),
    ],
)
def test_sections_from_which_nothing_can_be_drawn_are_refused(
    sections: list[Section], path: tuple[str | int, ...], said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        drawing.draw(sections, 1)
    assert refused.value.path == path
    assert said in refused.value.message
