"""What a lockdown browser proves, by the rules alone."""

from datetime import UTC, datetime, timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lockdown import LockdownCause, LockdownState
from services import lockdown, lockdown_keys, lockdown_probe
from services.lockdown import Finding, Keys, Place, Signal
from services.refusals import InvalidInput
from services.security import LockdownBrowser, LockdownFailure, SecurityConfig

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SITE = "https://exam.evalium.test"
NONCE, OTHER = "a" * 64, "b" * 64
PLACE = Place([SITE], NONCE)
HERE = f"{SITE}/s/42?lang=en&session={NONCE}"
KEYS = st.text("0123456789abcdef", min_size=64, max_size=64)
CONFIG = SecurityConfig()
RULES = list(product(LockdownBrowser, LockdownFailure))


def test_the_vector_of_safe_exam_browser() -> None:
    url = "https://exam.evalium.test/s/42?lang=en"
    key = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    shown = "a2db01d2280654e6a05c43eb78ad2ae4b451453b7ea088769e372d4197bead55"
    assert lockdown.key_hash(url, key) == shown
    assert lockdown.key_hash(f"{url}#page-2", key.upper()) == shown
    assert lockdown.matches(url, shown.upper(), [OTHER, key])
    assert not lockdown.matches(f"{url}&", shown, [key])


@given(st.lists(KEYS, max_size=4), st.lists(KEYS, max_size=4), st.data())
def test_it_is_verified_exactly_when_every_kind_that_is_configured_matches(config, exam, data) -> None:
    shown = [
        data.draw(st.sampled_from([None, "", "nonsense", "0" * 64, *(lockdown.key_hash(HERE, key) for key in known)]))
        for known in (config, exam)
    ]
    found = lockdown.outcome(Signal(HERE, *shown), Keys(config, exam), PLACE)
    real = [{lockdown.key_hash(HERE, key) for key in known} for known in (config, exam)]
    wanted = [(hashes, given) for hashes, given in zip(real, shown, strict=True) if hashes]
    proven = bool(wanted) and all(given in hashes for hashes, given in wanted)
    assert (found.state is LockdownState.VERIFIED) == proven
    wrong = any(given and given not in hashes for hashes, given in wanted)
    assert (found.state is LockdownState.TAMPERED) == wrong
    if not any(shown):
        assert found == Finding(LockdownState.NOT_DETECTED, LockdownCause.NO_SIGNAL)


@given(KEYS, st.text(max_size=40), st.text("0123456789abcdef", min_size=1, max_size=64))
def test_no_hash_of_another_address_is_ever_verified_here(key, tail, nonce) -> None:
    for url in (f"{SITE}/s/{nonce}", f"{SITE}/s/{NONCE}?session={nonce}", f"https://{tail}/s/{NONCE}", tail):
        found = lockdown.outcome(Signal(url, lockdown.key_hash(url, key)), Keys([key]), PLACE)
        at_home = lockdown.origin(url) == lockdown.origin(SITE) and lockdown.nonce_of(url) == NONCE
        assert (found.state is LockdownState.VERIFIED) == at_home


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        (HERE, LockdownCause.MATCHED),
        (f"{HERE}#anything?session={OTHER}", LockdownCause.MATCHED),
        (f"{SITE}:443/api/v1/sessions/probe/{NONCE}", LockdownCause.MATCHED),
        (f"HTTPS://EXAM.evalium.test/{NONCE}?lang=en", LockdownCause.MATCHED),
        (f"{SITE}/s/42?session={OTHER}", LockdownCause.OTHER_SESSION),
        (f"{SITE}/{NONCE}?session={OTHER}", LockdownCause.OTHER_SESSION),
        (f"{SITE}/s/42?session={NONCE}&session={OTHER}", LockdownCause.OTHER_SESSION),
        (f"{SITE}/{NONCE}/{OTHER}", LockdownCause.OTHER_SESSION),
        (f"{SITE}/s/42#session={NONCE}", LockdownCause.OTHER_SESSION),
        (f"{SITE}/", LockdownCause.OTHER_SESSION),
        (f"http://exam.evalium.test/{NONCE}", LockdownCause.OTHER_SITE),
        (f"{SITE}:444/{NONCE}", LockdownCause.OTHER_SITE),
        (f"{SITE}.example.org/{NONCE}", LockdownCause.OTHER_SITE),
        (f"https://exam.evalium.test@example.org/{NONCE}", LockdownCause.OTHER_SITE),
        (f"https://me@exam.evalium.test/{NONCE}", LockdownCause.OTHER_SITE),
        (f"https://[{NONCE}", LockdownCause.OTHER_SITE),
        (f"{SITE}:99999/{NONCE}", LockdownCause.OTHER_SITE),
        (f"data:text/html,{NONCE}", LockdownCause.OTHER_SITE),
        ("", LockdownCause.OTHER_SITE),
    ],
)
def test_the_address_decides_where_a_hash_counts(url: str, cause: LockdownCause) -> None:
    key = "0123456789abcdef" * 4
    found = lockdown.outcome(Signal(url, lockdown.key_hash(url, key)), Keys([key]), PLACE)
    state = LockdownState.VERIFIED if cause is LockdownCause.MATCHED else LockdownState.TAMPERED
    assert found == Finding(state, cause)


