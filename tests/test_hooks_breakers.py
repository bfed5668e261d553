"""Breakers within reach tell of their changes of state, in the harness's words."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiobreaker
import pybreaker
import pytest

from harness.integrations.breaker import Breaker, BreakerOpenError
from harness.load.hooks import listen


class States:
    """A recorder of state changes."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def breaker(self, name: str, previous: str, state: str) -> None:
        self.rows.append((name, previous, state))


def fail() -> None:
    raise ConnectionResetError


OPENED = [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


def test_pybreaker_is_heard() -> None:
    """closed → open → half_open → closed, under the breaker's own name."""
    states, breaker = States(), pybreaker.CircuitBreaker(fail_max=1, reset_timeout=0, name="kato")
    assert listen(states, [breaker]) == 1
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(fail)
    breaker.call(int)
    assert states.rows == [("kato", *change) for change in OPENED]


def test_aiobreaker_is_heard() -> None:
    """Its states are members of an enumeration."""
    states, breaker = States(), aiobreaker.CircuitBreaker(fail_max=1, timeout_duration=timedelta(microseconds=1))
    listen(states, [breaker])

    async def failing() -> None:
        raise ConnectionResetError

    with pytest.raises(aiobreaker.CircuitBreakerError):
        asyncio.run(breaker.call_async(failing))
    assert states.rows == [("breaker-0", "closed", "open")]


def test_our_own_breaker_is_heard_on_an_injected_clock() -> None:
    """The reference's breaker tells in the same shape, and its reset follows the clock that it is given."""
    now = [0.0]
    states, breaker = States(), Breaker(1, 60.0, lambda error: True, clock=lambda: now[0])
    listen(states, [breaker])
    with pytest.raises(ConnectionResetError):
        breaker.call(fail)
    with pytest.raises(BreakerOpenError):
        breaker.call(int)
    now[0] = 60.0
    breaker.call(int)
    assert [row[1:] for row in states.rows] == OPENED


def test_a_breaker_that_cannot_tell_is_left_alone() -> None:
    """Something with an add_listener of another meaning is not called."""

    class OtherBreaker:
        def add_listener(self, listener: Any) -> None:
            raise AssertionError("called")

    assert listen(States(), [OtherBreaker()]) == 0
