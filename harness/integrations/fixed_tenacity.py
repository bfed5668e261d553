"""The guide's tenacity client, corrected.

A write is sent again only where it certainly never arrived: KATO's observe has no idempotency key, so a time-out or a
503 after it may mean that it was done. Reads are repeated on transient failures. Waits have full jitter and are never
shorter than Retry-After; re-tries come out of a budget and stop where the next one would pass the call's deadline;
the last error is raised as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from harness.integrations.deadline import within
from harness.integrations.kato import (
    SESSIONS_PATH,
    learn_path,
    observe_path,
    predictions_path,
    session_body,
)
from harness.integrations.retrying import RetryBudget, retry_after
from harness.integrations.wire_httpx import HttpxWire

TRANSIENT = frozenset({429, 502, 503, 504})


def never_arrived(error: BaseException) -> bool:
    """No connection was made, so nothing was sent."""
    return isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))


def transient(error: BaseException) -> bool:
    """Worth another try of a call that may be repeated."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in TRANSIENT
    lost = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
    return never_arrived(error) or isinstance(error, lost)


class _StopWithoutBudget(stop_base):
    """Stops when the budget has no token; asked last, so that a re-try which isn't made takes none."""

    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget

    def __call__(self, retry_state: RetryCallState) -> bool:
        return not self._budget.withdraw()


class FixedTenacity:
    """Writes and reads with a retry policy each; both end within `timeout.total`."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._total = policy["timeout"]["total"]
        self._wire = HttpxWire(base_url, policy["timeout"], headers)
        self._budget = RetryBudget(policy["retry"]["budget"]["ratio"], policy["retry"]["budget"]["min_per_second"])
        backoff = policy["retry"]["backoff"]
        self._jitter = wait_random_exponential(multiplier=backoff["initial"], max=backoff["max"])
        self._writes = self._retrying(never_arrived)
        self._reads = self._retrying(transient)
        self.inspect = (self._wire.client, self._writes, self._reads)

    def _retrying(self, worth_it: Any) -> Retrying:
        attempts = stop_after_attempt(self.policy["retry"]["max_attempts"])
        return Retrying(
            retry=retry_if_exception(worth_it),
            stop=stop_any(attempts, stop_before_delay(self._total), _StopWithoutBudget(self._budget)),
            wait=self._wait,
            reraise=True,
        )

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = retry_after(error.response.headers) if isinstance(error, httpx.HTTPStatusError) else 0.0
        return max(asked, self._jitter(state))

    def open_session(self, node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> str:
        return str(self._send(self._writes, "POST", SESSIONS_PATH, session_body(node_id, config, ttl))["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send(self._writes, "POST", observe_path(session_id), dict(observation))

    def predict(self, session_id: str) -> Any:
        return self._send(self._reads, "GET", predictions_path(session_id))

    def learn(self, session_id: str) -> Any:
        return self._send(self._writes, "POST", learn_path(session_id))

    def _send(self, retrying: Retrying, method: str, path: str, body: Any = None) -> dict[str, Any]:
        self._budget.deposit()
        with within(self._total):
            # a copy a call: attempts of calls at the same time share no counter
            return retrying.copy()(self._wire.send, method, path, body)

    def close(self) -> None:
        self._wire.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> FixedTenacity:
    """The integration `fixed-tenacity`; durations of `policy` in seconds."""
    return FixedTenacity(base_url, policy, headers or {})
