"""The arithmetic of recurring: month ends, leap days, daylight saving, and that no zone makes an occurrence twice."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import recurrence
from services.recurrence import RULES, Frequency, Recurrence, following
from services.refusals import InvalidInput
from services.run_label import Period, generated

F = Frequency
LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)


def first(rule: str, start: datetime, most: int, zone: str = "UTC", **end) -> list[datetime]:
    return following(Recurrence(rule=rule, start=start, zone=zone, **end), LONG_AGO, most)


def dates(rule: str, start: datetime, count: int) -> list[str]:
    return [f"{at:%Y-%m-%d}" for at in first(rule, start, count)]


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        (RULES[F.MONTHLY], "2026-01-31", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        (RULES[F.MONTHLY], "2028-01-30", ["2028-01-30", "2028-02-29", "2028-03-30"]),
        (RULES[F.QUARTERLY], "2026-11-30", ["2026-11-30", "2027-02-28", "2027-05-30"]),
        (RULES[F.HALF_YEARLY], "2026-08-31", ["2026-08-31", "2027-02-28", "2027-08-31"]),
        (RULES[F.YEARLY], "2028-02-29", ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("FREQ=YEARLY", "2028-02-29", ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("FREQ=YEARLY;INTERVAL=2;BYMONTH=2,8", "2026-08-31", ["2026-08-31", "2028-02-29", "2028-08-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31,-1,15", "2026-02-01", ["2026-02-15", "2026-02-28", "2026-03-15", "2026-03-31"]),
        ("FREQ=MONTHLY;BYDAY=1MO", "2026-01-31", ["2026-02-02", "2026-03-02", "2026-04-06"]),
        (RULES[F.WEEKLY], "2026-12-28", ["2026-12-28", "2027-01-04"]),
        ("FREQ=WEEKLY;BYDAY=TU,TH", "2026-01-01", ["2026-01-01", "2026-01-06", "2026-01-08"]),
    ],
)
def test_month_ends_and_leap_days(rule: str, start: str, expected: list[str]) -> None:
    assert dates(rule, datetime.fromisoformat(f"{start}T09:00"), len(expected)) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-03-28T02:30", ["03-28 01:30", "03-29 01:30", "03-30 00:30"]),  # 29 March has no 02:30: 03:30 it is
        ("2026-10-24T02:30", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),  # 25 October has it twice
    ],
)
def test_daylight_saving(start: str, expected: list[str]) -> None:
    found = first(RULES[F.DAILY], datetime.fromisoformat(start), 3, "Europe/Berlin")
    assert [f"{at:%m-%d %H:%M}" for at in found] == expected


def test_a_day_that_a_zone_leaves_out_falls_together_with_the_next() -> None:
    found = first(RULES[F.DAILY], datetime.fromisoformat("2011-12-29T10:00"), 3, "Pacific/Apia")
    assert [f"{at.astimezone(ZoneInfo('Pacific/Apia')):%d}" for at in found] == ["29", "31", "01"]


def test_ends() -> None:
    start = datetime.fromisoformat("2026-01-31T09:00")
    assert len(first(RULES[F.MONTHLY], start, 50, count=5)) == 5
    assert len(first(RULES[F.MONTHLY], start, 50, until=date(2026, 3, 31))) == 3
    assert first("FREQ=MONTHLY;INTERVAL=2;BYMONTH=2", start, 1) == [], "January, March, May: never February"


STARTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2090, 1, 1)).map(  # noqa: DTZ001 - local
    lambda at: at.replace(microsecond=0)
)
ZONES = st.sampled_from(sorted(available_timezones()))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(RULES.values())), STARTS, ZONES)
def test_occurrences_rise_at_the_local_time_and_are_the_same_from_wherever_one_looks(rule, start, zone) -> None:
    rule_in_zone, there = Recurrence(rule=rule, start=start, zone=zone), ZoneInfo(zone)
    found = following(rule_in_zone, LONG_AGO, 24)
    assert len(found) == 24
    assert all(earlier < later for earlier, later in pairwise(found))
    for place, at in enumerate(found[:-1]):
        assert following(rule_in_zone, at, 1) == [found[place + 1]]
        assert following(rule_in_zone, at - timedelta(microseconds=1), 1) == [at]
        local = at.astimezone(there)
        if local.time() != start.time():  # left out by the clock of the zone: no instant shows it on that day
            shown = local.replace(hour=start.hour, minute=start.minute, second=start.second, fold=0)
            assert shown.astimezone(UTC).astimezone(there).replace(tzinfo=None) != shown.replace(tzinfo=None)
        else:
            assert local.fold == 0, "the first of two"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([F.MONTHLY, F.QUARTERLY, F.HALF_YEARLY, F.YEARLY]), STARTS)
def test_every_month_that_is_due_has_one_on_the_day_or_its_last(frequency, start) -> None:
    step = {F.MONTHLY: 1, F.QUARTERLY: 3, F.HALF_YEARLY: 6, F.YEARLY: 12}[frequency]
    for number, at in enumerate(first(RULES[frequency], start, 30)):
        months = start.year * 12 + start.month - 1 + number * step
        assert (at.year, at.month) == (months // 12, months % 12 + 1)
        assert at.day == start.day or (at.day < start.day and (at + timedelta(days=1)).day == 1)


@pytest.mark.parametrize(
    "rule",
    [
        "", "every day", "FREQ=HOURLY", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;UNTIL=20270101T000000Z", "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;FREQ=DAILY", "FREQ=WEEKLY;BYDAY=XX", "FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=YEARLY;BYMONTH=13",
        "FREQ=DAILY;BYHOUR=9", "FREQ=DAILY\nDTSTART:20260101", "INTERVAL=2", "FREQ=MONTHLY;BYMONTHDAY=",
        "FREQ=DAILY;INTERVAL=1001", "FREQ=MONTHLY;BYMONTHDAY=A",
    ],
)  # fmt: skip
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(InvalidInput, match="not a recurrence rule"):
        recurrence.checked(rule)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="FREQ=DAILYMONTHWK;BSP,0123456789+-", max_size=60).map(lambda tail: "FREQ=MONTHLY;" + tail))
def test_whatever_is_written_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = recurrence.checked(text)
    except InvalidInput:
        return
    first(rule, datetime(2026, 1, 1), 3)  # noqa: DTZ001 - local
    recurrence.period(rule)


@pytest.mark.parametrize(
    ("rule", "period", "label"),
    [
        (RULES[F.DAILY], Period.DAY, "A_2026-03-16"),
        (RULES[F.WEEKLY], Period.WEEK, "A_2026-W12"),
        ("FREQ=WEEKLY;BYDAY=MO,TH", Period.DAY, "A_2026-03-16"),
        (RULES[F.MONTHLY], Period.MONTH, "A_2026-03"),
        ("FREQ=MONTHLY;BYDAY=1MO", Period.MONTH, "A_2026-03"),
        (RULES[F.QUARTERLY], Period.QUARTER, "A_Q1_2026"),
        (RULES[F.YEARLY], Period.QUARTER, "A_Q1_2026"),
        ("FREQ=YEARLY", Period.QUARTER, "A_Q1_2026"),
    ],
)
def test_a_label_names_the_period_of_the_rule(rule: str, period: Period, label: str) -> None:
    assert recurrence.checked(rule) == rule
    assert recurrence.period(rule) is period
    assert generated("A", date(2026, 3, 16), period) == label


def test_the_choices_are_rules_and_are_found_again() -> None:
    for frequency, rule in RULES.items():
        assert recurrence.frequency_of(recurrence.checked(f"rrule:{rule.lower()}")) is frequency
