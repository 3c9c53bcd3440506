import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import policy
from services.content_parts import read
from services.deadlines import Limits
from services.policy import UNLIMITED, FeedbackMode, Policy, Row, Settings, Source, SourceKind
from services.refusals import InvalidInput
from services.security import (
    LockdownBrowser,
    LockdownFailure,
    PasteRule,
    Proctoring,
    SecurityConfig,
    SecurityLevel,
    parse_security,
)

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
USER, GROUP, PROFILE = SourceKind.USER_OVERRIDE, SourceKind.GROUP_OVERRIDE, SourceKind.ACCOMMODATION
ASSIGNMENT, TEMPLATE, VERSION = SourceKind.ASSIGNMENT, SourceKind.TEMPLATE, SourceKind.EVALUATION_VERSION
TENANT, SYSTEM = SourceKind.TENANT_DEFAULT, SourceKind.SYSTEM_DEFAULT


def row(
    kind: SourceKind, id: str = "1", *, restrict: bool = False, extend: int = 0, more: int = 0, **settings: Any
) -> Row:
    return Row(
        source=Source(kind=kind, id=id, who="kim", why="because"),
        settings=Settings(**settings),
        restrict=restrict,
        extension_seconds=extend,
        added_attempts=more,
    )


def limit(*rows: Row) -> tuple[Any, SourceKind]:
    found = policy.resolve(rows).time_limit_seconds
    return found.value, found.source.kind


def test_nobody_sets_anything() -> None:
    found = policy.resolve([])
    assert (found.time_limit_seconds.value, found.allowed_attempts.value) == (UNLIMITED, 1)
    assert (found.network_grace_seconds.value, found.idle_threshold_seconds.value) == (5, 60)
    assert (found.window_from.value, found.window_until.value) == (UNLIMITED, UNLIMITED)
    assert found.feedback_mode.value is FeedbackMode.SCORE
    assert found.security.value.level is SecurityLevel.STANDARD
    assert {getattr(found, name).source.kind for name in Policy.model_fields} == {SYSTEM}
    assert found.limits() == Limits(None, Decimal(1), 0)


def test_a_higher_rank_replaces_a_lower_one_stricter_or_not() -> None:
    ladder = [TENANT, VERSION, TEMPLATE, ASSIGNMENT]
    rows = [row(kind, time_limit_seconds=seconds) for kind, seconds in zip(ladder, (100, 300, 50, 200), strict=True)]
    for height in range(1, 5):
        top = rows[height - 1]
        assert limit(*rows[:height]) == (top.settings.time_limit_seconds, top.source.kind)


def test_what_a_higher_rank_leaves_open_comes_from_below() -> None:
    found = policy.resolve(
        [row(ASSIGNMENT, allowed_attempts=3), row(VERSION, time_limit_seconds=60, allowed_attempts=2), row(TENANT)]
    )
    assert (found.time_limit_seconds.value, found.time_limit_seconds.source.kind) == (60, VERSION)
    assert (found.allowed_attempts.value, found.allowed_attempts.source.kind) == (3, ASSIGNMENT)
    assert found.feedback_mode.source.kind is SYSTEM


def test_not_set_is_not_unlimited() -> None:
    below = row(VERSION, time_limit_seconds=60)
    assert limit(below, row(ASSIGNMENT)) == (60, VERSION)
    assert limit(below, row(ASSIGNMENT, time_limit_seconds=UNLIMITED)) == (UNLIMITED, ASSIGNMENT)
    assert limit(row(VERSION, time_limit_seconds=UNLIMITED), row(ASSIGNMENT, time_limit_seconds=60)) == (60, ASSIGNMENT)


@pytest.mark.parametrize("personal", [USER, GROUP, PROFILE])
def test_a_personal_row_is_never_stricter_unless_it_says_so(personal: SourceKind) -> None:
    base = row(ASSIGNMENT, time_limit_seconds=60)
    assert limit(base, row(personal, time_limit_seconds=90)) == (90, personal)
    assert limit(base, row(personal, time_limit_seconds=30)) == (60, ASSIGNMENT)
    assert limit(base, row(personal, time_limit_seconds=30, restrict=True)) == (30, personal)
    assert limit(base, row(personal, time_limit_seconds=60)) == (60, ASSIGNMENT)


