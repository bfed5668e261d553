"""What makes retries safe: a budget, full jitter, and the server's own pace where it names one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class RetryBudget:
    """Tokens for re-tries: each call brings `ratio` of one, and `min_per_second` flow in besides (Linkerd's budget).

    Never more than one is kept, so that re-tries stay within the ratio in any stretch of time, however short.
    """

    def __init__(
        self, ratio: float, min_per_second: float, clock: Callable[[], float] = lambda: time.monotonic()
    ) -> None:
        self._ratio = ratio
        self._per_second = min_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = 1.0
        self._at = clock()

    def deposit(self) -> None:
        """A call begins."""
        with self._lock:
            self._tokens = min(1.0, self._tokens + self._ratio)

    def withdraw(self) -> bool:
        """Whether one more re-try may be made; takes its token."""
        with self._lock:
            now = self._clock()
            self._tokens = min(1.0, self._tokens + (now - self._at) * self._per_second)
            self._at = now
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True


class FullJitter:
    """The wait before re-try i = 1, 2, …: uniform between 0 and min(max, initial · multiplier^(i−1)) seconds."""

    def __init__(self, backoff: Mapping[str, float], seed: int | None = None) -> None:
        self._backoff = backoff
        self._random = random.Random(seed)

    def wait(self, retry: int) -> float:
        """Seconds to wait before re-try `retry`."""
        longest = self._backoff["initial"] * self._backoff["multiplier"] ** (retry - 1)
        return self._random.uniform(0.0, min(longest, self._backoff["max"]))


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
    """Seconds that a Retry-After header asks for, as a number or a date (RFC 9110, 10.2.3); 0 without one."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    # a date has whole seconds: the clocks' and the rounding's second is given away rather than taken
    return max(0.0, (moment - now()).total_seconds() + 1.0)
