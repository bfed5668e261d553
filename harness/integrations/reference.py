"""The best client that we know for KATO: urllib3, a deadline, a breaker around each attempt, safe retries.

In this order: the deadline spans everything; the retry is outside the breaker, so that the breaker sees each attempt
and an open one ends the call at once; waits have full jitter, are never shorter than Retry-After, come out of a
budget, and are not begun where they would pass the deadline. Failures are raised plainly: no made-up answers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions

from harness.integrations.breaker import OPEN, Breaker
from harness.integrations.deadline import cut, left, within
from harness.integrations.kato import (
    SESSIONS_PATH,
    BadAnswerError,
    checked,
    learn_path,
    observe_path,
    predictions_path,
    session_body,
)
from harness.integrations.retrying import FullJitter, RetryBudget, retry_after
from harness.integrations.wire_urllib3 import pool_classes

TRANSIENT = frozenset({429, 502, 503, 504})
MAX_CONNECTIONS = 500


class KatoStatusError(Exception):
    """KATO, or what stands before it, answered with a status that isn't 2xx."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers


def of_the_server(error: BaseException) -> bool | None:
    """True for a failure of the server, False for its sound refusal, None for what says nothing about it."""
    if isinstance(error, KatoStatusError):
        return error.status >= 500
    if isinstance(error, exceptions.PoolError) and not isinstance(error, exceptions.ReadTimeoutError):
        return None
    return True if isinstance(error, (exceptions.TimeoutError, exceptions.ProtocolError, TimeoutError)) else None


def never_arrived(error: BaseException) -> bool:
    """No connection was made, so nothing was sent (urllib3's NewConnectionError is a ConnectTimeoutError too)."""
    return isinstance(error, exceptions.ConnectTimeoutError)


def transient(error: BaseException) -> bool:
    """Worth another try of a call that may be repeated."""
    return error.status in TRANSIENT if isinstance(error, KatoStatusError) else of_the_server(error) is True


class Reference:
    """Calls end within `timeout.total`; writes are re-sent only where they never arrived."""

    def __init__(
        self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str], seed: int | None = None
    ) -> None:
        self.policy = policy
        timeout, retry, breaker = policy["timeout"], policy["retry"], policy["breaker"]
        self._pool_wait = timeout["pool"]
        self._total = timeout["total"]
        self._pool = _pool(base_url, headers, urllib3.Timeout(connect=timeout["connect"], read=timeout["read"]))
        self._attempts = retry["max_attempts"]
        self._jitter = FullJitter(retry["backoff"], seed)
        self._budget = RetryBudget(retry["budget"]["ratio"], retry["budget"]["min_per_second"])
        self.breaker = Breaker(
            breaker["fail_max"],
            breaker["reset_timeout"],
            of_the_server,
            breaker["half_open_trials"],
            breaker["success_threshold"],
        )
        self.inspect = (self.breaker, self._pool)

    def open_session(self, node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> str:
        return str(self._send(never_arrived, "POST", SESSIONS_PATH, session_body(node_id, config, ttl))["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send(never_arrived, "POST", observe_path(session_id), dict(observation))

    def predict(self, session_id: str) -> Any:
        return self._send(transient, "GET", predictions_path(session_id))

    def learn(self, session_id: str) -> Any:
        return self._send(never_arrived, "POST", learn_path(session_id))

    def _send(self, again: Callable[[BaseException], bool], method: str, path: str, body: Any = None) -> dict[str, Any]:
        self._budget.deposit()
        with within(self._total):
            for attempt in range(1, self._attempts + 1):
                try:
                    return self.breaker.call(self._attempt, method, path, body)  # type: ignore[no-any-return]
                except Exception as error:
                    if attempt == self._attempts or not again(error) or not self._may_wait(attempt, error):
                        raise
        raise AssertionError("the last attempt returns or raises")

    def _may_wait(self, retry: int, error: Exception) -> bool:
        """Wait as long as jitter and server ask; False where a further attempt makes no sense or may not be made."""
        asked = retry_after(error.headers) if isinstance(error, KatoStatusError) else 0.0
        wait = max(asked, self._jitter.wait(retry))
        if self.breaker.current_state == OPEN or wait >= (left() or 0.0) or not self._budget.withdraw():
            return False
        time.sleep(wait)
        return True

    def _attempt(self, method: str, path: str, body: Any) -> dict[str, Any]:
        response = self._pool.request(
            method,
            path,
            body=None if body is None else json.dumps(body).encode(),
            headers=None if body is None else {**self._pool.headers, "content-type": "application/json"},
            pool_timeout=cut(self._pool_wait),
            preload_content=False,
        )
        try:
            content = response.read()
        finally:
            response.release_conn()
        if not 200 <= response.status < 300:
            raise KatoStatusError(response.status, response.headers)
        try:
            return checked(path, json.loads(content))
        except json.JSONDecodeError as error:
            raise BadAnswerError(f"{path} answered no JSON") from error

    def close(self) -> None:
        self._pool.close()


def _pool(base_url: str, headers: Mapping[str, str], timeout: urllib3.Timeout) -> Any:
    """One pool for all users, without the three re-tries that urllib3 makes by default."""
    parts = urlsplit(base_url)
    return pool_classes()[parts.scheme](
        parts.hostname or "",
        parts.port,
        timeout=timeout,
        maxsize=MAX_CONNECTIONS,
        block=True,
        headers=dict(headers),
        retries=False,
    )


def make(
    base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None, seed: int | None = None
) -> Reference:
    """The integration `reference`; durations of `policy` in seconds."""
    return Reference(base_url, policy, headers or {}, seed)
