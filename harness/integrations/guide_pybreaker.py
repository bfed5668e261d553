"""The integration guide's "Pybreaker Integration", with its defects.

As printed it does not even import: `CircuitBreaker(timeout_duration=60)` is a TypeError, the parameter is called
`reset_timeout`. That is mended here, the rest is kept: HTTPStatusError excluded, so that a 503 counts as a success
and closes a half-open breaker; the decorator, which holds the breaker's lock during the call, so that all users wait
for each other; the failure that opens the breaker turned into CircuitBreakerError; a fallback shaped like a
prediction for observations too, which also swallows 4xx and bugs. The guide's `print`s are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
from pybreaker import CircuitBreaker, CircuitBreakerError


class GuidePybreaker:
    """The guide's ResilientKatoClient; its breaker belongs to the client, since several may live in one process."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._base_url = base_url
        self.breaker = CircuitBreaker(
            fail_max=policy["breaker"]["fail_max"],
            reset_timeout=policy["breaker"]["reset_timeout"],
            exclude=[httpx.HTTPStatusError],
        )
        self.client = httpx.Client(timeout=policy["timeout"]["read"], headers=dict(headers))
        self.inspect = (self.breaker, self.client)
        self._observe = self.breaker(self._observe_unguarded)
        self._predict = self.breaker(self._predict_unguarded)

    def open_session(self, node_id: str) -> str:
        response = self.client.post(f"{self._base_url}/sessions", json={"node_id": node_id})
        response.raise_for_status()
        return str(response.json()["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """The guide's observe_with_fallback."""
        return self._with_fallback(self._observe, session_id, observation)

    def predict(self, session_id: str) -> Any:
        """The same pattern around predictions."""
        return self._with_fallback(self._predict, session_id)

    def _observe_unguarded(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        response = self.client.post(f"{self._base_url}/sessions/{session_id}/observe", json=observation)
        response.raise_for_status()
        return response.json()

    def _predict_unguarded(self, session_id: str) -> Any:
        response = self.client.get(f"{self._base_url}/sessions/{session_id}/predictions")
        response.raise_for_status()
        return response.json()

    def _with_fallback(self, guarded: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return guarded(*arguments)
        except CircuitBreakerError:
            return {"predictions": [], "status": "degraded"}
        except Exception:  # noqa: BLE001 - the guide's defect: whatever went wrong becomes a result
            return {"predictions": [], "status": "error"}

    def degraded(self, result: Any) -> bool:
        """Whether it is one of the guide's fallbacks."""
        return isinstance(result, dict) and result.get("status") in ("degraded", "error")

    def close(self) -> None:
        """Close the client, which the guide's never does."""
        self.client.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> GuidePybreaker:
    """The integration `guide-pybreaker`; durations of `policy` in seconds."""
    return GuidePybreaker(base_url, policy, headers or {})
