"""When something happens again: a rule of RFC 5545 by the local clock of a time zone. Pure arithmetic.

- Each occurrence is at the start's local time of day. A local time that the zone leaves out moves forward by as much as
  was left out; one that it has twice counts once, the first time.
- A day that a month does not have is the last day of that month: 31 January, 28 February, 31 March. RFC 5545 leaves
  such months out, and so does dateutil, which nobody wants of a yearly duty of 29 February.
- Two occurrences never share an instant, also where a zone leaves out a whole day.
"""

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] - ships none

from services.refusals import InvalidInput
from services.run_label import Period

LONGEST_RULE: Final = 500
LARGEST_INTERVAL: Final = 1000
LOOKED_AHEAD: Final = timedelta(days=366 * 30)
"""How far behind an instant the next occurrence is looked for; a rule that has none until then is over."""

MONTHS_OF_A_QUARTER: Final = 3
MONTHS_OF_A_YEAR: Final = 12


class Frequency(StrEnum):
    """What people choose from; each is a rule."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"


RULES: Final[Mapping[Frequency, str]] = {
    Frequency.DAILY: "FREQ=DAILY",
    Frequency.WEEKLY: "FREQ=WEEKLY",
    Frequency.MONTHLY: "FREQ=MONTHLY",
    Frequency.QUARTERLY: "FREQ=MONTHLY;INTERVAL=3",
    Frequency.HALF_YEARLY: "FREQ=MONTHLY;INTERVAL=6",
    Frequency.YEARLY: "FREQ=MONTHLY;INTERVAL=12",
}
FREQUENCIES: Final = {rule: frequency for frequency, rule in RULES.items()}

_PART = re.compile(r"[A-Z]+=[A-Z0-9,+-]+")
_KNOWN = frozenset({"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "BYYEARDAY", "BYWEEKNO", "WKST"})
_CLAMPED = frozenset({"FREQ", "INTERVAL", "BYMONTHDAY", "BYMONTH", "WKST"})
"""The parts of rules that are counted here, with clamped month ends; whatever has another one is dateutil's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule, its start by the local clock, its zone, and its end: a number of occurrences, or the last local day."""

    rule: str
    start: datetime
    zone: str
    count: int | None = None
    until: date | None = None


