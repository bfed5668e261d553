"""The sound client that every broken one differs from in one place, and its parts: retry, breaker, fallback."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import httpx

READ_S = 1.0
STEPS = {"connect": READ_S, "read": READ_S, "write": READ_S, "pool": READ_S}
OPERATIONS = ("open_session", "observe", "predict", "learn")
WRITES = ("open_session", "observe", "learn")
TRANSIENT = (429, 502, 503, 504)


def timeouts(**more: float) -> dict[str, Any]:
    """The policy of a client that promises time-outs and sessions, and nothing else."""
    return {"timeout": {**STEPS, **more}, "sessions": "one_per_user"}


class Plain:
    """One httpx.Client for all users, time-outs for every step, errors raised as they are.

    A subclass says in which scenarios it runs (`runs_in`), which law must fail it (`law`, empty for a sound client),
    and which laws of other families fail it rightly as well, and why (`also`).
    """

    runs_in: ClassVar[tuple[str, ...]] = ()
    law: ClassVar[str] = ""
    also: ClassVar[Mapping[str, str]] = {}
    policy: ClassVar[Mapping[str, Any]] = timeouts()

    timeout: ClassVar[Any] = READ_S
    connections: ClassVar[int] = 200

    def __init__(self, base_url: str) -> None:
        limits = httpx.Limits(
            max_connections=self.connections, max_keepalive_connections=self.connections, keepalive_expiry=4.0
        )
        self.http = httpx.Client(base_url=base_url, timeout=self.timeout, limits=limits, trust_env=False)

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self.call("observe", "POST", f"/sessions/{session_id}/observe", dict(observation))

    def predict(self, session_id: str) -> Any:
        return self.call("predict", "GET", f"/sessions/{session_id}/predictions")

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        """What retries, breakers and fallbacks wrap."""
        return self.send(method, path, body)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """One attempt."""
        response = self.http.request(method, path, json=body)
        response.raise_for_status()
        return response.json()

    def close(self) -> None:
        self.http.close()


class Client(Plain):
    """`Plain` with sessions that its users open."""

    def open_session(self, node_id: str) -> str:
        return str(self.call("open_session", "POST", "/sessions", {"node_id": node_id})["session_id"])


BACKOFF = {"initial": 0.2, "multiplier": 2.0, "max": 1.0, "jitter": "full"}
RETRY = {
    "max_attempts": 3,
    "on": ["connect_error", "timeout", "reset", "protocol_error", "429", "502", "503", "504"],
    "calls": list(OPERATIONS),
    "backoff": BACKOFF,
    "retry_after": "honour",
    "reraise": True,
}
NEVER_SENT = {op: {"retry": {"on": ["connect_error", "connect_timeout"]}} for op in WRITES}


def retries(total: float | None = None, **more: Any) -> dict[str, Any]:
    """The policy of a client that retries reads, and writes that were never sent."""
    timeout = timeouts(total=total) if total else timeouts()
    return {**timeout, "retry": {**RETRY, **more}, "calls": NEVER_SENT}


class Retrying(Client):
    """Three attempts with full jitter: reads after what may pass, writes only if they were never sent."""

    policy: ClassVar[Mapping[str, Any]] = retries()
    attempts: ClassVar[int] = 3

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        for attempt in range(1, self.attempts + 1):
            try:
                return self.send(method, path, body)
            except Exception as error:
                if attempt == self.attempts or not self.worth(op, error):
                    raise
                time.sleep(max(self.wait(attempt), self.asked(error)))
        raise AssertionError("the last attempt returns or raises")

    def worth(self, op: str, error: Exception) -> bool:
        """Whether a failure may pass by itself, and the call be repeated without harm."""
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            return True
        if op in WRITES:
            return False
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code in TRANSIENT
        return isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout, httpx.NetworkError, httpx.RemoteProtocolError))

    def wait(self, attempt: int) -> float:
        """Seconds before the re-try that follows this attempt."""
        return random.uniform(0.0, min(BACKOFF["initial"] * 2.0 ** (attempt - 1), BACKOFF["max"]))  # type: ignore[operator]

    def asked(self, error: Exception) -> float:
        """Seconds that the answer's Retry-After asks for, in either of its forms; 0 without one."""
        value = error.response.headers.get("retry-after", "") if isinstance(error, httpx.HTTPStatusError) else ""
        if value.isdigit():
            return float(value)
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds() + 1.0 if value else 0.0


