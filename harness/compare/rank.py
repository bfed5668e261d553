"""Exact permutation tests of two groups of runs, and the shift between them.

The test permutes which run belongs to which group: exact whatever the distribution, ties and all (E. L. Lehmann,
"Nonparametrics", 1975). Runs that were made in turns are permuted within blocks of neighbours alone, of which each has
its own level (Lehmann, section 3.3, aligned observations), and one slope is common to all, so that a machine that
drifts costs little power (D. Freedman and D. Lane, Journal of Business and Economic Statistics 1, 1983). Three
scores are permuted together, and so are several metrics of the same runs: one chance of error holds for all of them
(P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing", 1993, single-step maximum). The values themselves
see most where noise is normal, logarithms of ranks from below and above where one side of it is sharp or a run is wild.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from harness.stats import Interval

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

MOST_EXACT = 200_000
"""Up to so many ways to divide the runs (10 against 10: 184,756) all are looked at, beyond it as many at random."""
MOST_UNEVEN = 0.05
"""Squared correlation of side and time in blocks from which on a slope can't be told from a shift: none is taken."""
_CLOSE = 1e-5
"""Sums of single-precision scores that differ by less are equal."""


def p_values(base: Floats, new: Floats, blocks: tuple[str, ...] = ()) -> Floats:
    """Two-sided p-values, one a metric, adjusted for all metrics at once. Shapes: (runs, metrics) each.

    `blocks`: which runs, in order of time, were made near each other (`harness.compare.order.blocks`).
    """
    places = block_places(blocks, len(base), len(new))
    times = turns(places, len(base))
    both = np.vstack([base, new])
    columns = np.hstack([_scores(column, places, times) for column in both.T])
    spreads = np.sqrt((columns**2).sum(axis=0))
    columns = (columns / np.where(spreads > 0, spreads, 1.0)).astype(np.float32)
    ways = divisions(len(base), len(new), blocks)
    was = (np.arange(len(both)) < len(base)).astype(np.float32)
    seen = np.abs(columns[: len(base)].sum(axis=0) * _weights(was[None, :], times, places)).reshape(-1, 3).max(axis=1)
    most = np.abs(columns.T @ ways.T * _weights(ways, times, places)).max(axis=0)
    return np.array([float(np.mean(most >= value - _CLOSE)) for value in seen])


def _scores(values: Floats, places: Sequence[Places], times: Floats) -> Floats:
    """The values without what drifted, and the logarithms of their ranks from below and from above; each centred and
    again without what drifts."""
    from scipy.stats import rankdata

    straight = straightened(values, places, times)
    ranks = rankdata(straight if times.any() else values) / (len(values) + 1)
    scores = [straight, -np.log(ranks), -np.log(1 - ranks)]
    if times.any():
        scores = [straightened(score, places, times) for score in scores]
    table = np.column_stack([score - score.mean() for score in scores])
    return np.where(np.ptp(values) > 0, table, 0.0)


def straightened(values: Floats, places: Sequence[Places], times: Floats) -> Floats:
    """The values with each block's mean moved to the mean of all, and without the slope over `times`."""
    level = np.zeros(len(values))
    for place in places:
        level[place] = values[place].mean() - values.mean()
    left = values - level
    return left - times * float(times @ left) / max(float(times @ times), 1.0)


def turns(places: Sequence[Places], base: int) -> Floats:
    """When each run was made within its block, centred; all 0 without blocks, or where one side came first in them."""
    times = np.zeros(sum(map(len, places)))
    if len(places) < 2:
        return times
    for place in places:
        times[place] = np.arange(len(place)) - (len(place) - 1) / 2
    side = np.arange(len(times)) < base
    uneven = float(times[side].sum()) ** 2 / (float(times @ times) * _variance(places, base))
    return times if uneven <= MOST_UNEVEN else np.zeros(len(times))


def _variance(places: Sequence[Places], base: int) -> float:
    """Sum of squares of the sides (0, 1) about their mean in each block."""
    shares = [(float(np.mean(place < base)), len(place)) for place in places]
    return sum(share * (1 - share) * size for share, size in shares)


def _weights(ways: NDArray[np.float32], times: Floats, places: Sequence[Places]) -> Floats:
    """A division that leans in time has less room beside the slope that was taken away: what evens that out."""
    if not times.any():
        return np.ones(len(ways))
    leaning = (ways @ times) ** 2 / float(times @ times)
    return np.asarray(1 / np.sqrt(1 - leaning / _variance(places, int(ways[0].sum()))))


@lru_cache(maxsize=8)
def block_places(blocks: tuple[str, ...], base: int, new: int) -> tuple[Places, ...]:
    """Where the runs of each block stand among the base runs followed by the new ones; one block without `blocks`."""
    if not blocks:
        return (np.arange(base + new),)
    sides = np.array(list("".join(blocks)))
    stands = np.where(sides == "A", np.cumsum(sides == "A") - 1, base + np.cumsum(sides == "B") - 1)
    return tuple(np.split(stands, np.cumsum([len(block) for block in blocks])[:-1]))


@lru_cache(maxsize=8)
def divisions(base: int, new: int, blocks: tuple[str, ...] = ()) -> NDArray[np.float32]:
    """Rows of zeros and ones: which runs might as well have been the `base` ones, as many in each block as there are;
    the real one is among them."""
    places = block_places(blocks, base, new)
    was = (np.arange(base + new) < base).astype(np.float32)
    if math.prod(math.comb(len(place), int(was[place].sum())) for place in places) > MOST_EXACT:
        return _drawn(was, places)
    rows = was[None, :]
    for place in places:
        ways = list(combinations(range(len(place)), int(was[place].sum())))
        rows = np.repeat(rows, len(ways), axis=0)
        inside = np.zeros((len(ways), len(place)), np.float32)
        for row, members in enumerate(ways):
            inside[row, list(members)] = 1.0
        rows[:, place] = np.tile(inside, (len(rows) // len(ways), 1))
    return rows


def _drawn(was: NDArray[np.float32], places: Sequence[Places]) -> NDArray[np.float32]:
    """So many divisions at random, after the one that it was."""
    draws = np.random.default_rng(len(was))
    rows = np.tile(was, (MOST_EXACT, 1))
    for place in places:
        rows[1:, place] = draws.permuted(rows[1:, place], axis=1)
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