def test_the_user_s_own_row_comes_before_the_group_s_and_the_profile_s() -> None:
    base = row(ASSIGNMENT, time_limit_seconds=60)
    profile, group = row(PROFILE, time_limit_seconds=70), row(GROUP, time_limit_seconds=80)
    strict = row(USER, time_limit_seconds=65, restrict=True)
    assert limit(base, profile, group, strict) == (65, USER)
    assert limit(base, profile, group) == (80, GROUP)
    assert limit(base, row(GROUP, time_limit_seconds=20, restrict=True), row(USER, time_limit_seconds=40)) == (40, USER)


def test_within_one_rank_the_most_lenient_wins() -> None:
    one, two = row(GROUP, "1", time_limit_seconds=80), row(GROUP, "2", time_limit_seconds=UNLIMITED)
    found = policy.resolve([row(ASSIGNMENT, time_limit_seconds=60), one, two]).time_limit_seconds
    assert (found.value, found.source.id) == (UNLIMITED, "2")
    strict = row(GROUP, "3", time_limit_seconds=10, restrict=True)
    assert policy.resolve([one, strict]).time_limit_seconds.source.kind is SYSTEM
    assert limit(row(ASSIGNMENT, time_limit_seconds=60), one, strict) == (80, GROUP)


def test_multipliers_do_not_stack() -> None:
    def multiplier(*rows: Row) -> tuple[Decimal, SourceKind]:
        found = policy.resolve(rows).time_multiplier
        return found.value, found.source.kind

    profile, group = row(PROFILE, time_multiplier="1.5"), row(GROUP, time_multiplier="1.25")
    assert multiplier(profile, group) == (Decimal("1.5"), PROFILE)
    assert multiplier(profile, group, row(USER, time_multiplier="2")) == (Decimal(2), USER)
    assert multiplier(profile, row(USER, time_multiplier="1.1", restrict=True)) == (Decimal("1.1"), USER)
    assert multiplier(row(TENANT, time_multiplier="1.2"), row(ASSIGNMENT, time_multiplier="1")) == (
        Decimal("1.2"),
        TENANT,
    )


def test_additions_sum_over_all_ranks_and_keep_their_sources() -> None:
    found = policy.resolve(
        [
            row(ASSIGNMENT, time_limit_seconds=3600, allowed_attempts=2),
            row(USER, "1", extend=600, more=1),
            row(USER, "2", extend=300),
            row(USER, "3", extend=-300),
            row(GROUP, "4", extend=60, more=2),
            row(PROFILE, time_multiplier="1.5"),
        ]
    )
    assert found.extension_seconds.value == 660
    assert sorted(one.value for one in found.extension_seconds.added) == [-300, 60, 300, 600]
    assert (found.allowed_attempts.value, found.allowed_attempts.source.kind) == (5, ASSIGNMENT)
    assert [(one.value, one.source.id) for one in found.allowed_attempts.added] == [(2, "4"), (1, "1")]
    assert found.limits().my_limit_seconds == 5400 + 660


def test_additions_to_what_is_unlimited_leave_it_so() -> None:
    found = policy.resolve([row(ASSIGNMENT, allowed_attempts=UNLIMITED), row(USER, more=1)])
    assert found.allowed_attempts.value is UNLIMITED
    assert policy.resolve([row(USER, more=-3)]).allowed_attempts.value == 0


def test_each_bound_of_the_window_is_a_value_of_its_own() -> None:
    found = policy.resolve(
        [
            row(ASSIGNMENT, window_from=NINE, window_until=NINE + timedelta(hours=2)),
            row(USER, window_from=NINE + timedelta(hours=1), window_until=NINE + timedelta(hours=3)),
        ]
    )
    assert (found.window_from.value, found.window_from.source.kind) == (NINE, ASSIGNMENT)
    assert (found.window_until.value, found.window_until.source.kind) == (NINE + timedelta(hours=3), USER)


