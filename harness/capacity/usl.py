"""The Universal Scalability Law fitted to measured loads: X(N) = γN / (1 + α(N−1) + βN(N−1)).

α is contention (waiting for what only one may use), β coherency (keeping each other informed), γ the throughput of one
alone. N. J. Gunther, "Guerrilla Capacity Planning", Springer 2007, chapters 4 and 5; the three-parameter fit is that of
the R package usl 3.0.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.capacity.probe import ProbeResult
from harness.errors import UsageError
from harness.stats import CONFIDENCE, Interval

Floats = NDArray[np.float64]

LEAST_LOADS = 6
FARTHEST = 2.0
"""A fit says nothing of loads beyond this multiple of the highest measured one."""
STARTS = ((0.01, 1e-4), (0.1, 1e-3), (0.3, 1e-6))


@dataclass(frozen=True, slots=True)
class Scalability:
    """A fit with its 95 % intervals. `measured_to` is the highest load measured; `left_out` the
    error (share) with which the fit to all other loads predicts the highest one."""

    gamma: float
    alpha: float
    beta: float
    gamma_interval: Interval
    alpha_interval: Interval
    beta_interval: Interval
    peak_interval: Interval
    measured_to: float
    left_out: float

    @property
    def peak_load(self) -> float:
        """N* = √((1−α)/β), where throughput is highest; inf without coherency."""
        return peak_load(self.alpha, self.beta)

    @property
    def peak_known(self) -> bool:
        """The peak lies where the fit may be asked, and coherency is surely above nothing: without it there is none."""
        return self.peak_load <= FARTHEST * self.measured_to and self.beta_interval.low > 0

    def throughput(self, load: float) -> float:
        """X(N) in calls/s; raises UsageError beyond twice the measured range."""
        if load > FARTHEST * self.measured_to:
            what = f"a load of {load:.4g} is more than twice the highest measured one, {self.measured_to:.4g}"
            raise UsageError(what, "measure nearer to it: what scales so far may stop to scale there")
        return float(throughput(np.array([load]), self.gamma, self.alpha, self.beta)[0])


def throughput(loads: Floats, gamma: float, alpha: float, beta: float) -> Floats:
    """X(N) for an array of loads."""
    return gamma * loads / (1 + alpha * (loads - 1) + beta * loads * (loads - 1))


def peak_load(alpha: float, beta: float) -> float:
    """N* = √((1−α)/β); inf without coherency, 1 where contention alone is total."""
    return math.sqrt(max(1 - alpha, 0.0) / beta) if beta > 1e-12 else math.inf


def fit(loads: Sequence[float], rates: Sequence[float]) -> Scalability:
    """Fit loads N (calls in flight, users, or workers; > 0) and throughputs X (calls/s).

    Raises UsageError with fewer than 6 different loads: three parameters need more than that to be known.
    """
    n, x = np.asarray(loads, float), np.asarray(rates, float)
    different = len(np.unique(n))
    if different < LEAST_LOADS:
        what = f"{different} different loads were measured, a fit of three parameters needs {LEAST_LOADS}"
        raise UsageError(what, "measure more loads")
    found = _solve(n, x)
    gamma, alpha, beta = map(float, found)
    gammas, alphas, betas = (
        Interval(max(value - half, 0.0), value + half)
        for value, half in zip((gamma, alpha, beta), _halves(n, x, found), strict=True)
    )
    others = n < n.max()
    without = _solve(n[others], x[others])
    top, seen = throughput(n[~others], *without), x[~others]
    return Scalability(
        gamma,
        alpha,
        beta,
        gamma_interval=gammas,
        alpha_interval=alphas,
        beta_interval=betas,
        peak_interval=Interval(peak_load(alpha, betas.high), peak_load(alpha, betas.low)),
        measured_to=float(n.max()),
        left_out=float(np.mean(top) / np.mean(seen) - 1),
    )


def fit_probes(probes: Sequence[ProbeResult]) -> Scalability:
    """Fit what settled probes carried over the calls they had in flight (Little's law); raises UsageError as `fit`.

    A probe with less than one call in flight is left out: the law begins with one.
    """
    used = [probe for probe in probes if probe.settled and probe.in_flight >= 1]
    return fit([probe.in_flight for probe in used], [probe.carried for probe in used])


def _solve(n: Floats, x: Floats) -> Any:
    """(γ, α, β) with the least squares of x, all ≥ 0; the best of several starts."""
    from scipy.optimize import least_squares

    gamma = float(np.max(x / n))
    tries = [
        least_squares(
            lambda p: throughput(n, *p) - x,
            (gamma, alpha, beta),
            jac=lambda p: _slopes(n, *p),
            bounds=(0, np.inf),
            x_scale=(gamma, max(alpha, 1e-3), max(beta, 1e-5)),
        )
        for alpha, beta in STARTS
    ]
    return min(tries, key=lambda result: result.cost).x


def _slopes(n: Floats, gamma: float, alpha: float, beta: float) -> Floats:
    """How X(N) changes with each parameter (shape n × 3)."""
    under = 1 + alpha * (n - 1) + beta * n * (n - 1)
    curve = gamma * n / under
    return np.column_stack([n / under, -curve * (n - 1) / under, -curve * n * (n - 1) / under])


def _halves(n: Floats, x: Floats, found: Any) -> Floats:
    """Half of each parameter's 95 % interval: Student's, from the curve's slopes there (D. M. Bates and D. G. Watts,
    "Nonlinear Regression Analysis", 1988, section 2.3)."""
    from scipy.special import stdtrit

    slopes, left = _slopes(n, *found), x - throughput(n, *found)
    freedom = len(n) - 3
    variance = float(left @ left) / freedom
    sizes = np.linalg.norm(slopes, axis=0)
    scaled = slopes / sizes
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(scaled.T @ scaled))) / sizes
    return np.asarray(float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * errors)
