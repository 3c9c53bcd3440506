"""What chosen levels earn: golden rows, bounds, and refusals that name criterion and level."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.refusals import InvalidInput
from services.rubrics import Rubric, share


def rubric(*worths: list[str]) -> Rubric:
    return Rubric.model_validate(
        {
            "criteria": [
                {
                    "id": f"c{n}",
                    "title": f"Criterion {n}",
                    "levels": [
                        {"id": f"l{m}", "label": f"Level {m}", "points": worth} for m, worth in enumerate(levels)
                    ],
                }
                for n, levels in enumerate(worths)
            ]
        }
    )


TWO = rubric(["0", "1", "3"], ["0", "0.5"])


@pytest.mark.parametrize(
    ("levels", "earned"),
    [
        ({"c0": "l0", "c1": "l0"}, Fraction(0)),
        ({"c0": "l2", "c1": "l1"}, Fraction(1)),
        ({"c0": "l1", "c1": "l0"}, Fraction(2, 7)),
        ({"c0": "l1", "c1": "l1"}, Fraction(3, 7)),
    ],
)
def test_the_share_is_exact(levels, earned):
    assert share(TWO, levels) == earned


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ({"c0": "l1"}, "Choose a level of 'Criterion 1'"),
        ({"c0": "l1", "c1": "l1", "c2": "l0"}, "no criterion 'c2'"),
        ({"c0": "l9", "c1": "l1"}, r"no level 'l9'; it has 'l0' \(Level 0\)"),
    ],
)
def test_what_the_rubric_does_not_have_is_refused_by_name(levels, said):
    with pytest.raises(InvalidInput, match=said):
        share(TWO, levels)


WORTHS = st.lists(st.integers(0, 10_000), min_size=2, max_size=10, unique=True).map(
    lambda some: [str(one) for one in sorted(some)]
)


@given(st.lists(WORTHS, min_size=1, max_size=5), st.data())
def test_a_higher_level_never_earns_less(worths, data):
    one = rubric(*worths)
    low, high = {}, {}
    for criterion in one.criteria:
        first, second = sorted(data.draw(st.tuples(*[st.integers(0, len(criterion.levels) - 1)] * 2)))
        low[criterion.id], high[criterion.id] = criterion.levels[first].id, criterion.levels[second].id
    assert 0 <= share(one, low) <= share(one, high) <= 1
