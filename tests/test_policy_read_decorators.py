"""Promises read from decorators: re-tries, breakers, and the order in which they are put on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiobreaker
import circuitbreaker
import httpx
import pybreaker
import pytest
import stamina
import tenacity
from policy_holders import Holder, client_with, read

from harness.policy.read import breakers_of, read_policy


def retry_of(**settings: Any) -> dict[str, Any]:
    return read_policy(client_with(tenacity.retry(**settings)))["retry"]  # type: ignore[no-any-return]


def test_tenacitys_decorator_is_read_through_the_method() -> None:
    """Stop, wait, retry and reraise, for the operations that carry the decorator."""
    retry = retry_of(
        stop=tenacity.stop_after_attempt(4) | tenacity.stop_after_delay(30),
        wait=tenacity.wait_exponential(multiplier=1, max=10),
        retry=tenacity.retry_if_exception_type((httpx.ConnectError, httpx.TimeoutException)),
        reraise=True,
    )
    assert retry == {
        "max_attempts": 4,
        "on": ["timeout", "connect_error", "pool_timeout"],
        "reraise": True,
        "backoff": {"initial": 1.0, "multiplier": 2.0, "jitter": "none", "max": 10.0},
        "calls": ["observe", "predict"],
    }


WAITS: list[tuple[Any, dict[str, Any]]] = [
    (tenacity.wait_fixed(2), {"initial": 2.0, "multiplier": 1.0, "jitter": "none"}),
    (tenacity.wait_fixed(timedelta(seconds=2)), {"initial": 2.0, "multiplier": 1.0, "jitter": "none"}),
    (
        tenacity.wait_exponential(multiplier=1, min=2, max=10),
        {"initial": 2.0, "multiplier": 1.0, "jitter": "none", "max": 10.0},
    ),
    (
        tenacity.wait_random_exponential(multiplier=0.5, max=8),
        {"initial": 0.5, "multiplier": 2.0, "jitter": "full", "max": 8.0},
    ),
    (
        tenacity.wait_exponential_jitter(initial=1, max=9, jitter=0.5),
        {"initial": 1.0, "multiplier": 2.0, "jitter": "added", "spread": 0.5, "max": 9.0},
    ),
    (tenacity.wait_random(0, 3), {"initial": 3.0, "multiplier": 1.0, "jitter": "full"}),
    (tenacity.wait_random(1, 3), {"initial": 1.0, "multiplier": 1.0, "jitter": "added", "spread": 2.0}),
    (tenacity.wait_random(3, 3), {"initial": 3.0, "multiplier": 1.0, "jitter": "none"}),
    (
        tenacity.wait_fixed(1) + tenacity.wait_random(1, 2),
        {"initial": 2.0, "multiplier": 1.0, "jitter": "added", "spread": 1.0},
    ),
    (
        tenacity.wait_fixed(1) + tenacity.wait_random(0, 2),
        {"initial": 1.0, "multiplier": 1.0, "jitter": "added", "spread": 2.0},
    ),
    (
        tenacity.wait_exponential(multiplier=0.5, max=4) + tenacity.wait_random(0, 2),
        {"initial": 0.5, "multiplier": 2.0, "jitter": "added", "spread": 2.0, "max": 6.0},
    ),
    (
        tenacity.wait_fixed(1) + tenacity.wait_random_exponential(multiplier=0.5, max=4),
        {"initial": 1.5, "multiplier": 2.0, "jitter": "full"},
    ),
    (tenacity.wait_none(), {"initial": 0.0, "multiplier": 1.0, "jitter": "none"}),
    (
        tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(3)),
        {"initial": 1.0, "multiplier": 3.0, "jitter": "none"},
    ),
]


@pytest.mark.parametrize(("wait", "backoff"), WAITS, ids=lambda case: type(case).__name__)
def test_every_wait_of_tenacity_becomes_a_backoff(wait: Any, backoff: dict[str, Any]) -> None:
    """The waits that can come in three attempts: 2 s and 2 s of the guide's exponential are no growth."""
    assert retry_of(stop=tenacity.stop_after_attempt(3), wait=wait)["backoff"] == backoff


