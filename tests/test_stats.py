"""Intervals hold what they say they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from harness.stats import Interval, clean_bound, excess, needed_for, quantile, quantile_interval, spread, wilson


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share_that_was_seen(of: int, data: st.DataObject) -> None:
    """The point estimate lies in its interval, which lies in [0, 1] and is never empty."""
    hits = data.draw(st.integers(0, of))
    interval = wilson(hits, of)
    assert 0 <= interval.low <= hits / of <= interval.high <= 1
    assert interval.low < interval.high


@given(st.integers(1, 2000), st.data())
def test_wilson_is_symmetric(of: int, data: st.DataObject) -> None:
    """Counting misses instead of hits mirrors the interval."""
    hits = data.draw(st.integers(0, of))
    one, other = wilson(hits, of), wilson(of - hits, of)
    assert one.low == pytest.approx(1 - other.high)
    assert one.high == pytest.approx(1 - other.low)


def test_an_excess_is_newcombes() -> None:
    """56 of 70 beside 48 of 80, his first example; turned round it is the same; nobody knows without a sample."""
    found, turned = excess(56, 70, 48, 80), excess(48, 80, 56, 70)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    assert excess(0, 0, 1, 2) == excess(1, 2, 0, 0) == Interval(-1.0, 1.0)


@given(st.integers(1, 500), st.integers(0, 500))
def test_wilson_narrows_with_more_evidence(of: int, hits: int) -> None:
    """Ten times the sample at the same share gives a narrower interval."""
    hits = min(hits, of)
    few, many = wilson(hits, of), wilson(10 * hits, 10 * of)
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 10, 0.0, 0.27753), (5, 10, 0.23659, 0.76341), (81, 263, 0.25528, 0.36621)]
)
def test_wilson_gives_the_published_values(hits: int, of: int, low: float, high: float) -> None:
    """Values of R's binom.confint(…, method = "wilson"); 81 of 263 is Newcombe's example (1998)."""
    interval = wilson(hits, of)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_wilson_of_nothing_knows_nothing() -> None:
    """No sample leaves every share possible."""
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


@given(st.integers(3, 10**7))
def test_a_clean_sample_bounds_the_share_by_three_over_n(of: int) -> None:
    """The exact bound lies just below 3/n, and a share at the bound stays unseen with 5 %."""
    bound = clean_bound(of)
    assert bound <= 3 / of
    assert (1 - bound) ** of == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(("q", "needed"), [(0.5, 5), (0.95, 59), (0.99, 299)])
def test_a_quantile_needs_so_many_samples(q: float, needed: int) -> None:
    """p95 needs 59 samples and p99 299 to be certified at 95 %."""
    assert needed_for(q) == needed
    assert 1 - q**needed >= 0.95 > 1 - q ** (needed - 1)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=200), st.floats(0.01, 0.999))
def test_a_quantile_is_a_value_that_was_seen(values: list[int], q: float) -> None:
    """At least a share q of the values doesn't exceed it, and less than that lies strictly below."""
    array = np.array(values)
    found = quantile(array, q)
    assert found in values
    assert np.mean(array <= found) >= q - 1e-9
    assert np.mean(array < found) < q + 1e-9


@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_an_order_statistic_interval_covers_with_its_confidence(size: int, q: float) -> None:
    """Over ranks 1 … n the chance that the true quantile lies between the two ends is at least 95 %."""
    interval = quantile_interval(np.arange(1, size + 1), q)
    low = 0 if interval.low == -math.inf else int(interval.low)
    high = size + 1 if interval.high == math.inf else int(interval.high)
    below = binom.cdf(low - 1, size, q) if low else 0.0
    above = binom.sf(high - 1, size, q) if high <= size else 0.0
    assert below <= 0.025 + 1e-12
    assert above <= 0.025 + 1e-12


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99]))
def test_an_order_statistic_interval_holds_the_quantile_seen(values: list[int], q: float) -> None:
    """The interval is around the sample's own quantile."""
    interval = quantile_interval(np.array(values), q)
    assert interval.low <= quantile(np.array(values), q) <= interval.high


def test_nothing_has_no_quantile() -> None:
    """No data gives nan and an interval without ends, never a number."""
    nothing = np.array([], np.int64)
    assert math.isnan(quantile(nothing, 0.5))
    assert (quantile_interval(nothing, 0.5).low, quantile_interval(nothing, 0.5).high) == (-math.inf, math.inf)
    assert math.isnan(spread(np.array([1.0])))


def test_spread_is_deviation_over_mean() -> None:
    """The coefficient of variation of 1 and 3 is √2 / 2."""
    assert spread(np.array([1.0, 3.0])) == pytest.approx(math.sqrt(2) / 2)
