"""The integration guide's "Tenacity Retry Logic", with its defects.

The guide decorates `create_session`; a client of this make has the decorator on every call, as here. Defects kept:
it retries any RequestError, a read time-out of a write among them, so that what KATO committed is sent again; it
retries neither 503 nor 429; its waits have no jitter and are 2 s and 2 s, so "exponential" and `max=10` never show;
callers see RetryError; no deadline spans the attempts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential


class GuideTenacity:
    """The guide's RetryableKatoClient, its `httpx.Client()` with the library's default time-outs."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._base_url = base_url
        self.client = httpx.Client(timeout=policy["timeout"]["read"], headers=dict(headers))
        backoff = policy["retry"]["backoff"]
        with_retry = retry(
            stop=stop_after_attempt(policy["retry"]["max_attempts"]),
            wait=wait_exponential(multiplier=backoff["initial"] / 2, min=backoff["initial"], max=backoff["max"]),
            retry=retry_if_exception_type(httpx.RequestError),
        )
        self.open_session = with_retry(self._open_session)
        self.observe = with_retry(self._observe)
        self.predict = with_retry(self._predict)
        self.inspect = (self.client,)

    def _open_session(self, node_id: str) -> str:
        response = self.client.post(f"{self._base_url}/sessions", json={"node_id": node_id})
        response.raise_for_status()
        return str(response.json()["session_id"])

    def _observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        response = self.client.post(f"{self._base_url}/sessions/{session_id}/observe", json=observation)
        response.raise_for_status()
        return response.json()

    def _predict(self, session_id: str) -> Any:
        response = self.client.get(f"{self._base_url}/sessions/{session_id}/predictions")
        response.raise_for_status()
        return response.json()

    def close(self) -> None:
        """Close the client, which the guide's never does."""
        self.client.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> GuideTenacity:
    """The integration `guide-tenacity`; durations of `policy` in seconds."""
    return GuideTenacity(base_url, policy, headers or {})
