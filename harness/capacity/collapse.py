"""Servers that collapse rather than slow: quick until too many calls are inside at once, which comes sooner or later.

How late a call is says nothing of where that begins, only whether it came: so the boundary is divided, not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.capacity.boundary import Boundary, Floats, least_contradicted
from harness.capacity.probe import ProbeResult
from harness.stats import Interval

NARROW = math.log(1.12)
"""A bracket (upper over lower rate) as narrow as this is tested again rather than divided."""
SLOWER = 0.3
"""A server that slows may be expected to be beyond its bound by so much (logarithmic) where the collapse was."""
COLLAPSED = 2.0
"""The logarithm of the measure over its bound that a collapsed server is beyond."""
APART = 0.9
"""The second rate that the measure is expected from is at most this share of the first: nearer, noise would say it."""
CHANCE = 0.3
"""Beyond so much excess, up or down, a probe says no more than that it held or failed."""
EARLY = 0.08
"""Logarithm of the rate: so far below the lowest failure a usual probe shows that a server holds for long."""
BLUR = 0.03
"""The chance to collapse within a probe rises from seldom to mostly over about so much of the rate to either side."""


def collapses(probes: Sequence[ProbeResult]) -> bool:
    """Whether the lowest rate that failed did so by far, and nothing below it shows that coming: the reciprocal of a
    queue's response time falls in a line with the rate. Where no probe lies close below, nothing could show it."""
    high = min((probe for probe in probes if not probe.held), key=lambda probe: probe.rate)
    below = [probe for probe in probes if probe.held and probe.rate < high.rate]
    low = max(below, key=lambda probe: probe.rate, default=high)
    before = max((probe for probe in below if probe.rate < low.rate * APART), key=lambda probe: probe.rate, default=low)
    if before is low or not high.excess > COLLAPSED:
        return False
    room, steps = math.exp(-low.excess), (high.rate - low.rate) / (low.rate - before.rate)
    expected = room - (math.exp(-before.excess) - room) * steps
    return expected > math.exp(-SLOWER) or math.log(high.rate / low.rate) > NARROW


def tipping(probes: Sequence[ProbeResult], longest: float) -> Boundary:
    """Where held and failed probes meet, longer ones counting as much more; between the two that leave it open nearer
    to the one that is nearer to its bound.

    A failure stands whenever it came. What held for less than `longest` times the usual counts for a rate that is
    lower by EARLY than the lowest failure: nearer to it a server is quick for a while, too.
    """
    failed = math.log(min(probe.rate for probe in probes if not probe.held))
    x = np.log([probe.rate for probe in probes])
    signed = np.array([probe.signed for probe in probes])
    early = np.array([probe.held and probe.longer < longest for probe in probes]) & (x > failed - EARLY)
    x[early], signed[early] = failed - EARLY, np.minimum(signed[early], -CHANCE)
    root = _middle(x, np.clip(signed, -CHANCE, CHANCE) * [probe.longer for probe in probes])
    low, high = float(x[x <= root].max()), float(x[x >= root].min())
    if low < high:
        held, broken = -float(signed[x == low].max()), float(signed[x == high].min())
        root = low + (high - low) * min(max(held / (held + broken), 0.1), 0.9)
    interval = Interval(math.exp(low - BLUR), math.exp(high + BLUR))
    return Boundary(math.exp(root), interval, math.inf, float(sum(probe.longer for probe in probes)), math.nan)


def _middle(x: Floats, y: Floats) -> float:
    """The threshold, at a probe or between two, that is contradicted least; the middle of such."""
    edges = np.unique(x)
    best = least_contradicted(x, y, np.concatenate([edges, (edges[1:] + edges[:-1]) / 2]))
    return float(best.min() + best.max()) / 2
