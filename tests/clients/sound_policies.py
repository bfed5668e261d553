"""Sound clients whose breakers and retries have unusual forms. No law may fail any of them."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import gevent.lock
import httpx

from tests.clients.base import (
    RESET_S,
    Breaking,
    Circuit,
    CircuitOpenError,
    Client,
    FallingBack,
    Retrying,
    Substitute,
    breaks,
    retries,
    timeouts,
)


class BreakerAroundRetries(Retrying, Breaking):
    """breaker(retry()): a call with all its attempts counts as one."""

    runs_in = ("refuse", "long_refuse", "burst", "slow_return")
    policy = {**breaks(), **retries()}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.circuit.call(lambda: Retrying.call(self, op, method, path, body))


class BreakerForEachOperation(Breaking):
    """Observes and predictions each have a breaker of their own."""

    runs_in = ("refuse", "long_refuse", "burst", "slow_return", "stalled_predictions")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.circuits: dict[str, Circuit] = {}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        circuit = self.circuits.setdefault(op, Circuit())
        return circuit.call(lambda: self.send(method, path, body))


class Share(Circuit):
    """Opens when half of at least ten calls of the last four seconds failed."""

    def __init__(self) -> None:
        super().__init__()
        self.recent: deque[tuple[float, bool]] = deque()

    def settle(self, turn: int, failed: bool | None) -> None:
        if turn == self.turn and failed is not None:
            self.recent.append((time.monotonic(), failed))
        super().settle(turn, failed)

    def failed(self) -> None:
        while self.recent and self.recent[0][0] < time.monotonic() - 4.0:
            self.recent.popleft()
        bad = sum(failed for _, failed in self.recent)
        if self.state == "half_open" or (len(self.recent) >= 10 and 2 * bad >= len(self.recent)):
            self.become("open")

    def become(self, state: str) -> None:
        super().become(state)
        self.recent.clear()


class BreaksByShare(Breaking):
    """A breaker by the share of failures in a window."""

    runs_in = ("refuse", "long_refuse", "burst", "slow_return", "now_and_then")
    policy = {
        **timeouts(),
        "breaker": {
            "failure_ratio": 0.5,
            "window": 4.0,
            "min_calls": 10,
            "reset_timeout": RESET_S,
            "counts": ["connect_error", "timeout", "reset", "protocol_error", "5xx"],
            "half_open_trials": 1,
            "success_threshold": 1,
        },
    }
    circuit_class = Share


class DecorrelatedJitter(Retrying):
    """Each wait is drawn between the first one and three times the one before."""

    runs_in = ("refuse", "crowd", "hole", "burst")
    policy = retries(
        backoff={"initial": 0.1, "multiplier": 3.0, "max": 1.0, "jitter": "decorrelated"}, retry_after="ignore"
    )

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        wait = 0.1
        for attempt in range(1, self.attempts + 1):
            try:
                return self.send(method, path, body)
            except Exception as error:
                if attempt == self.attempts or not self.worth(op, error):
                    raise
                wait = min(random.uniform(0.1, 3 * wait), 1.0)
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


class EqualJitter(Retrying):
    """Half of each wait is fixed, half is drawn."""

    runs_in = ("refuse", "crowd", "burst")
    policy = retries(backoff={"initial": 0.2, "multiplier": 2.0, "max": 1.0, "jitter": "equal"}, retry_after="honour")

    def wait(self, attempt: int) -> float:
        longest = min(0.2 * 2.0 ** (attempt - 1), 1.0)
        return random.uniform(longest / 2, longest)


class GivesUpOnLongRetryAfter(Retrying):
    """An answer that asks for more than half a second ends the call: its user doesn't wait that long."""

    runs_in = ("retry_after", "burst")

    def worth(self, op: str, error: Exception) -> bool:
        return self.asked(error) <= 0.5 and super().worth(op, error)


class ReadsBackBeforeRepeating(Retrying):
    """After a lost answer it counts the session's events, and observes again only if the event isn't there."""

    runs_in = ("lost_reply", "refuse", "steady")

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        before = self.length(session_id)
        try:
            return super().observe(session_id, observation)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if self.length(session_id) > before:
                raise
            return super().observe(session_id, observation)

    def length(self, session_id: str) -> int:
        return len(self.call("stm", "GET", f"/sessions/{session_id}/stm")["stm"])


class Queued(Substitute):
    """What an observe is answered with that was put aside."""


class SpoolsWrites(FallingBack):
    """An observe that can't be sent is put aside, and sent in order, one by one, before newer ones of its session."""

    runs_in = ("refuse", "long_refuse", "steady")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.aside: dict[str, deque[Any]] = {}
        self.healthy: dict[str, Any] = {}
        self.worker = gevent.spawn(self.replay)

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        path = f"/sessions/{session_id}/observe"
        waiting = self.aside.setdefault(path, deque())
        if waiting:
            waiting.append(dict(observation))
            return Queued(self.healthy)
        try:
            found = self.circuit.call(lambda: self.send("POST", path, dict(observation)))
        except (httpx.ConnectError, httpx.ConnectTimeout, CircuitOpenError):
            waiting.append(dict(observation))
            return Queued(self.healthy)
        self.healthy = dict(found)
        return found

    def replay(self) -> None:
        while True:
            gevent.sleep(0.05)
            for path, waiting in list(self.aside.items()):
                if waiting and self.sent(path, waiting[0]):
                    waiting.popleft()
                    gevent.sleep(0.05)

    def sent(self, path: str, observation: Any) -> bool:
        """Whether it needn't be sent again: it was, or nobody knows."""
        try:
            self.circuit.call(lambda: self.send("POST", path, observation))
        except (httpx.ConnectError, httpx.ConnectTimeout, CircuitOpenError):
            return False
        except httpx.HTTPError:
            return True
        return True

    def close(self) -> None:
        self.worker.kill()
        super().close()


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that keeps its breaker to itself."""
    circuit = Circuit()

    def inner(*arguments: Any) -> Any:
        return circuit.call(lambda: function(*arguments))

    return inner


class DecoratedInside(Client):
    """The breaker lives in a decorator's closure, made for each client."""

    runs_in = ("refuse", "burst", "slow_return")
    policy = breaks()

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.guarded = guarded(self.send)

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.guarded(method, path, body)
