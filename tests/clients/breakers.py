"""Clients with one defect in their breaker: B1 to B9."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pybreaker

from tests.clients.base import EVERYTHING, RESET_S, Breaking, Circuit, breaks


class OpensTooLate(Breaking):
    """Promises five failures, and opens after twelve."""

    runs_in, law = ("refuse",), "B1"

    class Late(Circuit):
        fail_max = 12

    circuit_class = Late


class TriesTooEarly(Breaking):
    """Promises to stay open for three seconds, and stays for one."""

    runs_in, law = ("refuse",), "B1"

    class Early(Circuit):
        reset_s = 1.0

    circuit_class = Early


class BreakerPerCall(Breaking):
    """Makes a breaker for each call: none of them ever sees five failures."""

    runs_in, law = ("refuse",), "B1"

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return Circuit().call(lambda: self.send(method, path, body))


class CountsTimeoutsOnly(Breaking):
    """Takes a refused connection for nothing."""

    runs_in, law = ("refuse",), "B1"

    class Blind(Circuit):
        def counts(self, error: BaseException) -> bool | None:
            return isinstance(error, httpx.TimeoutException)

    circuit_class = Blind


class CountsTwice(Breaking):
    """Counts each failure twice: where it is caught, and where it is logged."""

    runs_in, law = ("refuse",), "B2"

    class Twice(Circuit):
        def failed(self) -> None:
            self.failures += 1
            super().failed()

    circuit_class = Twice


class NeverForgets(Breaking):
    """Successes don't reset the count."""

    runs_in, law = ("now_and_then",), "B2"

    class Remembering(Circuit):
        def succeeded(self) -> None:
            if self.state == "half_open":
                self.become("closed")

    circuit_class = Remembering


class FiveHundredsAreFine(Breaking):
    """Takes 5xx for a sound answer (finding 2, by hand)."""

    runs_in, law = ("burst",), "B3"

    class Fine(Circuit):
        def counts(self, error: BaseException) -> bool | None:
            return False if isinstance(error, httpx.HTTPStatusError) else super().counts(error)

    circuit_class = Fine


class ExcludesStatusErrors(Breaking):
    """pybreaker with a predicate that excludes HTTPStatusError, KATO's 503 with its 422 (finding 2)."""

    runs_in, law = ("burst",), "B3"

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        excluded = [lambda error: isinstance(error, httpx.HTTPStatusError)]
        self.breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=RESET_S, exclude=excluded)

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.breaker.call(self.send, method, path, body)


class CountsRefusals(Breaking):
    """Opens on answers of 4xx: one caller's mistakes shut out all others."""

    runs_in, law = ("refusals",), "B3"

    class Touchy(Circuit):
        def counts(self, error: BaseException) -> bool | None:
            return isinstance(error, httpx.HTTPStatusError) or super().counts(error)

    circuit_class = Touchy


class SlowRejection(Breaking):
    """A rejected call writes its report first."""

    runs_in, law = ("refuse",), "B4"

    class Slow(Circuit):
        def reject(self) -> None:
            time.sleep(0.03)
            super().reject()

    circuit_class = Slow


class CrowdedTrial(Breaking):
    """Half-open, it lets everybody through."""

    runs_in, law = ("slow_return",), "B5"

    class Crowded(Circuit):
        trials = 1000

    circuit_class = Crowded


class CallingTrial(Breaking):
    """`with breaker.calling()` unlocks before the call: every caller is a trial."""

    runs_in, law = ("slow_return",), "B5"
    policy = breaks(counts=EVERYTHING)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=RESET_S, throw_new_error_on_trip=False)

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        with self.breaker.calling():
            return self.send(method, path, body)


class FiveTrials(Breaking):
    """A failed trial is one failure of five: it opens again after the fifth."""

    runs_in, law = ("long_refuse",), "B6"

    class Patient(Circuit):
        trials = 1

        def failed(self) -> None:
            self.failures += 1
            if self.failures >= self.fail_max:
                self.become("open")

    circuit_class = Patient


class ClosesOnAnyTrial(Breaking):
    """A trial closes it, however it ended."""

    runs_in, law = ("long_refuse",), "B6"

    class Hopeful(Circuit):
        def failed(self) -> None:
            if self.state == "half_open":
                self.become("closed")
            else:
                super().failed()

    circuit_class = Hopeful


class NeverTries(Breaking):
    """Once open it stays open."""

    runs_in, law = ("refuse",), "B7"

    class Final(Circuit):
        reset_s = 3600.0

    circuit_class = Final
    policy = breaks()


class StuckHalfOpen(Breaking):
    """A trial that fails gives its place back to nobody: half-open for ever."""

    runs_in, law = ("refuse",), "B7"

    class Stuck(Circuit):
        def settle(self, turn: int, failed: bool | None) -> None:
            if self.state == "half_open" and failed:
                return
            super().settle(turn, failed)

    circuit_class = Stuck


class LockedCall(Breaking):
    """Holds its lock during the call."""

    runs_in, law = ("slow",), "B8"

    class Locked(Circuit):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.RLock()

        def call(self, function: Callable[[], Any]) -> Any:
            with self.lock:
                return super().call(function)

    circuit_class = Locked


class DecoratedCall(Breaking):
    """pybreaker's decorator, which holds the breaker's lock during the call (finding 3)."""

    runs_in, law = ("slow",), "B8"
    policy = breaks(counts=EVERYTHING)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=RESET_S, throw_new_error_on_trip=False)
        self.guarded = self.breaker(self.send)

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.guarded(method, path, body)
