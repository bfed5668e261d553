"""Has a probe settled, and did the server keep up? Pure functions on when calls were meant to start and ended.

Truncation: K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69
(1997), the marginal standard error rule (MSER) on means of batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOWS = 20
"""A probe is looked at in so many windows of equal length."""
MOST_GROWTH = 0.01
"""A backlog that grows by more than this share of the arrivals never settles."""
SURE = 3.0
"""Standard errors by which the growth must exceed nothing."""


@dataclass(frozen=True, slots=True)
class Settling:
    """`from_s`: the start-up is over then. `growth`: calls in flight gained per call offered; `settled`: none to
    speak of. `words` say what grew."""

    from_s: float
    growth: float
    settled: bool
    words: str = ""


def truncation(values: NDArray[Any]) -> int:
    """How many of the first values to leave out so that the mean of the rest is surest; at most half of them."""
    size = len(values)
    if size < 4:
        return 0
    errors = [float(np.var(values[start:])) / (size - start) for start in range(size // 2 + 1)]
    return int(np.argmin(errors))


def settling(starts_s: Floats, ends_s: Floats, until_s: float) -> Settling:
    """Look at calls in flight between the first start and `until_s`, the end of the load (all in s, ascending starts).

    An end of nan or inf is a call that never came back.
    """
    begin_s = float(starts_s[0]) if len(starts_s) else until_s
    edges = np.linspace(begin_s, until_s, WINDOWS + 1)
    flying = mean_in_flight(starts_s, ends_s, edges)
    first = truncation(flying)
    rest, at = flying[first:], edges[first + 1 :]
    from_s = float(edges[first])
    slope, error = _slope(at, rest)
    offered = max(len(starts_s) / max(until_s - begin_s, 1e-9), 1e-9)
    growth = slope / offered
    growing = growth > MOST_GROWTH and slope > SURE * error
    said = f"calls in flight grew from {rest[0]:.0f} to {rest[-1]:.0f}" if growing else ""
    return Settling(from_s, growth, not growing, said)


def mean_in_flight(starts_s: Floats, ends_s: Floats, edges_s: Floats) -> Floats:
    """How many calls had begun (`starts_s` ascend) and not ended, on average between each two neighbouring edges."""
    spent = _since(starts_s, edges_s) - _since(np.sort(ends_s), edges_s)
    return np.diff(spent) / np.maximum(np.diff(edges_s), 1e-9)


def _since(moments_s: Floats, at_s: Floats) -> Floats:
    """For each of `at_s` the seconds since all ascending moments before it, summed."""
    count = np.searchsorted(moments_s, at_s, side="right")
    sums = np.concatenate([[0.0], np.cumsum(moments_s - at_s[0])])
    return np.asarray(count * (at_s - at_s[0]) - sums[count])


def _slope(x: Floats, y: Floats) -> tuple[float, float]:
    """The least-squares slope of y over x and its standard error."""
    if len(x) < 3:
        return 0.0, math.inf
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ y) / spread
    left = y - y.mean() - slope * centred
    return slope, math.sqrt(float(left @ left) / (len(x) - 2) / spread)
