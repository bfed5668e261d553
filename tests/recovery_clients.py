"""A client that never comes back from a long enough stall near capacity, its twin that does, and one that is late."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.integrations.fast import Fast

TIMEOUTS = {"connect": 0.5, "read": 0.5, "total": 0.5}
ATTEMPTS = 2
RATIO = 0.1


class Eager:
    """Whatever fails is sent again at once, once: under time-outs KATO gets twice the load."""

    policy: Mapping[str, Any] = {
        "timeout": {**TIMEOUTS, "total": 1.0},
        "retry": {"max_attempts": ATTEMPTS, "calls": ["open_session", "observe", "predict"]},
    }

    def __init__(self, fast: Fast) -> None:
        self._fast = fast

    def open_session(self, node_id: str) -> str:
        return str(self._persist(lambda: self._fast.open_session(node_id)))

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._persist(lambda: self._fast.observe(session_id, observation))

    def predict(self, session_id: str) -> Any:
        return self._persist(lambda: self._fast.predict(session_id))

    def _persist(self, send: Callable[[], Any]) -> Any:
        for _ in range(ATTEMPTS - 1):
            try:
                return send()
            except Exception:
                if not self.may_retry():
                    raise
        return send()

    def may_retry(self) -> bool:
        return True

    def close(self) -> None:
        self._fast.close()


class Budgeted(Eager):
    """The same with a retry budget: one re-try for ten calls (token bucket, SRE book, chapter 21)."""

    def __init__(self, fast: Fast) -> None:
        super().__init__(fast)
        self._tokens = 1.0

    def _persist(self, send: Callable[[], Any]) -> Any:
        self._tokens = min(self._tokens + RATIO, 10.0)
        return super()._persist(send)

    def may_retry(self) -> bool:
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def eager(base_url: str, recorder: Any = None) -> Eager:
    """Metastable."""
    return Eager(Fast(base_url, {"timeout": TIMEOUTS}, {}, recorder))


def budgeted(base_url: str, recorder: Any = None) -> Budgeted:
    """Not so."""
    return Budgeted(Fast(base_url, {"timeout": TIMEOUTS}, {}, recorder))


class Sulking(Budgeted):
    """After five failures in a row it answers nobody for 40 s, whatever KATO does."""

    def __init__(self, fast: Fast) -> None:
        super().__init__(fast)
        self._failed = 0
        self._until = 0.0

    def _persist(self, send: Callable[[], Any]) -> Any:
        if time.monotonic() < self._until:
            raise RuntimeError("not now")
        try:
            result = send()
        except Exception:
            self._failed += 1
            if self._failed == 5:
                self._failed, self._until = 0, time.monotonic() + 40.0
            raise
        self._failed = 0
        return result


def sulking(base_url: str, recorder: Any = None) -> Sulking:
    """Late."""
    return Sulking(Fast(base_url, {"timeout": TIMEOUTS}, {}, recorder))
