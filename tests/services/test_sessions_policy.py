"""A session's limits, one decision after the other: the same end as all of them at once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from models.overrides import OverrideKind
from services import overrides_rows, policy, sessions_policy
from services.overrides_rows import Change
from services.policy import Row, Settings, Source, SourceKind

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
K = OverrideKind


def _change(kind: OverrideKind) -> st.SearchStrategy[Change]:
    if kind is K.WINDOW_UNTIL:
        instants = st.integers(60, 10_000).map(lambda minutes: NINE + timedelta(minutes=minutes))
        return st.builds(Change, st.just(kind), instant=instants, restrict=st.booleans())
    if kind is K.TIME_MULTIPLIER:
        amounts = st.integers(10_000, 40_000).map(lambda n: Decimal(n) / 10_000)
        return st.builds(Change, st.just(kind), amount=amounts, restrict=st.booleans())
    most = 1_000 if kind is K.ALLOWED_ATTEMPTS else 9_000
    amounts = st.integers(1, most).map(Decimal)
    adding = kind in overrides_rows.ADDING
    set_it = st.builds(
        Change, st.just(kind), amount=amounts, restrict=st.just(value=False) if adding else st.booleans()
    )
    return set_it if adding else set_it | st.just(Change(kind, is_unlimited=True))


CHANGES = st.sampled_from(OverrideKind).flatmap(_change)
STEPS = st.lists(st.tuples(CHANGES, st.booleans(), st.integers(0, 3)), min_size=1, max_size=8)
"""What is applied, whether to a group, and which earlier one is then taken back (0: none)."""

BASE = [
    Row(
        source=Source(kind=SourceKind.ASSIGNMENT, id="a"),
        settings=Settings(time_limit_seconds=3600, allowed_attempts=1, window_until=NINE + timedelta(hours=2)),
    ),
    Row(source=Source(kind=SourceKind.ACCOMMODATION, id="p"), settings=Settings(time_multiplier=Decimal("1.5"))),
]


def session(**more: Any) -> Any:
    found: dict[str, Any] = {
        "policy": policy.to_json(policy.resolve(BASE)),
        "policy_rows": sessions_policy.kept(BASE),
        "started_at": NINE + timedelta(minutes=80),
        "paused_seconds": 0,
        "paused_at": None,
        "deadline_at": NINE + timedelta(minutes=150),
    }
    return SimpleNamespace(**found | more)


def as_row(change: Change, of_group: bool, row_id: UUID) -> Row:  # noqa: FBT001 - as hypothesis gives it
    return change.row(overrides_rows.source(row_id, "kim", "because", of_group=of_group))


@given(STEPS)
def test_one_by_one_ends_where_all_at_once_does(steps: list[tuple[Change, bool, int]]) -> None:
    one = session()
    standing: list[tuple[UUID, Row]] = []
    for change, of_group, back in steps:
        row_id = uuid4()
        row = as_row(change, of_group, row_id)
        standing.append((row_id, row))
        after = sessions_policy.outlook(one, [*sessions_policy.rows_of(one), row], NINE)
        one.policy_rows, one.policy = sessions_policy.kept(after.rows), policy.to_json(after.policy)
        if 0 < back <= len(standing):
            gone, _ = standing.pop(-back)
            after = sessions_policy.outlook(one, sessions_policy.without(sessions_policy.rows_of(one), gone), NINE)
            one.policy_rows, one.policy = sessions_policy.kept(after.rows), policy.to_json(after.policy)
    at_once = policy.resolve([*BASE, *(row for _, row in standing)])
    assert one.policy == policy.to_json(at_once)


@given(st.lists(st.tuples(CHANGES, st.booleans()), max_size=5))
def test_limits_tell_of_rows_that_they_follow_from(changes: list[tuple[Change, bool]]) -> None:
    resolved = policy.resolve([*BASE, *(as_row(change, of_group, uuid4()) for change, of_group in changes)])
    assert policy.to_json(policy.resolve(policy.rows_of(resolved))) == policy.to_json(resolved)


def test_the_vector_of_the_domain_and_an_extension_on_top() -> None:
    one = session()
    assert sessions_policy.outlook(one, sessions_policy.rows_of(one), NINE).deadline_at == NINE + timedelta(minutes=150)
    more = as_row(Change(K.EXTENSION, Decimal(900)), of_group=False, row_id=uuid4())
    after = sessions_policy.outlook(one, [*sessions_policy.rows_of(one), more], NINE)
    assert after.deadline_at == NINE + timedelta(minutes=165)


def test_limits_that_are_used_up_end_the_session_now_and_not_before() -> None:
    now = NINE + timedelta(minutes=100)
    strict = as_row(Change(K.TIME_LIMIT, Decimal(60), restrict=True), of_group=False, row_id=uuid4())
    one = session()
    assert sessions_policy.outlook(one, [*sessions_policy.rows_of(one), strict], now).deadline_at == now


def test_a_session_that_keeps_no_rows_reads_them_from_its_limits() -> None:
    old = session(policy_rows=None)
    rows = sessions_policy.rows_of(old)
    assert policy.to_json(policy.resolve(rows)) == old.policy
