"""The highest rate within the objectives: exponential search, then narrowing, then the boundary again from above.

Pure over `probe(rate) -> ProbeResult`. A probe is noisy, so the answer is not the last one that held but the root of a
line through the measures of all probes, over the logarithm of the rate, those near the boundary weighing most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.capacity.probe import MOST_EXCESS, Probe, ProbeResult
from harness.stats import Interval

Floats = NDArray[np.float64]

MOST_PROBES = 12
RETESTS = 3
"""Probes that are kept for the boundary, downwards from above it."""
NARROW = math.log(1.12)
"""A bracket (upper over lower rate) as narrow as this is tested again rather than divided."""
STEP = 0.04
"""The re-tests are this far apart (share of the rate)."""
NEAR = 0.08
"""A probe that is off by e^±0.08 weighs a quarter of one at the boundary."""
SURE_ENOUGH = 0.02
"""Half of the interval, as a share of the rate, with which the search ends before its probes are used up."""
LASTING = 0.10
"""A rate that fails though one higher by this share held before: the server had not recovered from overload."""

Ending = Literal["found", "above", "below", "limited"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """`rate` (calls/s) is where the objectives stop to hold, within `interval` at 95 %; all probes in their order.

    `ending`: found; above: everything held up to the ceiling or the last probe (`rate` is a lower bound); below:
    nothing held; limited: something else than the server was the limit (`words` say what; a lower bound too).
    """

    rate: float
    interval: Interval
    probes: tuple[ProbeResult, ...]
    ending: Ending
    words: str = ""


def search(probe: Probe, start: float, *, ceiling: float = math.inf, most: int = MOST_PROBES) -> Capacity:
    """Search from `start` (calls/s) and never offer more than `ceiling`; `most` probes (at least 5) at most."""
    seeker = _Seeker(probe, max(most, RETESTS + 2), ceiling)
    seeker.climb(start)
    if not (seeker.low and seeker.high):
        best = seeker.low.rate if seeker.low else 0.0
        ending: Ending = "limited" if seeker.limit else "above" if seeker.low else "below"
        upper = math.inf if seeker.high is None else seeker.high.rate
        return Capacity(best, Interval(best, upper), tuple(seeker.probes), ending, seeker.limit)
    seeker.narrow()
    before = seeker.low.rate
    again = seeker.retest()
    rate, interval = boundary(seeker.probes)
    return Capacity(rate, interval, tuple(seeker.probes), "found", _lasting(before, again))


def _lasting(before: float, again: Sequence[ProbeResult]) -> str:
    """Words when overload outlasted the probe that caused it: a rate well below one that had held fails now."""
    failed = [probe.rate for probe in again if not probe.held and probe.rate < before * (1 - LASTING)]
    if not failed:
        return ""
    return (
        f"{before:.4g}/s held before overload, {min(failed):.4g}/s did not after it: recovery takes more than a probe"
    )


class _Seeker:
    """The probes so far and the bracket that they leave: `low` held, `high` did not."""

    def __init__(self, probe: Probe, most: int, ceiling: float) -> None:
        self._probe = probe
        self._most = most
        self._ceiling = ceiling
        self.probes: list[ProbeResult] = []
        self.low: ProbeResult | None = None
        self.high: ProbeResult | None = None
        self.limit = ""

    def at(self, rate: float) -> ProbeResult:
        """Probe there and move the bracket; a probe that something else limited says nothing of the server."""
        result = self._probe(min(rate, self._ceiling))
        if result.limit:
            self.limit = result.limit
            return result
        self.probes.append(result)
        if result.held and (self.low is None or result.rate > self.low.rate):
            self.low = result
        if not result.held and (self.high is None or result.rate < self.high.rate):
            self.high = result
        return result

    def left(self) -> int:
        """Probes that may still be made."""
        return 0 if self.limit else self._most - len(self.probes)

    def climb(self, start: float) -> None:
        """Double, then quadruple, while the objectives hold; fall back below what an overloaded server carried."""
        rate, held = start, 0
        while self.left() > RETESTS:
            result = self.at(rate)
            if self.limit or (self.low and (self.high or self.low.rate >= self._ceiling)):
                return
            held += result.held
            rate = result.rate * (2.0 if held < 3 else 4.0) if result.held else _below(result)

    def narrow(self) -> None:
        """Divide the bracket where the measures say that the boundary is; by halves where they say nothing, and when
        the same end moved twice (as the Illinois method does: M. Dowell and P. Jarratt, BIT 11, 1971)."""
        moved = 0
        while self.left() > RETESTS and self.low and self.high:
            width = math.log(self.high.rate / self.low.rate)
            if width <= NARROW:
                return
            share = _share(self.low, self.high) if abs(moved) < 2 else 0.5
            side = 1 if self.at(self.low.rate * math.exp(width * share)).held else -1
            moved = moved + side if moved * side >= 0 else side

    def retest(self) -> Sequence[ProbeResult]:
        """Downwards from above the boundary, each time where it is now believed to be; the probes of that."""
        first, above = len(self.probes), 1
        while self.left():
            rate, interval = boundary(self.probes)
            if above < -1:
                if interval.high - interval.low <= 2 * SURE_ENOUGH * rate:
                    break
                above = 1
            self.at(rate * (1 + STEP * above))
            above -= 1
        return self.probes[first:]


def _below(result: ProbeResult) -> float:
    """Where to go on below a failed probe: what it carried bounds the server, but it may thrash, so not below 1/8."""
    return max(min(result.rate / 2, 0.8 * result.carried), result.rate / 8)


def _share(low: ProbeResult, high: ProbeResult) -> float:
    """Where in the bracket (0 to 1, logarithmic) to probe: at the secant's root, below what the failed probe carried,
    and away from the ends."""
    known = low.signed > -MOST_EXCESS or high.signed < MOST_EXCESS
    root = -low.signed / (high.signed - low.signed) if known else 0.5
    carried = math.log(max(high.carried, low.rate) / low.rate) / math.log(high.rate / low.rate)
    return min(max(min(root, carried), 0.2), 0.8)


def boundary(probes: Sequence[ProbeResult]) -> tuple[float, Interval]:
    """The rate at which the excess is 0, and its 95 % interval; never more than was ever carried."""
    x = np.log([probe.rate for probe in probes])
    y = np.array([probe.signed for probe in probes])
    most = math.log(max(max(probe.carried for probe in probes), probes[0].rate * 1e-9))
    root, half = _middle(x, y), math.inf
    for _ in range(8):
        found, half = _root(x, y, (1.0 + ((x - root) / NEAR) ** 2) ** -2)
        root = min(max(found, root - NEAR), root + NEAR, most)
    wide = min(half, 1.0)
    return math.exp(root), Interval(math.exp(root - wide), math.exp(root + wide))


def _middle(x: Floats, y: Floats) -> float:
    """The threshold that contradicts the probes least (the middle of all such)."""
    edges = np.unique(x)
    cuts = (edges[1:] + edges[:-1]) / 2
    cost = np.array([float(np.sum(np.abs(y[(x < cut) == (y > 0)]))) for cut in cuts])
    return float(np.mean(cuts[cost <= cost.min() + 1e-12]))


def _root(x: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    """Where the weighted least-squares line crosses 0, and half of the 95 % interval of that place (delta method);
    the threshold without an interval where the line does not rise."""
    from scipy.stats import t

    total = float(weights.sum())
    mean_x, mean_y = float(weights @ x) / total, float(weights @ y) / total
    spread = float(weights @ (x - mean_x) ** 2)
    slope = float(weights @ ((x - mean_x) * (y - mean_y))) / spread
    freedom = total**2 / float(weights @ weights) - 2
    if slope <= 0 or freedom <= 0:
        return _middle(x, y), math.inf
    root = mean_x - mean_y / slope
    left = y - mean_y - slope * (x - mean_x)
    noise = float(weights @ left**2) / total * (freedom + 2) / freedom
    reach = float(weights @ weights) / total**2
    reach += (root - mean_x) ** 2 * float(weights**2 @ (x - mean_x) ** 2) / spread**2
    return root, float(t.ppf(0.975, freedom)) * math.sqrt(noise * reach) / slope
