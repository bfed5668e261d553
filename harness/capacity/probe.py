"""What one probe of a capacity search says: a rate was offered for a while, and this is how it went."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_EXCESS = 1.0
"""Beyond e times its bound a measure says how long the probe was, not how far away the boundary is."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe with fresh sessions. Rates in calls/s, times in s; nan where nothing was measured.

    `carried`: answered ok per second. `excess`: natural logarithm of the worst objective's measure over its bound:
    0 at the boundary, positive when it is broken, nan when an objective gives no number. `settled`: the calls in flight
    did not grow. Parts of a mean response time: `queueing_s` behind the session's previous call or for a slot,
    `dispatch_s` in the generator. `limit`: who else but the server was the limit (the generator, say); empty: nobody.
    """

    rate: float
    held: bool
    carried: float
    excess: float = math.nan
    p50_s: float = math.nan
    p95_s: float = math.nan
    p99_s: float = math.nan
    mean_s: float = math.nan
    queueing_s: float = 0.0
    dispatch_s: float = 0.0
    error_rate: float = 0.0
    settled: bool = True
    longer: float = 1.0
    noise: float = math.nan
    limit: str = ""
    words: str = ""

    @property
    def in_flight(self) -> float:
        """The mean number of calls in the system, by Little's law N = X·R (J. Little, Operations Research 9, 1961)."""
        return self.carried * self.mean_s

    @property
    def signed(self) -> float:
        """The excess within ±MOST_EXCESS, on the side that `held` says; the whole of it where there is no number."""
        if self.held:
            return -min(-self.excess, MOST_EXCESS) if self.excess <= 0 else -MOST_EXCESS
        return min(self.excess, MOST_EXCESS) if self.excess > 0 else MOST_EXCESS


Probe = Callable[[float, float], ProbeResult]
"""Offers a rate (calls/s) for so many times the usual while, and says how it went."""
