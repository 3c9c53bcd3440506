"""What everybody does in the trial of the licences, drawn from a seed, and the calendar by which it is judged."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from bench.licences_stage import ATTEMPTS, LICENCES, QUESTIONS, RULES, TO_PASS, ZONE, Open

V = TypeVar("V")

BEGIN: Final = date(2028, 2, 29)
ROUNDS: Final = tuple(BEGIN + timedelta(days=days) for days in (0, 11, 22))
"""When people sit for the first, second and third time; the clock changes between, on 12 March."""

FAILING: Final = ((0, 0.72), (1, 0.16), (2, 0.08), (3, 0.04))
"""How often the papers of one examination are failed, and by which share of the people."""

_NEW_YORK: Final = ZoneInfo(ZONE)


class Fate(StrEnum):
    """What a holder does when the first certificate is about to end."""

    EARLY = "in time"
    AGAIN = "in time, at the second attempt"
    LATE = "after the end, by the first mail"
    VERY_LATE = "near the end of the grace"
    TOO_LATE = "after the grace"
    LAPSE = "never"


FATES: Final = (
    (Fate.EARLY, 0.58),
    (Fate.AGAIN, 0.08),
    (Fate.LATE, 0.12),
    (Fate.VERY_LATE, 0.04),
    (Fate.TOO_LATE, 0.04),
    (Fate.LAPSE, 0.14),
)
LATER: Final = {Fate.LATE: 200, Fate.VERY_LATE: 690, Fate.TOO_LATE: 740}
"""How many days after the end those sit who are late."""


def noon(day: date) -> datetime:
    """Return noon of a day of the licensing office."""
    return datetime.combine(day, time(12), _NEW_YORK).astimezone(UTC)


def midnight(day: date) -> datetime:
    """Return when a day of the licensing office begins."""
    return datetime.combine(day, time(), _NEW_YORK).astimezone(UTC)


def day_of(at: datetime) -> date:
    """Return the day of the licensing office that an instant is in."""
    return at.astimezone(_NEW_YORK).date()


def ten_years_after(day: date) -> date:
    """Return the day ten calendar years later, or the one before where there is none."""
    is_leap_day = (day.month, day.day) == (2, 29)
    return date(day.year + 10, 2, 28) if is_leap_day else day.replace(year=day.year + 10)


def shared_out(people: Sequence[int], shares: Sequence[tuple[V, float]], chance: random.Random) -> dict[int, V]:
    """Give each person one of the values, each value to its share of them and to somebody at least."""
    left = chance.sample(people, len(people))
    given: dict[int, V] = {}
    for value, share in reversed(shares):
        for _ in range(max(1, round(share * len(people)))):
            if left:
                given[left.pop()] = value
    return given | dict.fromkeys(left, shares[0][0])


class Plan:
    """What everybody will do."""

    def __init__(self, people: int, seed: int) -> None:
        self._seed = seed
        chance = random.Random(seed)  # noqa: S311 - a trial, and repeatable
        everybody = range(people)
        papers = [(licence, exam) for licence, asked in LICENCES.items() for exam in asked]
        self.failing = {paper: shared_out(everybody, FAILING, chance) for paper in papers}
        self._waits = {licence: [chance.randint(0, 60) for _ in everybody] for licence in LICENCES}
        self.fates: dict[str, dict[int, Fate]] = {}
        for licence in LICENCES:
            holders = [n for n in everybody if self.certified(licence, n) is not None]
            self.fates[licence] = shared_out(holders, FATES, chance)

    def certified(self, licence: str, person: int) -> date | None:
        """Return when somebody is first certified; None for whoever fails."""
        failing = max(self.failing[licence, exam][person] for exam in LICENCES[licence])
        return None if failing >= ATTEMPTS else ROUNDS[failing]

    def ends(self, licence: str, person: int) -> date:
        """Return the last day of a holder's first certificate."""
        first = self.certified(licence, person)
        if first is None:
            raise LookupError(f"{person} holds no licence {licence}")
        return ten_years_after(first)

    def last_days(self) -> list[date]:
        """Return the last day of each first certificate."""
        return [self.ends(licence, person) for licence, fates in self.fates.items() for person in fates]

    def sits(self, paper: Open, person: int, day: date) -> bool:
        """Tell whether somebody who has been issued a paper sits it by this day."""
        if paper.generation == 0:
            return True
        if paper.generation > 1:
            return person % 3 == 0
        fate, end = self.fates[paper.licence][person], self.ends(paper.licence, person)
        if fate in (Fate.EARLY, Fate.AGAIN):
            return day >= end - timedelta(days=RULES.lead_days - self._waits[paper.licence][person])
        return fate in LATER and day >= end + timedelta(days=LATER[fate])

    def points(self, paper: Open, person: int) -> int:
        """Return how many answers of a paper somebody has right: some just enough, some one too few."""
        words = (self._seed, paper.licence, paper.exam, person, paper.generation, paper.ordinal)
        chance = random.Random("/".join(map(str, words)))  # noqa: S311 - as above
        failing = self.failing[paper.licence, paper.exam][person] if paper.generation == 0 else 0
        if paper.generation == 1 and self.fates[paper.licence][person] is Fate.AGAIN:
            failing = 1
        is_near = chance.random() < 1 / 5
        if paper.ordinal > failing:
            return TO_PASS if is_near else chance.randint(TO_PASS, QUESTIONS)
        return TO_PASS - 1 if is_near else chance.randint(0, TO_PASS - 1)
