"""The injected clock: everything that waits or measures asks one of these (standard library only)."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock in integer nanoseconds, equal for all processes of a host."""

    def now_ns(self) -> int:
        """Now on CLOCK_MONOTONIC (ns)."""
        ...

    def sleep_until_ns(self, due_ns: int) -> None:
        """Return at or after `due_ns`; at once when it has passed."""
        ...


class MonotonicClock:
    """The real clock; `time.sleep` is looked up at each call so that gevent's patch counts."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until_ns(self, due_ns: int) -> None:
        while (left := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)


class ManualClock:
    """A clock for tests: it stands still until somebody sleeps or advances it."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until_ns(self, due_ns: int) -> None:
        self._now_ns = max(self._now_ns, due_ns)

    def advance_ns(self, by_ns: int) -> None:
        """Move the clock forward by `by_ns` nanoseconds."""
        self._now_ns += by_ns
