"""Where a requirement stands: a pure rule, tried with every history of attempts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.programmes import RemediationPolicy
from models.programmes_enrolments import Hold, ProgressState
from models.submissions import Outcome
from services.programmes_rules import Rule, Standing, Tried, passes, percent, stand

AT = datetime(2027, 1, 31, 12, tzinfo=UTC)
RULES = st.builds(
    Rule,
    st.sampled_from([None, Decimal(80)]),
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([timedelta(0), timedelta(days=7)]),
    st.sampled_from(RemediationPolicy),
)
SCORES = st.tuples(st.sampled_from([Decimal("79.99"), Decimal(80)]), st.sampled_from(Outcome))


def tried(scores: list[tuple[Decimal, Outcome]]) -> list[Tried]:
    return [Tried(UUID(int=n), n, AT + timedelta(days=n), *score) for n, score in enumerate(scores, 1)]


HISTORIES = st.lists(SCORES, max_size=4).map(tried)


@given(RULES, HISTORIES)
def test_looking_again_changes_nothing(rule: Rule, history: list[Tried]):
    once = stand(rule, Standing(), history, len(history))
    assert stand(rule, once, history, len(history)) == once


@given(RULES, HISTORIES, SCORES)
def test_what_is_handed_in_later_takes_nothing_back(rule: Rule, history: list[Tried], later: tuple[Decimal, Outcome]):
    was = stand(rule, Standing(), history, len(history))
    more = [*history, Tried(UUID(int=99), len(history) + 1, AT + timedelta(days=99), *later)]
    now = stand(rule, was, more, len(more))
    if was.state is ProgressState.MET:
        assert (now.state, now.submission_id, now.hold) == (ProgressState.MET, was.submission_id, None)
    assert now.attempts_used == was.attempts_used + 1


@given(RULES, HISTORIES)
def test_the_first_pass_meets_it_and_nothing_else_does(rule: Rule, history: list[Tried]):
    found = stand(rule, Standing(), history, len(history))
    first = next((one.submission_id for one in history if passes(rule, one)), None)
    assert found.submission_id == first
    assert (found.state is ProgressState.MET) == (first is not None)
    if found.state is ProgressState.FAILED:
        assert rule.attempts is not None
        assert len(history) >= rule.attempts
    if found.next_at is not None:
        assert found.next_at == history[-1].submitted_at + rule.cooling_off
        assert rule.attempts is None or len(history) < rule.attempts


@given(RULES, HISTORIES, st.data())
def test_a_correction_of_the_score_that_met_it_is_judged_by_the_policy(rule: Rule, history: list[Tried], data):
    met = stand(rule, Standing(), history, len(history))
    if met.submission_id is None:
        return
    low = {"percent": Decimal(0), "outcome": Outcome.FAILED}
    corrected = [replace(one, **low) if one.submission_id == met.submission_id else one for one in history]
    now = stand(rule, met, corrected, len(corrected))
    other = next((one.submission_id for one in corrected if passes(rule, one)), None)
    if other is not None:
        assert (now.state, now.submission_id, now.hold) == (ProgressState.MET, other, None)
    elif rule.remediation is RemediationPolicy.REVOKE_AND_REISSUE:
        assert now.state is not ProgressState.MET
    else:
        held = Hold.HELD if rule.remediation is RemediationPolicy.HOLD else None
        assert (now.state, now.submission_id, now.hold) == (ProgressState.MET, met.submission_id, held)
        kept = replace(now, hold=None if held is None else Hold.KEPT)
        assert stand(rule, kept, corrected, len(corrected)) == kept, "what somebody decided stays decided"
        assert stand(rule, now, history, len(history)) == met, "what is corrected back is as it was"


@pytest.mark.parametrize(
    ("met", "mandatory", "shown"), [(0, 3, "0.00"), (1, 3, "33.33"), (2, 3, "66.67"), (1, 8, "12.50"), (3, 3, "100.00")]
)
def test_the_percentage_has_two_decimals_half_up(met: int, mandatory: int, shown: str):
    assert str(percent(met, mandatory)) == shown


def test_an_eighth_of_a_percent_is_rounded_up():
    assert percent(1, 800) == Decimal("0.13")