def checked(rule: str) -> str:
    """Return a rule in its plain form; refuse what is none, and parts that have no meaning here.

    There is one occurrence a day at most, at the start's time of day, and the end is said beside the rule.
    """
    text = rule.strip().upper().removeprefix("RRULE:")
    parts = text.split(";")
    names = [part.split("=")[0] for part in parts]
    if len(text) > LONGEST_RULE or not all(_PART.fullmatch(part) for part in parts) or len(set(names)) < len(names):
        raise _no_rule(rule, "Write it as FREQ=MONTHLY;INTERVAL=3.")
    strange = [name for name in names if name not in _KNOWN]
    if strange:
        raise _no_rule(rule, f"{strange[0]} cannot be used; the end and the time of day are given beside the rule.")
    said = dict(part.split("=") for part in parts)
    if said.get("FREQ") not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise _no_rule(rule, "FREQ is DAILY, WEEKLY, MONTHLY or YEARLY.")
    interval = said.get("INTERVAL", "1")
    if not interval.isdecimal() or not 1 <= int(interval) <= LARGEST_INTERVAL:
        raise _no_rule(rule, f"INTERVAL is 1 to {LARGEST_INTERVAL}.")
    try:
        _numbers(said, "BYMONTHDAY", 31, negative=True)
        _numbers(said, "BYMONTH", 12, negative=False)
        _by_dateutil(text, datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001 - local time, as everywhere here
    except ValueError as error:
        raise _no_rule(rule, f"{error}.") from error
    return text


def frequency_of(rule: str) -> Frequency | None:
    """Return which choice a rule is; None for any other rule."""
    return FREQUENCIES.get(rule)


def period(rule: str) -> Period:
    """Return the period that one occurrence of a rule stands for, which its label names."""
    said = dict(part.split("=") for part in rule.split(";"))
    several = any("," in said.get(name, "") for name in ("BYDAY", "BYMONTHDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO"))
    months = int(said.get("INTERVAL", "1")) * (MONTHS_OF_A_YEAR if said["FREQ"] == "YEARLY" else 1)
    if said["FREQ"] == "DAILY" or several:
        return Period.DAY
    if said["FREQ"] == "WEEKLY":
        return Period.WEEK
    if "BYDAY" in said and "BYSETPOS" not in said and not re.match(r"[+-]?\d", said["BYDAY"]):
        return Period.DAY
    return Period.QUARTER if months >= MONTHS_OF_A_QUARTER and "BYMONTH" not in said else Period.MONTH


def following(recurrence: Recurrence, after: datetime, most: int) -> list[datetime]:
    """Return the first occurrences after an instant, in UTC, at most so many."""
    zone = ZoneInfo(recurrence.zone)
    begin = max(recurrence.start, after.astimezone(zone).replace(tzinfo=None))
    horizon = begin + LOOKED_AHEAD
    return list(islice((at for at in occurrences(recurrence, horizon) if at > after), most))


def occurrences(recurrence: Recurrence, horizon: datetime) -> Iterator[datetime]:
    """Yield every occurrence from the start on as an instant in UTC, until a local time or the end of the rule."""
    zone = ZoneInfo(recurrence.zone)
    last: datetime | None = None
    until = horizon if recurrence.until is None else min(horizon, datetime.combine(recurrence.until, time.max))
    for local in islice(_locals(recurrence.rule, recurrence.start, until), recurrence.count):
        at = instant(local, zone)
        if last is None or at > last:
            yield at
            last = at


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when a local clock shows a time: the first time, and if it never does, as much later as was left out."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _locals(rule: str, start: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the local times of a rule, in order, from the start to a last one."""
    said = dict(part.split("=") for part in rule.split(";"))
    if said["FREQ"] not in ("MONTHLY", "YEARLY") or not said.keys() <= _CLAMPED:
        yield from _by_dateutil(rule, start, until)
        return
    yearly, interval = said["FREQ"] == "YEARLY", int(said.get("INTERVAL", "1"))
    days = _numbers(said, "BYMONTHDAY", 31, negative=True)
    months = _numbers(said, "BYMONTH", 12, negative=False)
    if yearly and not months:
        months = [*range(1, 13)] if days else [start.month]
    for year, month in _months(start, until, 1 if yearly else interval):
        if (yearly and (year - start.year) % interval) or (months and month not in months):
            continue
        for day in _days(year, month, days or [start.day]):
            local = datetime.combine(date(year, month, day), start.time())
            if start <= local <= until:
                yield local


def _months(start: datetime, until: datetime, step: int) -> Iterator[tuple[int, int]]:
    first, last = start.year * 12 + start.month - 1, until.year * 12 + until.month - 1
    for number in range(first, last + 1, step):
        yield number // 12, number % 12 + 1


def _days(year: int, month: int, wanted: list[int]) -> list[int]:
    """Return days of a month, in order; one that it does not have is its last, or its first if counted from the end."""
    last = calendar.monthrange(year, month)[1]
    return sorted({min(day, last) if day > 0 else max(1, last + 1 + day) for day in wanted})


def _by_dateutil(rule: str, start: datetime, until: datetime) -> Iterator[datetime]:
    parse: Any = rrulestr
    return iter(parse(rule, dtstart=start).replace(until=until))


def _numbers(said: Mapping[str, str], name: str, largest: int, *, negative: bool) -> list[int]:
    numbers = [int(one) for one in said[name].split(",")] if name in said else []
    if any(not 1 <= (abs(one) if negative else one) <= largest for one in numbers):
        raise ValueError(f"{name} is {'-' if negative else ''}1 to {largest}")
    return numbers


def _no_rule(rule: str, hint: str) -> InvalidInput:
    return InvalidInput(f"'{rule[:80]}' is not a recurrence rule.", path=["recurrence", "rule"], hint=hint)
