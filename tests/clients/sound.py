"""Sound synchronous clients of different make: no law may fail any of them."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pybreaker
import requests
import stamina
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from tests.clients.base import (
    READ_S,
    RESET_S,
    Breaking,
    Circuit,
    Client,
    FallingBack,
    Retrying,
    breaks,
    retries,
)
from tests.clients.retries import Budgeted


class PlainHttpx(Client):
    """httpx.Client, nothing else."""

    runs_in = ("refuse", "hole", "slow", "steady", "lost_reply", "broken_answers", "refusals", "stalled_predictions")


class PlainRequests(Client):
    """requests.Session with a pool for all users and time-outs."""

    runs_in = ("refuse", "hole", "slow", "steady", "lost_reply", "broken_answers")
    policy = {"timeout": {"connect": READ_S, "read": READ_S}, "sessions": "one_per_user"}

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.http: Any = requests.Session()
        self.http.mount("http://", HTTPAdapter(pool_maxsize=200))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, self.base_url + path, json=body, timeout=(READ_S, READ_S))
        response.raise_for_status()
        return response.json()


class PlainUrllib3(Client):
    """urllib3.PoolManager without its own re-tries."""

    runs_in = ("refuse", "hole", "steady", "lost_reply")
    policy = {"timeout": {"connect": READ_S, "read": READ_S}, "sessions": "one_per_user"}

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.pool = urllib3.PoolManager(
            maxsize=200, retries=False, timeout=urllib3.Timeout(connect=READ_S, read=READ_S)
        )

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.pool.request(method, self.base_url + path, json=body)
        if response.status >= 400:
            raise requests.HTTPError(f"status {response.status}")
        return response.json()

    def close(self) -> None:
        self.pool.clear()


class RetriesByHand(Retrying):
    """Three attempts in a loop, full jitter, Retry-After."""

    runs_in = ("refuse", "burst", "crowd", "retry_after", "lost_reply", "hole", "refusals")


class RetriesByTenacity(Retrying):
    """tenacity with jitter and reraise, a copy for each call."""

    runs_in = ("refuse", "burst", "crowd", "retry_after", "lost_reply", "hole")

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        spread = tenacity.wait_random_exponential(multiplier=0.2, max=1.0)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(spread(state), self.asked(error) if isinstance(error, Exception) else 0.0)

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(3),
            wait=wait,
            retry=tenacity.retry_if_exception(lambda error: self.worth(op, error)),  # type: ignore[arg-type]
            reraise=True,
        )
        return retrying(self.send, method, path, body)


class RetriesByStamina(Retrying):
    """stamina: three attempts, waits up to 0.3 s."""

    runs_in = ("refuse", "burst", "crowd", "lost_reply", "hole")
    policy = retries(backoff={"initial": 0.3, "multiplier": 1.0, "max": 0.3, "jitter": "full"}, retry_after="ignore")

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        for attempt in stamina.retry_context(
            on=lambda error: self.worth(op, error),
            attempts=3,
            timeout=None,
            wait_initial=0.0,
            wait_jitter=0.3,
            wait_max=0.3,
        ):
            with attempt:
                return self.send(method, path, body)
        raise AssertionError("the last attempt returns or raises")


class RetriesWithBudget(Budgeted):
    """A token bucket bounds its re-tries to a tenth of its calls."""

    runs_in = ("refuse", "burst", "crowd", "now_and_then")


class BreaksByHand(Breaking):
    """A breaker of its own."""

    runs_in = ("refuse", "long_refuse", "burst", "slow_return", "slow", "refusals", "now_and_then", "hole")


class BreaksByPybreaker(Breaking):
    """pybreaker keeps count and state; calls run outside its lock, and one trial at a time."""

    runs_in = ("refuse", "long_refuse", "burst", "slow_return", "slow")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = pybreaker.CircuitBreaker(
            fail_max=5,
            reset_timeout=RESET_S,
            exclude=[lambda error: not Circuit().counts(error)],
            throw_new_error_on_trip=False,
        )
        self.opened_at = 0.0
        self.trying = False
        self.turn = 0

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        state = self.breaker.current_state
        if state == pybreaker.STATE_OPEN and time.monotonic() - self.opened_at >= RESET_S:
            self.breaker.half_open()
            state, self.turn, self.trying = pybreaker.STATE_HALF_OPEN, self.turn + 1, False
        if state == pybreaker.STATE_OPEN or (state == pybreaker.STATE_HALF_OPEN and self.trying):
            raise pybreaker.CircuitBreakerError("open")
        turn, self.trying = self.turn, state == pybreaker.STATE_HALF_OPEN
        try:
            found = self.send(method, path, body)
        except Exception as error:
            self.settle(turn, error)
            raise
        self.settle(turn, None)
        return found

    def settle(self, turn: int, error: Exception | None) -> None:
        """Replay the outcome to the breaker, unless its state has changed since."""
        if turn != self.turn:
            return
        before, self.trying = self.breaker.current_state, False

        def outcome() -> None:
            if error is not None:
                raise error

        try:
            self.breaker.call(outcome)
        except Exception as replayed:
            if replayed is not error:
                raise
        if self.breaker.current_state != before:
            self.turn += 1
            self.opened_at = time.monotonic()


class FallsBackForReads(FallingBack):
    """A marked, empty prediction of the healthy shape where KATO is unwell; all else raises."""

    runs_in = ("refuse", "burst", "refusals", "hole")


class RetriesThroughBreaker(Retrying, Breaking):
    """retry(breaker()): each attempt counts, and an open breaker ends the call at once."""

    runs_in = ("refuse", "long_refuse", "burst", "slow_return")
    policy = {**breaks(), **retries()}

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return self.circuit.call(lambda: super(Breaking, self).send(method, path, body))


class PoolForEachOperation(Client):
    """A client of its own for predictions."""

    runs_in = ("stalled_predictions", "steady", "refuse")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.reads = httpx.Client(base_url=base_url, timeout=READ_S, trust_env=False)

    def predict(self, session_id: str) -> Any:
        response = self.reads.get(f"/sessions/{session_id}/predictions")
        response.raise_for_status()
        return response.json()


class TwoSuccessesToClose(Breaking):
    """A breaker that closes after two trials in a row."""

    runs_in = ("refuse", "long_refuse", "slow_return")
    policy = breaks(success_threshold=2)

    class Careful(Circuit):
        wins = 0
        success_threshold = 2

        def succeeded(self) -> None:
            self.failures = 0
            if self.state == "half_open":
                self.wins += 1
                if self.wins >= 2:
                    self.become("closed")

        def become(self, state: str) -> None:
            super().become(state)
            self.wins = 0

    circuit_class = Careful
