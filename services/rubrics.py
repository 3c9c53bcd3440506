"""Rubrics: criteria with ordered levels, by which a person judges one question (domain.md section 4).

A rubric is part of its question version's secret part, so it is frozen when that is published and its hash covers it:
the version of the question is the version of the rubric. What the levels are worth counts among themselves: the
highest levels of all criteria together are all of the item's points.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from services.content_parts import Id, Number, Part, Text, Words, shown
from services.refusals import InvalidInput

LONGEST_LABEL = 120
LONGEST_DESCRIPTION = 2_000
MOST_CRITERIA = 20
MOST_LEVELS = 10
MOST_LEVEL_POINTS = 10_000

Description = Annotated[Text, StringConstraints(max_length=LONGEST_DESCRIPTION)]
Label = Annotated[Words, StringConstraints(max_length=LONGEST_LABEL)]


class RubricLevel(Part):
    """How well a criterion is met: a label such as Merit, and what it is worth beside the other levels."""

    id: Id
    label: Label
    points: Number
    description: Description = ""

    @field_validator("points")
    @classmethod
    def _in_bounds(cls, points: str) -> str:
        if not 0 <= Fraction(points) <= MOST_LEVEL_POINTS:
            raise PydanticCustomError("points", "A level is worth 0 to 10000 points")
        return points


class RubricCriterion(Part):
    """One thing that is judged, with its levels from the lowest to the highest."""

    id: Id
    title: Label
    description: Description = ""
    levels: Annotated[tuple[RubricLevel, ...], Field(min_length=2, max_length=MOST_LEVELS)]

    @field_validator("levels")
    @classmethod
    def _ordered(cls, levels: tuple[RubricLevel, ...]) -> tuple[RubricLevel, ...]:
        if len({level.id for level in levels}) < len(levels):
            raise PydanticCustomError("repeated", "Two levels of a criterion have the same id")
        if any(Fraction(low.points) >= Fraction(high.points) for low, high in pairwise(levels)):
            raise PydanticCustomError("order", "Each level is worth more than the one before it")
        return levels

    @property
    def most(self) -> Fraction:
        """What the highest level is worth."""
        return Fraction(self.levels[-1].points)


class Rubric(Part):
    """One to 20 criteria."""

    criteria: Annotated[tuple[RubricCriterion, ...], Field(min_length=1, max_length=MOST_CRITERIA)]

    @field_validator("criteria")
    @classmethod
    def _distinct(cls, criteria: tuple[RubricCriterion, ...]) -> tuple[RubricCriterion, ...]:
        if len({criterion.id for criterion in criteria}) < len(criteria):
            raise PydanticCustomError("repeated", "Two criteria have the same id")
        return criteria


def share(rubric: Rubric, chosen: Mapping[str, str]) -> Fraction:
    """Return the share of an item's points that the chosen levels earn, 0 to 1; `chosen` is a level for each criterion.

    Refuses a criterion that the rubric does not have, one without a level, and a level that its criterion lacks.
    """
    check(rubric, chosen)
    earned = Fraction(0)
    for criterion in rubric.criteria:
        level = chosen.get(criterion.id)
        if level is None:
            raise InvalidInput(f"Choose a level of '{criterion.title}'.", path=["levels", criterion.id])
        earned += _worth(criterion, level)
    return earned / sum(criterion.most for criterion in rubric.criteria)


def check(rubric: Rubric, chosen: Mapping[str, str]) -> None:
    """Refuse a criterion or a level that the rubric does not have; a criterion without a level is left open."""
    known = {criterion.id: criterion for criterion in rubric.criteria}
    for name, level in chosen.items():
        if name not in known:
            raise InvalidInput(f"The rubric has no criterion {shown(name)}.", path=["levels", name])
        _worth(known[name], level)


def _worth(criterion: RubricCriterion, level: str) -> Fraction:
    for one in criterion.levels:
        if one.id == level:
            return Fraction(one.points)
    listed = ", ".join(f"'{one.id}' ({one.label})" for one in criterion.levels)
    said = f"'{criterion.title}' has no level {shown(level)}; it has {listed}."
    raise InvalidInput(said, path=["levels", criterion.id])
