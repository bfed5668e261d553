"""How far a measure of one probe may be off: standard errors of logarithms, with calls that depend on each other.

A queue's response times come in crowds, so a probe holds less than its number of calls says. How much less is taken
from means of batches (G. S. Fishman, "Discrete-Event Simulation", Springer 2001, section 6.6).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.stats import quantile

BATCHES = 24
ENOUGH = 200
"""Late values that show how they crowd."""


def quantile_error(values: NDArray[Any], q: float) -> float:
    """The standard error of the logarithm of quantile `q` of positive values in order of time; nan for too few.

    It is that of the share of late values, times how steeply the quantile falls with that share between half and
    double of it. How late values crowd is looked at where there are enough of them, for a few are one crowd or two.
    """
    size, late = len(values), 1 - q
    if size < BATCHES or q <= 0:
        return math.nan
    crowd = crowding(values > quantile(values, min(q, max(1 - ENOUGH / size, 0.5))))
    more, less = min(2 * late, (1 + late) / 2), max(late / 2, 1 / size)
    high, low = quantile(values, 1 - less), quantile(values, 1 - more)
    steep = math.log(high / low) / math.log(more / less)
    return steep * math.sqrt(crowd * q / (size * late))


def share_error(hits: NDArray[np.bool_]) -> float:
    """The standard error of the logarithm of the share of hits; nan without any."""
    count = int(hits.sum())
    return math.sqrt(crowding(hits) / count) if count else math.nan


def mean_error(values: NDArray[Any]) -> float:
    """The standard error of the logarithm of the mean; nan for too few values."""
    means = _batch_means(values)
    return float(np.std(means, ddof=1) / math.sqrt(len(means)) / np.mean(means)) if len(means) > 1 else math.nan


def crowding(hits: NDArray[np.bool_]) -> float:
    """How many times the variance of their share is that of as many independent hits; at least 1."""
    means, share = _batch_means(hits), float(np.mean(hits)) if len(hits) else 0.0
    if len(means) < 2 or not 0 < share < 1:
        return 1.0
    return max(float(np.var(means, ddof=1)) * (len(hits) // BATCHES) / (share * (1 - share)), 1.0)


def _batch_means(values: NDArray[Any]) -> NDArray[np.float64]:
    size = len(values) // BATCHES
    return values[: size * BATCHES].reshape(BATCHES, size).mean(axis=1) if size else np.zeros(0)
