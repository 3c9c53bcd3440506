import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attempts import MOST_FAILURES, WINDOW_SECONDS, Attempts
from services.refusals import RateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ten_failures_a_minute_and_then_a_wait_that_is_told() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(MOST_FAILURES):
        attempts.check("invitation", "a")
        attempts.failed("invitation", "a")
        clock.now += 1
    for act in (attempts.check, attempts.failed):
        with pytest.raises(RateLimited) as refusal:
            act("invitation", "a")
        assert refusal.value.retry_after_seconds == WINDOW_SECONDS - MOST_FAILURES
    attempts.check("invitation", "b")
    attempts.check("address", "a")
    clock.now += WINDOW_SECONDS - MOST_FAILURES
    attempts.check("invitation", "a")
    attempts.failed("invitation", "a")


def test_twins_that_failed_at_once_learn_no_more_than_ten_reasons() -> None:
    attempts = Attempts(Clock())
    for _ in range(50):
        attempts.check("invitation", "a")  # all of them are on their way
    told = 0
    for _ in range(50):
        try:
            attempts.failed("invitation", "a")
            told += 1
        except RateLimited:
            pass
    assert told == MOST_FAILURES


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 90)), max_size=120))
def test_no_window_holds_more_than_ten(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    attempts = Attempts(clock)
    told: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for target, pause in steps:
        clock.now += pause
        try:
            attempts.failed(target)
            told[target].append(clock.now)
        except RateLimited:
            pass
    for times in told.values():
        for first, eleventh in zip(times, times[MOST_FAILURES:], strict=False):
            assert eleventh > first


def test_the_memory_of_many_targets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.attempts._MOST_TARGETS", 5)
    attempts = Attempts(Clock())
    for number in range(50):
        attempts.failed(str(number))
    assert len(attempts._windows) == 5