def test_security_and_feedback_know_what_is_lenient() -> None:
    strict = SecurityConfig(full_screen=True, paste=PasteRule.BLOCKED)
    relaxed = SecurityConfig(full_screen=True)
    base = row(ASSIGNMENT, security=strict, feedback_mode="none")
    found = policy.resolve([base, row(PROFILE, security=relaxed, feedback_mode="outcome")])
    assert (found.security.value, found.feedback_mode.value) == (relaxed, FeedbackMode.OUTCOME)
    found = policy.resolve([row(ASSIGNMENT, security=relaxed), row(PROFILE, security=strict)])
    assert (found.security.value, found.security.source.kind) == (relaxed, ASSIGNMENT)


LIMITS = st.none() | st.just(UNLIMITED) | st.integers(1, 9).map(lambda tens: tens * 60)
ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from([kind for kind in SourceKind if kind is not SYSTEM]),
        st.sampled_from("abc"),
        restrict=st.booleans(),
        extend=st.integers(-2, 2).map(lambda tens: tens * 60),
        more=st.integers(0, 2),
        time_limit_seconds=LIMITS,
        allowed_attempts=st.none() | st.just(UNLIMITED) | st.integers(1, 4),
        time_multiplier=st.none() | st.sampled_from([Decimal(1), Decimal("1.25"), Decimal(2)]),
        feedback_mode=st.none() | st.sampled_from(FeedbackMode),
        window_until=st.none() | st.just(UNLIMITED) | st.sampled_from([NINE, NINE + timedelta(hours=1)]),
    ),
    max_size=5,
)


def oracle(rows: list[Row]) -> int | float:
    """The time limit once more, written as the rule reads: up the ranks, personal rows only when kinder or forced."""

    def size(one: Row) -> float:
        value = one.settings.time_limit_seconds
        return float("inf") if value is UNLIMITED else float(value)  # type: ignore[arg-type]

    current = float("inf")
    for kind in SourceKind:
        rivals = [one for one in rows if one.source.kind is kind and one.settings.time_limit_seconds is not None]
        if rivals:
            best = max(size(one) for one in rivals)
            forced = any(size(one) == best and one.restrict for one in rivals)
            if kind not in {USER, GROUP, PROFILE} or forced or best > current:
                current = best
    return current


@given(ROWS)
def test_the_limit_is_the_one_that_the_rule_names(rows: list[Row]) -> None:
    value, _ = limit(*rows)
    assert (float("inf") if value is UNLIMITED else value) == oracle(rows)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_is_without_meaning(rows: list[Row], random: Any) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    assert policy.resolve(mixed) == policy.resolve(rows)


@given(ROWS)
def test_every_value_stands_in_the_row_that_is_named_as_its_source(rows: list[Row]) -> None:
    found = policy.resolve(rows)
    for name in ("time_limit_seconds", "time_multiplier", "feedback_mode", "window_until"):
        resolved = getattr(found, name)
        offered = [getattr(one.settings, name) for one in rows if one.source == resolved.source]
        assert resolved.value in offered or resolved.source.kind is SYSTEM
    assert found.extension_seconds.value == sum(one.extension_seconds for one in rows)


@given(ROWS, LIMITS)
def test_one_more_kind_row_never_takes_time_away(rows: list[Row], seconds: Any) -> None:
    before = policy.resolve(rows).limits().my_limit_seconds
    after = policy.resolve(
        [*rows, row(USER, "z", time_limit_seconds=seconds, time_multiplier="1.5", extend=60)]
    ).limits()
    assert after.my_limit_seconds is None or (before is not None and after.my_limit_seconds >= before)


@given(ROWS)
def test_a_frozen_policy_is_read_back_as_it_was(rows: list[Row]) -> None:
    found = policy.resolve(rows)
    frozen = json.loads(json.dumps(policy.to_json(found)))
    assert policy.from_json(frozen) == found
    assert set(frozen["time_limit_seconds"]) == {"value", "source", "added"}
    assert set(frozen["time_limit_seconds"]["source"]) == {"kind", "id", "who", "why"}


