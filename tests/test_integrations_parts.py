"""The parts that corrected clients are made of, each by its own law, on injected clocks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.integrations import deadline
from harness.integrations.breaker import Breaker, BreakerOpenError
from harness.integrations.kato import BadAnswerError, checked
from harness.integrations.retrying import FullJitter, RetryBudget, retry_after


@given(
    ratio=st.floats(0, 1),
    per_second=st.floats(0, 5),
    steps=st.lists(st.tuples(st.floats(0, 2), st.integers(0, 3)), max_size=60),
)
def test_a_budget_holds_in_any_stretch_of_time(ratio: float, per_second: float, steps: list[tuple[float, int]]) -> None:
    """Re-tries never exceed ratio · calls + min_per_second · seconds + the one in hand."""
    now = 0.0
    budget = RetryBudget(ratio, per_second, lambda: now)
    retries = 0
    for calls, (wait, tries) in enumerate(steps, 1):
        now += wait
        budget.deposit()
        retries += sum(budget.withdraw() for _ in range(tries))
        assert retries <= ratio * calls + per_second * now + 1 + 1e-9


@given(retry=st.integers(1, 12), seed=st.integers(0, 1000))
def test_full_jitter_lies_between_nothing_and_the_exponential(retry: int, seed: int) -> None:
    """The wait before re-try i is at most initial · multiplier^(i−1), and never more than max."""
    jitter = FullJitter({"initial": 0.5, "multiplier": 2.0, "max": 8.0}, seed)
    assert 0.0 <= jitter.wait(retry) <= min(8.0, 0.5 * 2.0 ** (retry - 1))


NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-3", 0.0),
        (format_datetime(NOON + timedelta(seconds=5), usegmt=True), 6.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float) -> None:
    """A date is waited out with the second that its rounding may have cost; nonsense asks for nothing."""
    assert retry_after({"retry-after": value}, lambda: NOON) == seconds


def test_a_past_date_asks_for_nothing() -> None:
    """Retry-After in the past means now."""
    past = format_datetime(NOON - timedelta(seconds=60), usegmt=True)
    assert retry_after({"retry-after": past}, lambda: NOON) == 0.0


def test_an_inner_deadline_never_outlasts_the_outer() -> None:
    """Nested deadlines: the nearer one counts, and outside there is none."""
    with deadline.within(1.0), deadline.within(50.0):
        left = deadline.left()
        assert left is not None and left <= 1.0
        assert deadline.cut(0.25) == 0.25
    assert deadline.left() is None
    assert deadline.cut(3.0) == 3.0


def test_a_passed_deadline_refuses_to_wait() -> None:
    """With nothing left, no wait begins."""
    with deadline.within(0.0), pytest.raises(deadline.DeadlineError):
        deadline.cut(1.0)


def test_deadlines_belong_to_their_thread() -> None:
    """Another thread's call has its own."""
    seen: list[float | None] = []
    with deadline.within(1.0):
        thread = threading.Thread(target=lambda: seen.append(deadline.left()))
        thread.start()
        thread.join()
    assert seen == [None]


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def breaker_at(now: list[float], **more: int) -> Breaker:
    """Counts ConnectionError, takes KeyError for an answer, and hears nothing from anything else."""

    def counts(error: BaseException) -> bool | None:
        return True if isinstance(error, ConnectionError) else False if isinstance(error, KeyError) else None

    return Breaker(3, 10.0, counts, clock=lambda: now[0], **more)


def fail(breaker: Breaker, error: BaseException, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            breaker.call(failing(error))


def test_only_counted_errors_in_a_row_open_it() -> None:
    """An answer, even a refusal, starts the count anew; what says nothing leaves it."""
    breaker = breaker_at([0.0])
    fail(breaker, ConnectionError(), 2)
    fail(breaker, KeyError())
    fail(breaker, ConnectionError(), 2)
    fail(breaker, RuntimeError(), 5)
    assert breaker.current_state == "closed"
    fail(breaker, ConnectionError())
    assert breaker.current_state == "open"


def test_the_trial_that_says_nothing_gives_its_place_back() -> None:
    """A cancelled trial neither closes nor opens; the next call is the trial."""
    now = [0.0]
    breaker = breaker_at(now)
    fail(breaker, ConnectionError(), 3)
    now[0] = 10.0
    fail(breaker, KeyboardInterrupt())
    assert breaker.current_state == "half_open"
    breaker.call(int)
    assert breaker.current_state == "closed"


def test_more_successes_can_be_asked_for() -> None:
    """With success_threshold 2 it closes on the second trial."""
    now = [0.0]
    breaker = breaker_at(now, success_threshold=2)
    fail(breaker, ConnectionError(), 3)
    now[0] = 10.0
    breaker.call(int)
    assert breaker.current_state == "half_open"
    breaker.call(int)
    assert breaker.current_state == "closed"


def test_a_second_call_during_the_trial_is_refused() -> None:
    """While the one trial is under way, others are refused without being tried."""
    now = [0.0]
    breaker = breaker_at(now)
    fail(breaker, ConnectionError(), 3)
    now[0] = 10.0

    def trial() -> None:
        with pytest.raises(BreakerOpenError):
            breaker.call(failing(AssertionError("tried")))

    breaker.call(trial)
    assert breaker.current_state == "closed"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/sessions/s/predictions", []),
        ("/sessions/s/predictions", {"count": 0}),
        ("/sessions/s/observe", {"status": 1}),
    ],
)
def test_what_is_no_answer_of_katos_is_refused(path: str, answer: object) -> None:
    """Neither another type nor an object without its key passes."""
    with pytest.raises(BadAnswerError):
        checked(path, answer)
