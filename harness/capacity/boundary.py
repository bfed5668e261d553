"""Where the excess of noisy probes crosses 0: a line through their measures, those near it weighing most. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.capacity.probe import ProbeResult
from harness.stats import Interval

Floats = NDArray[np.float64]

NEAR = (0.08, 0.12, 0.18, 0.27)
"""A probe that is off by e^±this weighs a quarter of one at the boundary: as near as the slope can be told from."""
SLOPE_SURE = 3.0
"""Standard errors that a slope must be above 0 to be told."""
STATED = 6.0
"""Degrees of freedom that the probes' own standard errors count for beside what they lie off the line."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """`rate` (calls/s) where the excess is 0, its 95 % interval, and `off`: the standard error (share of the rate) of
    the place that one usual probe leaves; nan where probes state no noise, inf where the excess does not rise. `noise`:
    that of a usual probe's excess; nan where none is stated."""

    rate: float
    interval: Interval
    off: float
    weight: float
    """Usual probes that the place rests on."""
    noise: float


@dataclass(frozen=True, slots=True)
class _Line:
    """Root and half of its interval in logarithms, whether the slope is told, `off` and `weight` of Boundary."""

    root: float
    half: float
    told: bool
    off: float
    weight: float


def boundary(probes: Sequence[ProbeResult]) -> Boundary:
    """The root of the line, never more than was ever carried."""
    x = np.log([probe.rate for probe in probes])
    y = np.array([probe.signed for probe in probes])
    longer = np.array([probe.longer for probe in probes])
    most = math.log(max(max(probe.carried for probe in probes), probes[0].rate * 1e-9))
    threshold = _threshold(x, y)
    for near in NEAR:
        root = threshold
        for _ in range(8):
            kernel = (1.0 + ((x - root) / near) ** 2) ** -2
            noise = _stated(probes, kernel)
            line = _line(x, y, kernel, longer, noise)
            root = min(max(line.root, root - near), root + near, most)
        if line.told or math.isnan(noise):
            break
    wide = min(line.half, 1.0)
    off = math.nan if math.isnan(noise) else line.off
    return Boundary(math.exp(root), Interval(math.exp(root - wide), math.exp(root + wide)), off, line.weight, noise)


def _stated(probes: Sequence[ProbeResult], kernel: Floats) -> float:
    """The standard error of a usual probe there, from what the probes state; nan where none does."""
    noise = np.array([probe.noise**2 * probe.longer for probe in probes])
    known = np.isfinite(noise) & np.array([abs(probe.signed) < 1 for probe in probes])
    return math.sqrt(float(np.average(noise[known], weights=kernel[known]))) if known.any() else math.nan


def _threshold(x: Floats, y: Floats) -> float:
    """The threshold that contradicts the probes least (the middle of all such)."""
    edges = np.unique(x)
    return float(np.mean(least_contradicted(x, y, (edges[1:] + edges[:-1]) / 2)))


def least_contradicted(x: Floats, y: Floats, cuts: Floats) -> Floats:
    """Those of the thresholds `cuts` that `y` (negative: it held there) contradicts least."""
    cost = np.array([float(np.abs(y[((x < cut) & (y > 0)) | ((x > cut) & (y < 0))]).sum()) for cut in cuts])
    best: Floats = cuts[cost <= cost.min() + 1e-12]
    return best


def _line(x: Floats, y: Floats, kernel: Floats, longer: Floats, stated: float) -> _Line:
    """The weighted least-squares line; half of the 95 % interval of its root by the delta method, where the noise of a
    probe is what it states and what it lies off the line, pooled. Without a slope: the threshold, without an interval.
    """
    from scipy.stats import t

    weights = kernel * longer
    total = float(weights.sum())
    mean_x, mean_y = float(weights @ x) / total, float(weights @ y) / total
    from_mean = x - mean_x
    spread = float(weights @ from_mean**2)
    slope = float(weights @ (from_mean * y)) / spread
    freedom = max(float(kernel.sum()) ** 2 / float(kernel @ kernel) - 2, 0.0)
    known = 0.0 if math.isnan(stated) else STATED
    if slope <= 0 or freedom + known == 0:
        return _Line(_threshold(x, y), math.inf, False, math.inf, total)
    left = y - mean_y - slope * from_mean
    off = float(weights @ left**2) / float(kernel.sum()) * (freedom + 2)
    noise = math.sqrt((off + (known * stated**2 if known else 0.0)) / (freedom + known))
    root = mean_x - mean_y / slope
    shares = weights / total + (root - mean_x) * weights * from_mean / spread
    half = float(t.ppf(0.975, freedom + known)) * noise * math.sqrt(float(shares**2 @ (1 / longer))) / slope
    rise = noise * math.sqrt(float((weights * from_mean) ** 2 @ (1 / longer))) / spread
    return _Line(root, half, slope >= SLOPE_SURE * rise, noise / slope, total)
