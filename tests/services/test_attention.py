"""From signals to levels: more of anything never needs less attention, and an acknowledgement holds until it is worse."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attention import AttentionLevel
from models.sessions import SessionState
from services import attention, attention_rules
from services.attention import HIGH_STAKES, MEASURES, RANK, STANDARD, Count, Rules, Signal, Thresholds
from services.refusals import InvalidInput

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
COUNTERS = ("focus_lost_count", "tab_switch_count", "paste_count", "disconnect_count")


@dataclass
class Row:
    """As much of a session as the rules look at."""

    state: str = SessionState.ACTIVE
    is_high_stakes: bool = False
    focus_loss_limit: int | None = None
    focus_lost_count: int = 0
    tab_switch_count: int = 0
    paste_count: int = 0
    disconnect_count: int = 0
    disconnected_at: datetime | None = None
    last_seen_at: datetime | None = None
    started_at: datetime | None = NOW - timedelta(hours=3)
    last_activity_at: datetime | None = NOW
    resumed_at: datetime | None = None
    attention_acknowledged: dict[str, Any] | None = field(default=None)


def ago(seconds: int) -> datetime:
    return NOW - timedelta(seconds=seconds)


rows = st.builds(
    Row,
    is_high_stakes=st.booleans(),
    focus_loss_limit=st.none() | st.integers(0, 10),
    disconnected_at=st.none() | st.integers(0, 2000).map(ago),
    last_seen_at=st.none() | st.integers(0, 2000).map(ago),
    last_activity_at=st.integers(0, 2000).map(ago),
    **{name: st.integers(0, 30) for name in COUNTERS},
)


def in_order(values: list[int | None]) -> Thresholds:
    given_ = sorted(value for value in values if value is not None)
    return Thresholds(*(None if value is None else given_.pop(0) for value in values))


thresholds = st.lists(st.none() | st.integers(1, 400), min_size=3, max_size=3).map(in_order)
tables = st.fixed_dictionaries(dict.fromkeys(Signal, thresholds))
rules_ = st.builds(Rules, version=st.just(1), standard=tables, high_stakes=tables)


def level(row: Any, rules: Rules, now: datetime = NOW) -> int:
    return RANK[attention.highest(attention.holding(row, rules, now))]


@given(rows, rules_, st.sampled_from(COUNTERS), st.integers(1, 30))
def test_more_of_a_count_never_needs_less(row, rules, name, more):
    worse = replace(row, **{name: getattr(row, name) + more})
    assert level(worse, rules) >= level(row, rules)


@given(rows, rules_, st.integers(0, 4000))
def test_more_time_never_needs_less(row, rules, seconds):
    assert level(row, rules, NOW + timedelta(seconds=seconds)) >= level(row, rules)


@given(rows, rules_, st.sampled_from(COUNTERS), st.integers(0, 30), st.integers(0, 4000))
def test_what_is_acknowledged_calls_no_more_and_what_comes_on_top_never_less(row, rules, name, more, seconds):
    seen = replace(row, attention_acknowledged={"signals": attention.seen(row, rules, NOW)})
    assert attention.holding(seen, rules, NOW) == []
    later = NOW + timedelta(seconds=seconds)
    worse = replace(seen, **{name: getattr(seen, name) + more})
    assert level(worse, rules, later) >= level(seen, rules, later)
    grown = attention.holding(replace(seen, paste_count=seen.paste_count + 1), rules, NOW)
    reached = rules.of(row)[Signal.PASTES].reached(row.paste_count + 1)
    assert [one.signal for one in grown] == ([] if reached is None else [Signal.PASTES])


@given(rows, rules_)
def test_each_rule_that_holds_is_reached_and_the_next_one_is_not(row, rules):
    for one in attention.holding(row, rules, NOW):
        measure = MEASURES[one.signal]
        value = measure.of(row) if isinstance(measure, Count) else (NOW - measure.since(row)).total_seconds()
        assert value >= one.threshold
        table = rules.of(row)[one.signal]
        higher = [least for other, least in table.levels if RANK[other] > RANK[one.level]]
        assert all(value < least for least in higher)
        assert "{}" not in attention.words(one.signal, one.threshold)


@given(rows, rules_)
def test_nothing_changes_before_the_next_change_and_something_is_due_then(row, rules):
    row = replace(row, last_seen_at=None)
    due = attention.next_change(row, rules, NOW)
    at = (NOW + timedelta(days=30)) if due is None else due - timedelta(microseconds=1)
    told = [(one.signal, one.level) for one in attention.holding(row, rules, NOW)]
    assert [(one.signal, one.level) for one in attention.holding(row, rules, at)] == told
    if due is not None:
        assert due > NOW
        assert [(one.signal, one.level, one.threshold) for one in attention.holding(row, rules, due)] != [
            (one.signal, one.level, one.threshold) for one in attention.holding(row, rules, NOW)
        ] or _is_tie(row, rules, due)


def _is_tie(row: Any, rules: Rules, due: datetime) -> bool:
    """Tell whether two levels begin at one value: the higher one holds then, which it did not before."""
    return any(len({least for _, least in one.levels}) < len(one.levels) for one in rules.of(row).values())


@given(rows, rules_)
def test_who_does_not_sit_needs_nothing(row, rules):
    for state in SessionState:
        if state not in attention.WATCHED:
            ended = replace(row, state=state)
            assert attention.holding(ended, rules, NOW) == []
            assert attention.next_change(ended, rules, NOW) is None


def test_a_pause_is_no_idleness_and_a_limit_counts_from_its_next():
    quiet = Row(last_activity_at=ago(400))
    assert [one.signal for one in attention.holding(quiet, Rules(), NOW)] == [Signal.IDLE]
    assert attention.holding(replace(quiet, state=SessionState.PAUSED), Rules(), NOW) == []
    assert attention.holding(replace(quiet, resumed_at=ago(10)), Rules(), NOW) == []
    limited = Row(focus_loss_limit=1, focus_lost_count=1)
    assert attention.holding(limited, Rules(), NOW) == []
    (one,) = attention.holding(replace(limited, focus_lost_count=2), Rules(), NOW)
    assert (one.signal, one.level) == (Signal.FOCUS_OVER_LIMIT, AttentionLevel.WARNING)


def test_a_spell_that_begins_anew_calls_again():
    row = Row(last_activity_at=ago(200))
    row.attention_acknowledged = {"signals": attention.seen(row, Rules(), NOW)}
    assert attention.holding(row, Rules(), NOW + timedelta(seconds=60)) == []
    assert attention.holding(row, Rules(), NOW + timedelta(seconds=161))[0].level is AttentionLevel.WARNING
    row.last_activity_at = NOW
    assert attention.holding(row, Rules(), NOW + timedelta(seconds=179)) == []
    assert attention.holding(row, Rules(), NOW + timedelta(seconds=180))[0].level is AttentionLevel.NOTICE


def test_silence_is_due_only_for_a_browser_that_was_heard():
    rules = Rules(disconnected_after=40)
    assert attention.silent_from(Row(), rules) is None
    heard = Row(last_seen_at=ago(10))
    assert attention.next_change(heard, rules, NOW) == NOW + timedelta(seconds=30)
    assert attention.silent_from(replace(heard, disconnected_at=ago(10)), rules) is None


@pytest.mark.parametrize("usual", [STANDARD, HIGH_STAKES])
def test_evaliums_own_thresholds_are_ones_that_a_tenant_could_set(usual):
    assert set(usual) == set(MEASURES) == set(Signal)
    assert attention_rules._checked(tuple(usual.items()), usual, "standard") == dict(usual)
    attention_rules._check_stricter(STANDARD, HIGH_STAKES)


@given(tables, tables, st.integers(0, 500))
def test_no_value_is_worth_less_with_high_stakes_where_the_check_let_it_through(standard, high, value):
    try:
        attention_rules._check_stricter(standard, high)
    except InvalidInput:
        return
    for signal in Signal:
        reached = [table[signal].reached(value) for table in (standard, high)]
        ranks = [-1 if one is None else RANK[one[0]] for one in reached]
        assert ranks[0] <= ranks[1]


@pytest.mark.parametrize(
    ("given_", "path"),
    [
        ([(Signal.PASTES, Thresholds(0, None, None))], ("standard", 0, "notice")),
        ([(Signal.IDLE, Thresholds(None, None, 86401))], ("standard", 0, "urgent")),
        ([(Signal.IDLE, Thresholds(50, 40, None))], ("standard", 0)),
        ([(Signal.IDLE, Thresholds(5)), (Signal.IDLE, Thresholds(6))], ("standard", 1)),
    ],
)
def test_thresholds_that_cannot_be_are_refused(given_, path):
    with pytest.raises(InvalidInput) as refused:
        attention_rules._checked(given_, STANDARD, "standard")
    assert refused.value.path == path
