"""The guide's pybreaker client, corrected.

pybreaker counts and keeps the state, but its lock is never held during a call: a call is made first and its outcome
is then replayed under the breaker. Half-open lets one trial through; time is monotonic; 5xx count; pool time-outs,
cancellations and bugs don't; what ends after the state changed says nothing. Observations that fail raise;
predictions fall back to a marked answer of the healthy shape, for failures of the server only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from pybreaker import STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker, CircuitBreakerError

from harness.integrations.deadline import within
from harness.integrations.kato import (
    SESSIONS_PATH,
    learn_path,
    observe_path,
    predictions_path,
    session_body,
)
from harness.integrations.wire_httpx import HttpxWire


def of_the_server(error: BaseException) -> bool | None:
    """Whether an error is a failure of the server: True, or False for its sound refusal, or None: it says nothing."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    if isinstance(error, (httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
        return None
    return True if isinstance(error, (httpx.TransportError, TimeoutError)) else None


class UnlockedBreaker:
    """A pybreaker CircuitBreaker around calls that run outside its lock."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker
        self._lock = threading.Lock()
        self._generation = 0
        self._opened_at = 0.0
        self._trial = False

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises; CircuitBreakerError at once while the breaker is open."""
        generation = self._admit()
        try:
            result = function(*arguments)
        except BaseException as error:
            self._settle(generation, error)
            raise
        self._settle(generation, None)
        return result

    def _admit(self) -> int:
        with self._lock:
            state = self.breaker.current_state
            if state == STATE_OPEN and time.monotonic() - self._opened_at >= self.breaker.reset_timeout:
                self.breaker.half_open()
                self._trial = False
                self._generation += 1
                state = STATE_HALF_OPEN
            if state == STATE_OPEN or (state == STATE_HALF_OPEN and self._trial):
                raise CircuitBreakerError("Timeout not elapsed yet, circuit breaker still open")
            self._trial = state == STATE_HALF_OPEN
            return self._generation

    def _settle(self, generation: int, error: BaseException | None) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._trial = False
            if error is not None and of_the_server(error) is None:
                return
            before = self.breaker.current_state
            self._replay(error)
            if self.breaker.current_state != before:
                self._generation += 1
                self._opened_at = time.monotonic()

    def _replay(self, error: BaseException | None) -> None:
        """Tell the breaker how the call went, by a call that ends that way at once."""

        def outcome() -> None:
            if error is not None:
                raise error

        trace = error.__traceback__ if error is not None else None
        try:
            self.breaker.call(outcome)
        except BaseException as replayed:
            # with throw_new_error_on_trip off, the breaker raises what it was given and nothing else
            if replayed is not error:
                raise
            replayed.__traceback__ = trace


class Degraded(dict[str, Any]):
    """A prediction that KATO did not make: keys and types of a real one, nothing predicted."""


_NO_PREDICTIONS: Mapping[str, Any] = {
    "predictions": [],
    "future_potentials": None,
    "session_id": "",
    "processor_id": None,
    "count": 0,
    "time": None,
    "unique_id": None,
}
"""Contract, section 1."""


class FixedPybreaker:
    """Calls end within `timeout.total`, are refused at once while the breaker is open, and are never re-sent."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._total = policy["timeout"]["total"]
        self._wire = HttpxWire(base_url, policy["timeout"], headers)
        self.breaker = CircuitBreaker(
            fail_max=policy["breaker"]["fail_max"],
            reset_timeout=policy["breaker"]["reset_timeout"],
            success_threshold=policy["breaker"]["success_threshold"],
            exclude=[lambda error: not of_the_server(error)],
            throw_new_error_on_trip=False,
        )
        self._guard = UnlockedBreaker(self.breaker)
        self._healthy: Mapping[str, Any] = _NO_PREDICTIONS
        self.inspect = (self.breaker, self._wire.client)

    def open_session(self, node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> str:
        return str(self._send("POST", SESSIONS_PATH, session_body(node_id, config, ttl))["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send("POST", observe_path(session_id), dict(observation))

    def learn(self, session_id: str) -> Any:
        return self._send("POST", learn_path(session_id))

    def predict(self, session_id: str) -> Any:
        """Predictions, or a Degraded answer where the server failed or is left alone."""
        try:
            answer = self._send("GET", predictions_path(session_id))
        except CircuitBreakerError:
            return self._fallback(session_id)
        except (httpx.HTTPError, TimeoutError) as error:
            if of_the_server(error):
                return self._fallback(session_id)
            raise
        self._healthy = answer
        return answer

    def _send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        with within(self._total):
            return self._guard.call(self._wire.send, method, path, body)  # type: ignore[no-any-return]

    def _fallback(self, session_id: str) -> Degraded:
        """Keys and types of the last real answer, without its content."""
        blank = {key: type(value)() if value is not None else None for key, value in self._healthy.items()}
        return Degraded({**blank, "session_id": session_id})

    def degraded(self, result: Any) -> bool:
        """Whether it is the fallback."""
        return isinstance(result, Degraded)

    def close(self) -> None:
        self._wire.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> FixedPybreaker:
    """The integration `fixed-pybreaker`; durations of `policy` in seconds."""
    return FixedPybreaker(base_url, policy, headers or {})
