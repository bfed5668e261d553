"""The Universal Scalability Law: held to published fits, and silent where it knows nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.capacity import ProbeResult, fit, fit_probes
from harness.capacity.usl import peak_load, throughput
from harness.errors import UsageError

SPEC_SDM91 = ((1, 18, 36, 72, 108, 144, 216), (64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2))
RAYTRACER = ((1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64), (20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310))
EXACT = ((1, 2, 4, 6, 8, 10), (1, 1.8868, 3.0769, 3.5294, 3.5398, 3.3557))


def test_published_fits_are_reproduced() -> None:
    """The R package usl 3.0.3: α 0.0277285, β 0.0001044, γ 89.9952 for SPEC SDM91; α 0.057771, γ 21.8488, β 0 for
    the raytracer; α and β 0.02 for its test data."""
    spec, ray, exact = fit(*SPEC_SDM91), fit(*RAYTRACER), fit(*EXACT)
    assert (spec.alpha, spec.beta, spec.gamma) == pytest.approx((0.0277285, 0.0001044, 89.9952), rel=1e-3)
    assert (ray.alpha, ray.gamma) == pytest.approx((0.057771, 21.848843), rel=1e-3)
    assert ray.beta == pytest.approx(0, abs=1e-6)
    assert (exact.alpha, exact.beta) == pytest.approx((0.02, 0.02), rel=1e-2)


def test_intervals_are_as_wide_as_the_published_standard_errors() -> None:
    """usl 3.0.3 states 0.0091217 for α and 0.0000199 for β on SPEC SDM91: 2.776 of them (4 degrees of freedom)."""
    spec = fit(*SPEC_SDM91)
    assert spec.alpha_interval.high - spec.alpha == pytest.approx(2.7764 * 0.0091217, rel=0.01)
    assert spec.beta_interval.high - spec.beta == pytest.approx(2.7764 * 0.0000199, rel=0.01)


@pytest.mark.parametrize(("relative", "least"), [(False, 0.93), (True, 0.90)])
def test_intervals_hold_the_truth_as_often_as_they_say(relative: bool, least: float) -> None:
    """500 data sets of 6 to 10 loads with 2 % noise: of the largest throughput 95 of 100 times; where it is of each
    throughput itself, which least squares weigh wrongly, at least 90."""
    draws = np.random.default_rng(1)
    loads = np.array([1, 2, 4, 8, 12, 16, 24, 32, 48, 64.0])
    held = []
    for turn in range(500):
        alpha, beta = (0.02, 0.1, 0.3)[turn % 3], (0.0, 0.0002, 0.002)[turn // 3 % 3]
        chosen = np.sort(draws.choice(loads, draws.integers(6, 11), replace=False))
        truth = throughput(chosen, 100.0, alpha, beta)
        noise = 0.02 * draws.standard_normal(len(chosen)) * (truth if relative else truth.max())
        found = fit(chosen.tolist(), (truth + noise).tolist())
        sides = zip(
            (found.gamma_interval, found.alpha_interval, found.beta_interval, found.peak_interval),
            (100.0, alpha, beta, peak_load(alpha, beta)),
            strict=True,
        )
        held.append([interval.low <= value <= interval.high for interval, value in sides])
    shares = np.mean(held, axis=0)
    assert np.all(shares >= least), shares
    assert np.all(shares <= 0.99), shares


def test_the_peak_is_where_the_law_says() -> None:
    """N* = √((1−α)/β): 96.5 for SPEC SDM91, nowhere without coherency."""
    spec = fit(*SPEC_SDM91)
    assert spec.peak_load == pytest.approx(96.5, abs=0.1)
    assert spec.throughput(spec.peak_load) == pytest.approx(1883.9, abs=1)
    assert spec.peak_known
    assert not fit(*RAYTRACER).peak_known
    assert fit(*RAYTRACER).throughput(128) > 310


def test_fewer_than_six_loads_are_refused() -> None:
    """Three parameters from five loads would fit anything; the same load twice is one load."""
    with pytest.raises(UsageError, match="5 different loads"):
        fit((1, 2, 3, 4, 5, 5), (1, 2, 3, 4, 5, 5))


def test_nothing_is_said_beyond_twice_the_measured_range() -> None:
    """The refusal names the measured range."""
    spec = fit(*SPEC_SDM91)
    assert spec.throughput(432) > 0
    with pytest.raises(UsageError, match="more than twice the highest measured one, 216"):
        spec.throughput(433)


@pytest.mark.parametrize("alpha", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("beta", [0.0, 0.0002, 0.005])
def test_parameters_are_recovered_from_noisy_loads(alpha: float, beta: float) -> None:
    """12 loads at 1 % noise: the curve within 5 % over the measured range, and the truth within widened intervals."""
    loads = np.array([1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96.0])
    truth = throughput(loads, 100.0, alpha, beta)
    noisy = truth * np.random.default_rng(5).normal(1, 0.01, len(loads))
    found = fit(loads.tolist(), noisy.tolist())
    assert throughput(loads, found.gamma, found.alpha, found.beta) == pytest.approx(truth, rel=0.05)
    assert found.alpha_interval.low - 0.02 <= alpha <= found.alpha_interval.high + 0.02
    assert abs(found.left_out) < 0.2


def test_probes_are_fitted_over_their_calls_in_flight() -> None:
    """Little's law gives the load of an open probe; one whose backlog grew has none; below one it says nothing."""
    rates = [120, 130, 140, 150, 160, 170]
    probes = [ProbeResult(r, True, r, mean_s=0.01 / (1 - r / 200)) for r in rates]
    idle = ProbeResult(10, True, 10, mean_s=0.01)
    growing = ProbeResult(400, False, 200, mean_s=9.0, settled=False)
    found = fit_probes([idle, *probes, growing])
    assert found.measured_to == pytest.approx(170 / 15)
    assert math.isfinite(found.alpha)
