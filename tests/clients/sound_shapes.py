"""Sound clients of unusual shape: owners of sessions, factories, bulkheads, caches. No law may fail any of them."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar

import gevent.lock
import httpx

from tests.clients.base import (
    READ_S,
    RESET_S,
    Breaking,
    Circuit,
    CircuitOpenError,
    Client,
    FallingBack,
    Plain,
    Retrying,
    Substitute,
    breaks,
    retries,
    timeouts,
)


class OwnsItsSessions(Plain):
    """Opens a user's session with the first call, keeps it, and opens a new one only after a 404."""

    runs_in = ("steady", "refuse", "hole", "lost_reply", "burst")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.sessions: dict[str, str] = {}
        self.locks: dict[str, gevent.lock.RLock] = {}

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return super().observe(self.session(session_id), observation)

    def predict(self, session_id: str) -> Any:
        return super().predict(self.session(session_id))

    def session(self, user: str) -> str:
        with self.locks.setdefault(user, gevent.lock.RLock()):
            if user not in self.sessions:
                self.sessions[user] = str(self.send("POST", "/sessions", {"node_id": user})["session_id"])
            return self.sessions[user]


class MadeByFactory:
    """Functions in a namespace: nothing of it is a class of its own."""

    runs_in: ClassVar[tuple[str, ...]] = ("refuse", "hole", "steady")
    law: ClassVar[str] = ""
    also: ClassVar[Mapping[str, str]] = {}

    def __new__(cls, base_url: str, headers: Mapping[str, str] | None = None) -> Any:  # type: ignore[misc]
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        client = httpx.Client(base_url=base_url, timeout=READ_S, limits=limits, headers=dict(headers or {}))

        def post(path: str, body: Any) -> Any:
            return client.post(path, json=body).raise_for_status().json()

        return SimpleNamespace(
            policy=timeouts(),
            open_session=lambda node_id: post("/sessions", {"node_id": node_id})["session_id"],
            observe=lambda session_id, observation: post(f"/sessions/{session_id}/observe", dict(observation)),
            predict=lambda session_id: client.get(f"/sessions/{session_id}/predictions").raise_for_status().json(),
            close=client.close,
        )


class LimitForEachOperation(Client):
    """A bulkhead: eight predictions at once, sixty observes; who finds no place is told at once."""

    runs_in = ("stalled_predictions", "steady", "refuse", "slow")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.places = {"predict": gevent.lock.BoundedSemaphore(8), "observe": gevent.lock.BoundedSemaphore(60)}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        place = self.places.get(op)
        if place is None:
            return super().call(op, method, path, body)
        if not place.acquire(blocking=False):
            raise RuntimeError(f"too many calls of {op}")
        try:
            return super().call(op, method, path, body)
        finally:
            place.release()


class LastGoodPrediction(FallingBack):
    """Where KATO is unwell it shows a user's last prediction again, and says so."""

    runs_in = ("refuse", "burst", "hole", "refusals", "stalled_predictions")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.last: dict[str, Mapping[str, Any]] = {}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        found = super().call(op, method, path, body)
        if op != "predict":
            return found
        if isinstance(found, Substitute):
            return Substitute(self.last.get(path, found))
        self.last[path] = found
        return found


class WorksInThreads(Client):
    """A pool of threads sends; the caller waits for two seconds at most."""

    runs_in = ("steady", "refuse", "hole", "slow", "lost_reply")
    policy = timeouts(total=2.0)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.threads = ThreadPoolExecutor(100)

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.threads.submit(self.send, method, path, body).result(timeout=2.0)

    def close(self) -> None:
        super().close()
        self.threads.shutdown(wait=False)


class ConnectionForEachThread(Client):
    """An httpx.Client for each thread that calls, by threading.local."""

    runs_in = ("steady", "refuse", "hole")

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.own = threading.local()
        self.all: list[httpx.Client] = []

    def send(self, method: str, path: str, body: Any = None) -> Any:
        if not hasattr(self.own, "http"):
            self.own.http = httpx.Client(base_url=self.base_url, timeout=READ_S, trust_env=False)
            self.all.append(self.own.http)
        response = self.own.http.request(method, path, json=body)
        response.raise_for_status()
        return response.json()

    def close(self) -> None:
        for client in self.all:
            client.close()


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
