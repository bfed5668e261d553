"""The client of bench/breakers.py: pybreaker around the lean client; its numbers follow the run's seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pybreaker

from harness.integrations.fast import Fast

TIMEOUTS = {"connect": 0.3, "read": 0.3, "total": 0.3}


class Breaking:
    """One breaker for all operations on sessions."""

    def __init__(self, fast: Fast, fail_max: int, reset_s: float, successes: int) -> None:
        self._fast = fast
        self.breaker = pybreaker.CircuitBreaker(fail_max=fail_max, reset_timeout=reset_s, success_threshold=successes)
        promised = {"fail_max": fail_max, "reset_timeout": reset_s, "success_threshold": successes}
        self.policy = {"timeout": TIMEOUTS, "breaker": promised}

    def open_session(self, node_id: str) -> str:
        return self._fast.open_session(node_id)

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self.breaker.call(self._fast.observe, session_id, observation)

    def predict(self, session_id: str) -> Any:
        return self.breaker.call(self._fast.predict, session_id)

    def close(self) -> None:
        self._fast.close()


def make(base_url: str, seed: int = 0, recorder: Any = None) -> Breaking:
    """The client of a seed."""
    fast = Fast(base_url, {"timeout": TIMEOUTS}, {}, recorder)
    return Breaking(fast, 1 + seed % 8, (0.5, 1.0, 3.0)[seed % 3], 1 + seed % 11 % 3)
