"""The knee of a curve by its shape alone: a second opinion beside the objectives.

V. Satopää, J. Albrecht, D. Irwin, B. Raghavan, "Finding a 'Kneedle' in a Haystack", ICDCS workshops 2011: scale both
axes to [0, 1] and take the point farthest from the diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEAST_POINTS = 5
LEAST_BEND = 0.1
"""A curve that leaves the diagonal by less has no knee."""


def knee(rates: Sequence[float], latencies: Sequence[float]) -> float:
    """The rate from which latency bends upwards (a convex, rising curve); nan where there is no bend to speak of."""
    order = np.argsort(rates, kind="stable")
    x, y = np.asarray(rates, float)[order], np.maximum.accumulate(np.asarray(latencies, float)[order])
    if len(x) < LEAST_POINTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    below = (x - x[0]) / np.ptp(x) - (y - y[0]) / np.ptp(y)
    at = int(np.argmax(below))
    return float(x[at]) if below[at] >= LEAST_BEND else math.nan
