"""Defects where few look, each beside a sound client of the same make: in a library's layer, in what requests carry, in
the last attempt, in a retry that nobody speaks of."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from tests.clients.base import (
    READ_S,
    RESET_S,
    Breaking,
    Circuit,
    CircuitOpenError,
    Client,
    Retrying,
    breaks,
    retries,
    timeouts,
)

REQUESTS = {"timeout": {"connect": READ_S, "read": READ_S}, "sessions": "one_per_user"}


class OneLayer(Client):
    """requests, predictions tried three times by hand after refused connections, and nothing below that."""

    runs_in = ("refuse", "burst", "steady", "hole")
    policy = {**REQUESTS, "retry": {"max_attempts": 3, "on": ["connect_error"], "calls": ["predict"], "reraise": True}}
    below = 0

    def __init__(self, base_url: str) -> None:
        again = urllib3.Retry(total=self.below, read=False, backoff_factor=0.1, backoff_jitter=0.1)
        self.base_url = base_url
        self.http: Any = requests.Session()
        self.http.mount("http://", HTTPAdapter(pool_maxsize=200, max_retries=again))

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        for _ in range(2 if op == "predict" else 0):
            try:
                return self.send(method, path, body)
            except requests.ConnectionError as error:
                if isinstance(error, requests.Timeout) or "refused" not in str(error):
                    raise
                time.sleep(0.1)
        return self.send(method, path, body)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, self.base_url + path, json=body, timeout=self.waits(method))
        response.raise_for_status()
        return response.json()

    def waits(self, method: str) -> Any:
        """The time-out that goes with a request."""
        return READ_S, READ_S


class TwoLayers(OneLayer):
    """Declares its adapter's three attempts, and predictions are tried three times by hand above it: nine."""

    runs_in, law = ("refuse",), "R1"
    policy = {**REQUESTS, "retry": {"max_attempts": 3, "on": ["connect_error", "connect_timeout"], "reraise": True}}
    below = 2


class PatientReader(OneLayer):
    """Observes carry the time-out that is promised, predictions none: they may take long, somebody thought."""

    runs_in, law = ("hole",), "T1"

    def waits(self, method: str) -> Any:
        return None if method == "GET" else (READ_S, READ_S)


class CutToTheRest(Retrying):
    """The client is made with httpx's default; every request carries what is left of the total, READ_S at most."""

    runs_in = ("hole", "refuse", "slow", "retry_after")
    policy = retries(total=2.5)
    timeout = 5.0
    total = 2.5

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        end = time.monotonic() + self.total
        for attempt in range(1, self.attempts + 1):
            try:
                return self.within(end, method, path, body)
            except Exception as error:
                wait = max(self.wait(attempt), self.asked(error))
                if attempt == self.attempts or not self.worth(op, error) or time.monotonic() + wait >= end:
                    raise
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def within(self, end: float, method: str, path: str, body: Any) -> Any:
        """One attempt that ends when the call has to."""
        response = self.http.request(method, path, json=body, timeout=self.step(end))
        response.raise_for_status()
        return response.json()

    def step(self, end: float) -> float:
        """Seconds for each step of one attempt."""
        return min(READ_S, max(end - time.monotonic(), 0.001))


class LastAttemptUncut(CutToTheRest):
    """It looks at the total before it tries again, and then waits as long as ever."""

    runs_in, law = ("hole",), "R11"

    def step(self, end: float) -> float:
        return READ_S


class Speaking(Breaking):
    """Its breaker has no error of its own, and says so in words."""

    runs_in = ("refuse", "long_refuse", "slow_return", "burst")

    class circuit_class(Circuit):  # noqa: N801 - the attribute's name
        def reject(self) -> None:
            raise RuntimeError("the circuit is open")


class UnspokenRetry(Breaking):
    """Nobody says that predictions are tried again, also while the breaker is open."""

    runs_in, law = ("refuse",), "R10"

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        for attempt in range(3):
            try:
                return super().call(op, method, path, body)
            except Exception as error:
                if attempt == 2 or op != "predict" or not self.again(error):
                    raise
                time.sleep(0.1 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def again(self, error: Exception) -> bool:
        """Whether the failure is tried again."""
        return isinstance(error, CircuitOpenError) or bool(self.circuit.counts(error))


class UnspokenRetryStops(UnspokenRetry):
    """The same, but a rejection is final."""

    runs_in, law = ("refuse", "burst", "long_refuse"), ""

    def again(self, error: Exception) -> bool:
        return bool(self.circuit.counts(error))


RATIO = {"failure_ratio": 0.5, "window": 5.0, "min_calls": 20, "reset_timeout": RESET_S}


class RatioCircuit(Circuit):
    """Opens when half of the last five seconds' calls failed, and at least twenty came."""

    ratio = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.ended: deque[tuple[float, bool]] = deque()

    def failed(self) -> None:
        self.note(True)

    def succeeded(self) -> None:
        self.note(False)

    def note(self, failed: bool) -> None:
        """One more call has ended."""
        now = time.monotonic()
        if self.state == "half_open":
            self.ended.clear()
            self.become("open" if failed else "closed")
            return
        self.ended.append((now, failed))
        while self.ended[0][0] < now - 5.0:
            self.ended.popleft()
        if len(self.ended) >= 20 and sum(bad for _, bad in self.ended) >= self.ratio * len(self.ended):
            self.become("open")


class OpensOnHalf(Breaking):
    """A breaker on a ratio, as it is declared."""

    runs_in = ("now_and_then", "refuse", "burst", "slow_return")
    policy = {**timeouts(), "breaker": RATIO}
    circuit_class = RatioCircuit


class OpensOnAFifth(OpensOnHalf):
    """A fifth of the calls opens it, where half is declared."""

    runs_in, law = ("now_and_then",), "B2"

    class circuit_class(RatioCircuit):  # noqa: N801 - the attribute's name
        ratio = 0.2


class ThreeTrials(Breaking):
    """Three trials at once when half-open; the first that fails opens it again."""

    runs_in = ("hole", "refuse", "slow_return", "long_refuse")
    policy = breaks(half_open_trials=3)

    class circuit_class(Circuit):  # noqa: N801 - the attribute's name
        trials = 3
