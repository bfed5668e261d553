"""Exact rank tests of two groups of runs, and the shift between them.

The test permutes which run belongs to which group, over van der Waerden's normal scores of the ranks: exact whatever
the distribution, ties and all (B. L. van der Waerden, 1952; E. L. Lehmann, "Nonparametrics", 1975, section 2.7B). It
uses 1 % better than the Mann-Whitney statistic does at 8 against 8, whose next finer level is 0.7 %. Several metrics of
the same runs are permuted together, so that one chance of error holds for all of them, however they hang together
(P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing", 1993, single-step maximum).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from harness.stats import Interval

Floats = NDArray[np.float64]

MOST_EXACT = 200_000
"""Up to so many ways to divide the runs (10 against 10: 184,756) all are looked at, beyond it as many at random."""
_CLOSE = 1e-5
"""Sums of single-precision scores that differ by less are equal."""


def p_values(base: Floats, new: Floats) -> Floats:
    """Two-sided p-values, one a metric, adjusted for all metrics at once. Shapes: (runs, metrics) each."""
    both = np.vstack([base, new])
    scores = np.column_stack([normal_scores(column) for column in both.T])
    spreads = np.sqrt((scores**2).sum(axis=0))
    scores = (scores / np.where(spreads > 0, spreads, 1.0)).astype(np.float32)
    seen = np.abs(scores[: len(base)].sum(axis=0))
    most = np.abs(divisions(len(base), len(new)) @ scores).max(axis=1)
    return np.array([float(np.mean(most >= value - _CLOSE)) for value in seen])


def normal_scores(values: Floats) -> Floats:
    """Φ⁻¹(rank / (n + 1)) of each value, tied values sharing their mean rank, centred on 0."""
    from scipy.stats import norm, rankdata

    scores = norm.ppf(rankdata(values) / (len(values) + 1))
    return np.asarray(scores - scores.mean(), float)


@lru_cache(maxsize=8)
def divisions(base: int, new: int) -> NDArray[np.float32]:
    """Rows of zeros and ones: which runs might as well have been the `base` ones. The first is as it was."""
    size = base + new
    if math.comb(size, base) > MOST_EXACT:
        draws = np.random.default_rng(size)
        rows = draws.permuted(np.tile(np.arange(size) < base, (MOST_EXACT, 1)), axis=1).astype(np.float32)
        rows[0] = np.arange(size) < base
        return rows
    rows = np.zeros((math.comb(size, base), size), np.float32)
    for row, members in enumerate(combinations(range(size), base)):
        rows[row, members] = 1.0
    return rows


def least_p(runs: int) -> float:
    """The smallest p-value that `runs` against as many can give: with 4 never below 2.9 %, with 5 0.8 %."""
    return 2 / math.comb(2 * runs, runs)


def shift(base: Floats, new: Floats) -> float:
    """The Hodges-Lehmann estimate of new − base: the median of all differences (J. Hodges, E. Lehmann, 1963)."""
    return float(np.median(np.subtract.outer(new, base)))


def shift_interval(base: Floats, new: Floats, confidence: float) -> Interval:
    """The differences that hold the shift with at least the confidence (inverted Mann-Whitney test: Lehmann 1975,
    section 2.6); without ends where the runs are too few for it."""
    differences = np.sort(np.subtract.outer(new, base), axis=None)
    below = np.cumsum(mann_whitney(len(base), len(new)))
    cut = int(np.searchsorted(below, (1 - confidence) / 2 + 1e-12, side="right"))
    if cut == 0:
        return Interval(-math.inf, math.inf)
    return Interval(float(differences[cut - 1]), float(differences[-cut]))


@lru_cache(maxsize=32)
def mann_whitney(base: int, new: int) -> Floats:
    """P(U = 0), P(U = 1), … of the Mann-Whitney statistic without ties: the coefficients of the Gaussian binomial."""
    ways = np.zeros(base * new + 1)
    ways[0] = 1.0
    for step in range(1, new + 1):
        for at in range(len(ways) - 1, base + step - 1, -1):
            ways[at] -= ways[at - base - step]
        for at in range(step, len(ways)):
            ways[at] += ways[at - step]
    return np.asarray(ways / ways.sum())


def normal_quantile(share: float) -> float:
    """Φ⁻¹(share)."""
    return NormalDist().inv_cdf(share)
