"""Servers that collapse: told from those that slow, and their boundary divided by what held and what failed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from known_servers import errors_of, knee_of

from harness.capacity import ProbeResult
from harness.capacity.collapse import BLUR, EARLY, collapses, tipping
from harness.capacity.simulated import Contended, Objective

LONG = 20.0


def probe(rate: float, excess: float, longer: float = LONG) -> ProbeResult:
    """One that held where its excess is negative."""
    return ProbeResult(rate, excess < 0, min(rate, 100.0), excess, longer=longer)


def test_a_queue_shows_that_its_bound_comes_and_a_server_that_collapses_does_not() -> None:
    """A queue of 100/s is twice as slow at 90 as at 80; half of the bound is left just below where the other fails."""
    queue = [probe(rate, math.log(10 / (100 - rate))) for rate in (70.0, 80.0, 89.5)]
    quick = [probe(70.0, -1.0), probe(85.0, -0.8), probe(95.0, -0.7)]
    assert not collapses([*queue, probe(99.5, 3.0)])
    assert collapses([*quick, probe(100.0, 4.6)])
    assert not collapses([*quick, probe(100.0, 0.5)])


def test_the_boundary_lies_between_what_held_and_what_failed_for_long() -> None:
    """Nearer to the one that is nearer to its bound; the interval holds both and how gradual it is."""
    at = tipping([probe(80.0, -0.5), probe(96.0, -0.1), probe(100.0, 3.0)], LONG)
    assert 96 < at.rate < 98
    assert at.interval.low == pytest.approx(96 * math.exp(-BLUR))
    assert at.interval.high == pytest.approx(100 * math.exp(BLUR))


def test_a_long_failure_outweighs_short_probes_that_held_above_it() -> None:
    """A server stays quick for a while: those at 104 and 106 lasted a twentieth."""
    at = tipping([probe(94.0, -0.2), probe(104.0, -0.2, 1), probe(106.0, -0.1, 1), probe(102.0, 3.0)], LONG)
    assert 94 < at.rate < 102


def test_a_short_probe_that_held_counts_for_a_lower_rate() -> None:
    """By EARLY below the lowest failure; where nothing may last longer, it counts as it is."""
    probes = [probe(80.0, -0.5, 1), probe(99.0, -0.2, 1), probe(100.0, 3.0, 1)]
    assert tipping(probes, LONG).interval.low == pytest.approx(100 * math.exp(-EARLY - BLUR))
    assert 99 < tipping(probes, 1.0).rate < 100


def test_a_rate_that_held_and_failed_is_the_boundary() -> None:
    """Chance decides there."""
    probes = [probe(90.0, -0.3), probe(97.0, -0.2), probe(97.0, 0.9), probe(110.0, 4.0)]
    assert tipping(probes, LONG).rate == pytest.approx(97)


def test_the_knee_of_a_server_that_collapses_is_found() -> None:
    """Three searches of a strongly coherent one; a hundred are in bench/knees.py."""
    server, objective = Contended(100.0, 0.05, 0.004, 60), Objective(0.020, quantile=0.0)
    errors, most, _ = errors_of(server, objective, knee_of(server, objective), range(100, 103))
    assert most <= 12
    assert np.abs(errors).max() <= 0.08