RESET_S = 3.0
BREAKER = {
    "fail_max": 5,
    "reset_timeout": RESET_S,
    "counts": ["connect_error", "timeout", "reset", "protocol_error", "5xx"],
    "half_open_trials": 1,
    "success_threshold": 1,
}


EVERYTHING = [
    "timeout", "connect_error", "pool_timeout", "reset", "protocol_error", "4xx", "5xx", "decode", "client_bug",
    "cancelled",
]  # fmt: skip
"""What a breaker counts whose user excludes nothing."""


class CircuitOpenError(Exception):
    """The breaker is open."""


class Circuit:
    """A breaker that locks nothing (greenlets switch at I/O only) and ignores what ends after its state changed."""

    fail_max = 5
    reset_s = RESET_S
    trials = 1

    def __init__(self) -> None:
        self.state = "closed"
        self.failures = 0
        self.opened_at = 0.0
        self.trying = 0
        self.turn = 0

    def call(self, function: Callable[[], Any]) -> Any:
        turn = self.admit()
        try:
            result = function()
        except BaseException as error:
            self.settle(turn, self.counts(error))
            raise
        self.settle(turn, False)
        return result

    def counts(self, error: BaseException) -> bool | None:
        """True for a failure of the server, False for its sound refusal, None for what says nothing about it."""
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code >= 500
        if isinstance(error, httpx.PoolTimeout) or not isinstance(error, (httpx.TransportError, TimeoutError)):
            return None
        return True

    def admit(self) -> int:
        if self.state == "open" and time.monotonic() - self.opened_at >= self.reset_s:
            self.become("half_open")
        if self.state == "open" or (self.state == "half_open" and self.trying >= self.trials):
            self.reject()
        self.trying += 1
        return self.turn

    def reject(self) -> None:
        raise CircuitOpenError("open")

    def settle(self, turn: int, failed: bool | None) -> None:
        if turn != self.turn:
            return
        self.trying -= 1
        if failed:
            self.failed()
        elif failed is False:
            self.succeeded()

    def failed(self) -> None:
        self.failures += 1
        if self.state == "half_open" or self.failures >= self.fail_max:
            self.become("open")

    def succeeded(self) -> None:
        self.failures = 0
        if self.state == "half_open":
            self.become("closed")

    def become(self, state: str) -> None:
        self.state, self.failures, self.trying = state, 0, 0
        self.turn += 1
        self.opened_at = time.monotonic()


def breaks(**more: Any) -> dict[str, Any]:
    """The policy of a client with a breaker."""
    return {**timeouts(), "breaker": {**BREAKER, **more}}


class Breaking(Client):
    """A breaker around each attempt."""

    policy: ClassVar[Mapping[str, Any]] = breaks()
    circuit_class: ClassVar[type[Circuit]] = Circuit

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.circuit = self.circuit_class()

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.circuit.call(lambda: self.send(method, path, body))


class Substitute(dict[str, Any]):
    """An answer that KATO did not give."""


NO_PREDICTIONS: Mapping[str, Any] = {
    "predictions": [],
    "future_potentials": None,
    "session_id": "",
    "processor_id": None,
    "count": 0,
    "time": None,
    "unique_id": None,
}


class FallingBack(Breaking):
    """An empty prediction, marked, where KATO is unwell; writes that fail raise."""

    policy: ClassVar[Mapping[str, Any]] = {**breaks(), "fallback": {"marked": True}}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        try:
            return super().call(op, method, path, body)
        except Exception as error:
            if op == "predict" and self.unwell(error):
                return Substitute(NO_PREDICTIONS)
            raise

    def unwell(self, error: Exception) -> bool:
        """Whether KATO, and not the caller or the client, is what went wrong."""
        return isinstance(error, CircuitOpenError) or bool(self.circuit.counts(error))

    def degraded(self, result: Any) -> bool:
        """Whether it is a substitute."""
        return isinstance(result, Substitute)