def test_the_frozen_form_stays_readable() -> None:
    frozen = policy.to_json(
        policy.resolve([row(ASSIGNMENT, time_limit_seconds=60, window_until=NINE, security=SecurityConfig())])
    )
    source = {"kind": "assignment", "id": "1", "who": "kim", "why": "because"}
    assert frozen["time_limit_seconds"] == {"value": 60, "source": source, "added": []}
    assert frozen["window_until"] == {"value": "2026-03-02T09:00:00Z", "source": source, "added": []}
    assert frozen["window_from"]["value"] == "unlimited"
    assert frozen["time_multiplier"]["value"] == "1"
    with pytest.raises(InvalidInput) as refused:
        policy.from_json({**frozen, "time_limit_seconds": None})
    assert refused.value.path[:2] == ("policy", "time_limit_seconds")


@pytest.mark.parametrize(
    "settings",
    [
        {"time_limit_seconds": 0},
        {"time_limit_seconds": "unbounded"},
        {"allowed_attempts": 0},
        {"time_multiplier": "0.5"},
        {"time_multiplier": "1.00001"},
        {"network_grace_seconds": -1},
        {"window_until": datetime(2026, 3, 2, 9)},  # noqa: DTZ001 - the missing zone is what is refused
        {"colour": 1},
    ],
)
def test_settings_have_bounds(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read(Settings, settings, ("settings",))


def test_feedback_modes_are_read_in_both_spellings() -> None:
    assert policy.parse_feedback_mode("score") is policy.parse_feedback_mode("SCORE") is FeedbackMode.SCORE
    with pytest.raises(InvalidInput, match="'everything'; there is none, outcome, score, comments, answers") as refused:
        policy.parse_feedback_mode("everything")
    assert refused.value.path == ("feedbackMode",)


@pytest.mark.parametrize(
    ("config", "level"),
    [
        ({}, "standard"),
        ({"paste": "allowed"}, "standard"),
        ({"paste": "RECORDED"}, "standard"),
        ({"paste": "blocked"}, "elevated"),
        ({"full_screen": True}, "elevated"),
        ({"focus_loss_limit": 0}, "elevated"),
        ({"proctoring": "live"}, "high_stakes"),
        ({"lockdown_browser": "required", "paste": "allowed"}, "high_stakes"),
    ],
)
def test_the_security_level_follows_from_the_strictest_measure(config: dict[str, Any], level: str) -> None:
    assert parse_security(config).level == level


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"lockdown": True}, ("securityConfig", "lockdown")),
        ({"paste": "sometimes"}, ("securityConfig", "paste")),
        ({"focus_loss_limit": -1}, ("securityConfig", "focus_loss_limit")),
        ({"full_screen": "yes"}, ("securityConfig", "full_screen")),
        ([], ("securityConfig",)),
    ],
)
def test_other_security_configurations_are_refused(config: Any, path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_security(config)
    assert refused.value.path == path


CONFIGS = st.builds(
    SecurityConfig,
    lockdown_browser=st.sampled_from(LockdownBrowser),
    lockdown_failure=st.sampled_from(LockdownFailure),
    probe_interval_seconds=st.integers(30, 3600),
    full_screen=st.booleans(),
    focus_loss_limit=st.none() | st.integers(0, 1000),
    paste=st.sampled_from(PasteRule),
    proctoring=st.sampled_from(Proctoring),
)


@given(CONFIGS, CONFIGS)
def test_a_stricter_configuration_never_has_a_lower_level(one: SecurityConfig, other: SecurityConfig) -> None:
    levels = list(SecurityLevel)
    if one.strictness >= other.strictness:
        assert levels.index(one.level) >= levels.index(other.level)
    assert (one.strictness == other.strictness) == (one == other)


def test_all_orders_of_three_rows_agree() -> None:
    rows = [row(GROUP, "1", time_limit_seconds=80), row(GROUP, "2", time_limit_seconds=80), row(USER, extend=5)]
    assert len({json.dumps(policy.to_json(policy.resolve(order))) for order in permutations(rows)}) == 1