def test_what_cannot_be_checked_accuses_nobody() -> None:
    shown = lockdown.key_hash(HERE, NONCE)
    unchecked = Finding(LockdownState.NOT_DETECTED, LockdownCause.NO_KEYS)
    assert lockdown.outcome(Signal(HERE, shown), Keys(), PLACE) == unchecked
    half = Finding(LockdownState.NOT_DETECTED, LockdownCause.INCOMPLETE)
    assert lockdown.outcome(Signal(HERE, shown), Keys([NONCE], [OTHER]), PLACE) == half


def probed(seconds: int, state: LockdownState | None = LockdownState.VERIFIED, **more: Any) -> Any:
    """A session that was probed so many seconds after nine."""
    found: dict[str, Any] = {
        "probe_state": state,
        "probe_cause": LockdownCause.MATCHED,
        "probed_at": None if state is None else NINE + seconds * SECOND,
        "resumed_at": None,
        "paused_at": None,
        "ended_at": None,
    }
    return SimpleNamespace(**found | more)


@given(st.integers(0, 5000), st.sampled_from([None, *LockdownState]))
def test_what_was_verified_is_lost_by_silence_and_nothing_else_is(later, state) -> None:
    session, now = probed(0, state), NINE + later * SECOND
    shown = lockdown.state_of(session, CONFIG, now)
    if state is LockdownState.VERIFIED:
        assert (shown is LockdownState.VERIFIED) == (later < 330)
    else:
        assert shown is (state or LockdownState.NOT_DETECTED)
    if state is not None:
        assert lockdown.is_overdue(session, CONFIG, now) == (later >= 330)


def test_a_pause_and_an_end_stop_the_clock_of_the_probe() -> None:
    later = NINE + 4000 * SECOND
    assert lockdown.is_overdue(probed(0), CONFIG, later)
    assert not lockdown.is_overdue(probed(0, paused_at=NINE + 100 * SECOND), CONFIG, later)
    assert not lockdown.is_overdue(probed(0, resumed_at=later - 200 * SECOND), CONFIG, later)
    assert not lockdown.is_overdue(probed(0, ended_at=NINE + 100 * SECOND), CONFIG, later)
    assert lockdown.next_probe_at(probed(0), CONFIG) == NINE + 300 * SECOND


@given(st.sampled_from([None, *LockdownState]), st.integers(0, 5000), st.booleans(), st.sampled_from(RULES))
def test_a_start_is_refused_or_flagged_by_the_policy_and_else_let_through(state, later, waived, rule) -> None:
    config = SecurityConfig(lockdown_browser=rule[0], lockdown_failure=rule[1])
    session, now = probed(0, state, lockdown_waived_at=NINE if waived else None), NINE + later * SECOND
    found = lockdown_probe.gate(session, config, now)
    proven = state is LockdownState.VERIFIED and later < 330
    wanting = config.requires_lockdown and not waived and not proven
    assert (found.refused is not None) == (wanting and rule[1] is LockdownFailure.REFUSE_START)
    assert found.raises == (wanting and rule[1] is LockdownFailure.RAISE_EXCEPTION)


def test_it_is_told_in_words() -> None:
    assert lockdown.words_of(probed(0), CONFIG, NINE) == "Lockdown: Verified."
    assert (
        lockdown.words_of(probed(0), CONFIG, NINE + 330 * SECOND)
        == "Lockdown: Not detected: not heard since 09:00 UTC."
    )
    never = probed(0, None, probe_cause=None)
    assert lockdown.words_of(never, CONFIG, NINE) == "Lockdown: Not detected: it has not been checked yet."
    other = lockdown.words(LockdownState.TAMPERED, LockdownCause.OTHER_SESSION)
    assert other == "Lockdown: Tampered: what was shown was made in another session."


def test_keys_are_read_in_every_spelling_and_once() -> None:
    assert lockdown_keys.parsed([f" {NONCE.upper()} ", OTHER, NONCE], ["configKeys"]) == [NONCE, OTHER]
    assert len(lockdown_keys.parsed([f"{n:064x}" for n in range(20)], ["configKeys"])) == 20
    with pytest.raises(InvalidInput, match="21 keys"):
        lockdown_keys.parsed([f"{n:064x}" for n in range(21)], ["configKeys"])


@pytest.mark.parametrize("key", ["", NONCE[1:], NONCE + "a", "g" * 64, "é" * 64])
def test_what_is_no_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        lockdown_keys.parsed([OTHER, key], ["configKeys"])
    assert refused.value.path == ("configKeys", 1)
    assert not key or key not in refused.value.message
