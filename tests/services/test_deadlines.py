from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deadlines import Limits, deadline, seconds_remaining

DAY = datetime(2026, 3, 2, tzinfo=UTC)


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


SECONDS = st.integers(0, 10**6)
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
MULTIPLIERS = st.decimals(1, 3, places=4)


@pytest.mark.parametrize(
    ("limit", "multiplier", "extension", "paused", "start", "until", "end"),
    [
        (3600, "1.5", 0, 0, "10:20", "11:00", "11:30"),
        (3600, "1", 0, 0, "10:20", "11:00", "11:00"),
        (3600, "1", 0, 0, "09:30", "11:00", "10:30"),
        (3600, "1", 600, 0, "10:20", "11:00", "11:10"),
        (3600, "1", 600, 0, "09:30", "11:00", "10:40"),
        (3600, "1.5", 600, 0, "10:20", "11:00", "11:40"),
        (3600, "1", 0, 660, "10:20", "11:00", "11:11"),
        (3600, "1", 0, 660, "09:30", "11:00", "10:41"),
        (None, "1.5", 0, 0, "10:20", "11:00", "11:00"),
        (None, "1", 600, 60, "10:20", "11:00", "11:11"),
        (3600, "1", 0, 0, "10:20", None, "11:20"),
        (None, "1", 0, 0, "10:20", None, None),
    ],
)
def test_the_end_by_the_rule(
    limit: int | None, multiplier: str, extension: int, paused: int, start: str, until: str | None, end: str | None
) -> None:
    limits = Limits(limit, Decimal(multiplier), extension)
    found = deadline(limits, started_at=at(start), window_until=until and at(until), paused_seconds=paused)  # type: ignore[arg-type]
    assert found == (at(end) if end else None)


def test_a_part_of_a_second_is_given_to_the_candidate() -> None:
    assert Limits(100, Decimal("1.333")).my_limit_seconds == 134
    assert Limits(100, Decimal("1.33")).my_limit_seconds == 133
    assert Limits(3600, Decimal("1.1")).my_limit_seconds == 3960


def test_a_reversed_extension_leaves_nothing_behind_and_never_less_than_nothing() -> None:
    assert Limits(3600, Decimal(1), 600 - 600).my_limit_seconds == 3600
    assert Limits(60, Decimal(1), -600).my_limit_seconds == 0


@given(SECONDS, MULTIPLIERS, SECONDS, SECONDS, INSTANTS, st.none() | INSTANTS)
def test_every_addition_moves_the_end_by_itself(
    limit: int, multiplier: Decimal, extension: int, paused: int, start: datetime, until: datetime | None
) -> None:
    plain = deadline(Limits(limit, multiplier), started_at=start, window_until=until)
    more = deadline(Limits(limit, multiplier, extension), started_at=start, window_until=until, paused_seconds=paused)
    assert plain is not None
    assert more == plain + timedelta(seconds=extension + paused)


@given(SECONDS, MULTIPLIERS, MULTIPLIERS, INSTANTS, st.none() | INSTANTS)
def test_a_larger_multiplier_never_ends_earlier(
    limit: int, one: Decimal, other: Decimal, start: datetime, until: datetime | None
) -> None:
    ends = [
        deadline(Limits(limit, multiplier), started_at=start, window_until=until) for multiplier in sorted((one, other))
    ]
    assert ends == sorted(ends, key=lambda end: end or DAY)


@given(SECONDS, SECONDS, INSTANTS, INSTANTS)
def test_who_starts_earlier_never_has_less_time(limit: int, later: int, start: datetime, until: datetime) -> None:
    def remaining(started: datetime) -> timedelta:
        end = deadline(Limits(limit), started_at=started, window_until=until)
        assert end is not None
        return end - started

    assert remaining(start) >= remaining(start + timedelta(seconds=later))


def test_the_seconds_left_are_whole_and_never_negative() -> None:
    end = at("11:00")
    assert seconds_remaining(end, at("10:59")) == 60
    assert seconds_remaining(end, end - timedelta(milliseconds=1500)) == 1
    assert seconds_remaining(end, end) == 0
    assert seconds_remaining(end, end + timedelta(hours=1)) == 0
    assert seconds_remaining(None, end) is None