def test_a_predicate_is_not_guessed() -> None:
    """What a retry on a predicate repeats only running it would tell; the client is not called."""

    def predicate(error: BaseException) -> bool:
        raise AssertionError("called")

    assert "on" not in retry_of(retry=tenacity.retry_if_exception(predicate))


def test_retry_on_everything_but_some_is_the_rest() -> None:
    """retry_if_not_exception_type leaves out what it names."""
    words = retry_of(retry=tenacity.retry_if_not_exception_type(httpx.HTTPStatusError))["on"]
    assert {"connect_error", "timeout", "client_bug"} <= set(words)


def test_staminas_decorator_is_read() -> None:
    """stamina keeps its settings in the wrapper's closure."""
    policy = read_policy(
        client_with(stamina.retry(on=httpx.ReadTimeout, attempts=5, wait_initial=0.2, wait_max=3, wait_jitter=0.3))
    )
    assert policy["retry"] == {
        "max_attempts": 5,
        "on": ["read_timeout"],
        "reraise": True,
        "backoff": {"initial": 0.2, "multiplier": 2.0, "jitter": "added", "spread": 0.3, "max": 3.0},
        "calls": ["observe", "predict"],
    }


def test_the_guides_breaker_is_read_with_what_it_excludes() -> None:
    """HTTPStatusError excluded: statuses are not counted, all else is."""
    breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=60, exclude=[httpx.HTTPStatusError])
    found = read_policy(client_with(breaker))["breaker"]
    assert (found["fail_max"], found["reset_timeout"], found["success_threshold"]) == (5, 60.0, 1)
    assert "timeout" in found["counts"] and not {"4xx", "5xx"} & set(found["counts"])


def test_aiobreaker_and_circuitbreaker_are_read() -> None:
    """Their own names for the same settings; circuitbreaker counts what it expects."""
    asynchronous = aiobreaker.CircuitBreaker(fail_max=3, timeout_duration=timedelta(seconds=20))
    assert {"fail_max": 3, "reset_timeout": 20.0}.items() <= read_policy(client_with(asynchronous))["breaker"].items()
    third = circuitbreaker.CircuitBreaker(
        failure_threshold=4, recovery_timeout=30, expected_exception=httpx.ConnectError
    )
    assert read_policy(client_with(third))["breaker"] == {
        "fail_max": 4,
        "reset_timeout": 30.0,
        "counts": ["connect_error"],
    }


def test_a_hand_written_breaker_is_known_by_its_names() -> None:
    """A class called a breaker with a threshold and a time is one."""

    class KatoBreaker:
        def __init__(self) -> None:
            self.max_failures = 6
            self.open_seconds = 12

    breaker = KatoBreaker()
    assert read(breaker)["breaker"] == {"fail_max": 6, "reset_timeout": 12.0}
    assert breakers_of(Holder(guard=breaker)) == (breaker,)


def test_composition_is_read_from_the_order_of_decorators() -> None:
    """retry(breaker()) and breaker(retry()) promise different things."""
    breaker = pybreaker.CircuitBreaker()
    retry = tenacity.retry(stop=tenacity.stop_after_attempt(3))
    assert read_policy(client_with(lambda f: retry(breaker(f))))["composition"] == "retry(breaker)"
    assert read_policy(client_with(lambda f: breaker(retry(f))))["composition"] == "breaker(retry)"


def test_layers_of_retries_multiply() -> None:
    """Three attempts of tenacity over a transport that connects twice are six."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=1)) as client:
        decorated = client_with(tenacity.retry(stop=tenacity.stop_after_attempt(3)))
        decorated.client = client
        assert read_policy(decorated)["retry"]["max_attempts"] == 6
