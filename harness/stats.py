"""Quantiles, intervals and bounds that verdicts rest on: exact on arrays, nothing fitted (numpy, scipy).

Wilson: E. B. Wilson, JASA 22 (1927). Order-statistic intervals: H. A. David, Order Statistics, section 7.1.
Rule of three: J. A. Hanley and A. Lippman-Hand, JAMA 249 (1983).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed range [low, high] that holds the true value with the confidence asked for."""

    low: float
    high: float

    def above(self, bound: float) -> bool:
        """The whole interval lies above `bound`."""
        return self.low > bound

    def below(self, bound: float) -> bool:
        """The whole interval lies below `bound`."""
        return self.high < bound


def wilson(hits: int, of: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a share of `hits` in `of`; the whole range [0, 1] when `of` is 0."""
    if not of:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / of
    middle = share + z * z / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    low = 0.0 if hits == 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if hits == of else min(1.0, (middle + half) / scale)
    return Interval(low, high)


def excess(hits: int, of: int, others: int, among: int, confidence: float = CONFIDENCE) -> Interval:
    """By how much the share of `hits` in `of` is above that of `others` in `among`: the interval from both of Wilson's
    (R. G. Newcombe, Statistics in Medicine 17 (1998), 873, method 10)."""
    if not of or not among:
        return Interval(-1.0, 1.0)
    one, other = wilson(hits, of, confidence), wilson(others, among, confidence)
    share, usual = hits / of, others / among
    return Interval(
        share - usual - math.hypot(share - one.low, other.high - usual),
        share - usual + math.hypot(one.high - share, usual - other.low),
    )


def clean_bound(of: int, confidence: float = CONFIDENCE) -> float:
    """The highest share that `of` clean cases leave possible: 1 − (1 − confidence)^(1/n), about 3/n; 1 for none."""
    return 1.0 if of == 0 else 1 - (1 - confidence) ** (1 / of)


def needed_for(q: float, confidence: float = CONFIDENCE) -> int:
    """The samples that certify quantile `q` from above: the largest of n exceeds it with the confidence (p95: 59)."""
    return math.ceil(math.log(1 - confidence) / math.log(q))


def quantile(values: NDArray[Any], q: float) -> float:
    """The smallest value that at least a share `q` of the values doesn't exceed (nearest rank); nan for none."""
    size = len(values)
    if not size:
        return math.nan
    rank = max(math.ceil(q * size - 1e-9), 1)
    return float(np.partition(values, rank - 1)[rank - 1])


def quantile_interval(values: NDArray[Any], q: float, confidence: float = CONFIDENCE) -> Interval:
    """Order statistics around quantile `q` that hold it with at least the confidence, whatever the distribution.

    An end that the sample can't give is −inf or +inf (p99 has no upper end below 299 samples or so).
    """
    size = len(values)
    tail = (1 - confidence) / 2
    low = _binomial_quantile(tail, size, q) if size else 0
    high = _binomial_quantile(1 - tail, size, q) + 1 if size else 1
    ordered = np.sort(values)
    return Interval(
        float(ordered[low - 1]) if low >= 1 else -math.inf,
        float(ordered[high - 1]) if high <= size else math.inf,
    )


def _binomial_quantile(share: float, trials: int, p: float) -> int:
    """The least k with P(X ≤ k) ≥ share for X binomial; scipy.stats.binom.ppf without its 2 s of import."""
    from scipy.special import bdtr, bdtrik

    k = math.ceil(float(bdtrik(share, trials, p)))
    return k - 1 if k > 0 and bdtr(k - 1, trials, p) >= share else k


def spread(values: NDArray[Any]) -> float:
    """Coefficient of variation: standard deviation over mean; nan for fewer than two values or a mean of 0."""
    if len(values) < 2 or not np.mean(values):
        return math.nan
    return float(np.std(values, ddof=1) / np.mean(values))
