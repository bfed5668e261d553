"""The rank tests: exact whatever the values, ties and all; intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from harness.compare.rank import (
    MOST_EXACT,
    block_places,
    divisions,
    least_p,
    mann_whitney,
    p_values,
    shift,
    shift_interval,
    straightened,
    turns,
)


def _chance_of_alarm(values: np.ndarray, base: int, level: float) -> float:
    """Over all ways to divide these runs, all equally likely under no difference: how often some p is ≤ level."""
    ways = divisions(base, len(values) - base).astype(bool)
    alarms = [p_values(values[way], values[~way]).min() <= level for way in ways]
    return float(np.mean(alarms))


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(-1e6, 1e6)), min_size=6, max_size=8),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_the_chance_of_a_false_alarm_is_what_was_asked_for(rows: list[tuple[int, float]], level: float) -> None:
    """Exactly, for two metrics at once, for any values, with ties."""
    assert _chance_of_alarm(np.array(rows, float), len(rows) // 2, level) <= level + 1e-12


def test_eight_against_eight_uses_the_chance_it_is_given() -> None:
    """Of the 12,870 divisions of 16 runs 1,170 are tried: about 1 % of them alarm at 1 %."""
    values = np.random.default_rng(1).normal(size=(16, 1))
    ways = divisions(8, 8)
    scores = p_values(values[:8], values[8:])
    assert 0 < scores[0] <= 1
    ranks = np.argsort(np.argsort(values[:, 0]))[:, None].astype(float)
    alarms = [p_values(ranks[way], ranks[~way])[0] <= 0.01 for way in ways[::11].astype(bool)]
    assert 0.003 <= np.mean(alarms) <= 0.02


def test_runs_in_blocks_are_permuted_within_them() -> None:
    """Two blocks of four against four: 70 · 70 divisions, each with four of each block."""
    sides = ("ABBAABBA", "ABBAABBA")
    ways = divisions(8, 8, sides)
    assert len(np.unique(ways, axis=0)) == 4900
    assert all((ways[:, place].sum(axis=1) == 4).all() for place in block_places(sides, 8, 8))


def test_a_step_between_blocks_hides_no_shift() -> None:
    """All runs of the second block are twice as slow; the shift of 10 % shows as it does without that."""
    draws = np.random.default_rng(7)
    steps = np.repeat([0.0, 100.0], 4)[:, None]
    base, new = draws.normal(100, 2, (8, 1)) + steps, draws.normal(110, 2, (8, 1)) + steps
    assert p_values(base, new)[0] > 0.01
    assert p_values(base, new, ("ABBAABBA", "ABBAABBA"))[0] <= 0.01


def test_a_metric_that_never_varies_costs_the_others_nothing() -> None:
    """Error rates of 0 in all runs leave the p-value of p(95) as it is, and get p = 1 themselves."""
    draws = np.random.default_rng(2)
    base, new = draws.normal(10, 1, (6, 1)), draws.normal(12, 1, (6, 1))
    alone = p_values(base, new)
    both = p_values(np.hstack([base, np.zeros((6, 1))]), np.hstack([new, np.zeros((6, 1))]))
    assert both == pytest.approx([alone[0], 1.0])


def test_adjusted_p_values_are_never_smaller_than_single_ones() -> None:
    """The price of asking more questions."""
    draws = np.random.default_rng(3)
    base, new = draws.normal(10, 1, (7, 3)), draws.normal(11, 1, (7, 3))
    single = [p_values(base[:, [at]], new[:, [at]])[0] for at in range(3)]
    assert all(p_values(base, new) >= np.array(single) - 1e-12)


def test_many_runs_are_divided_at_random_and_as_they_were() -> None:
    """Beyond 10 against 10, so many divisions are drawn, the real one among them: p is never 0."""
    ways = divisions(20, 20)
    assert len(ways) == MOST_EXACT
    assert (ways.sum(axis=1) == 20).all()
    base, new = np.arange(20.0)[:, None], np.arange(100.0, 120.0)[:, None]
    assert 0 < p_values(base, new)[0] < 1e-4


@pytest.mark.parametrize(("base", "new"), [(1, 1), (3, 5), (8, 8), (12, 4)])
def test_the_mann_whitney_distribution_is_exact(base: int, new: int) -> None:
    """Against scipy's own for every value of U."""
    chances = np.cumsum(mann_whitney(base, new))
    for u in range(base * new // 2 + 1):
        values = np.arange(base + new, dtype=float)
        rows = next((w for w in divisions(base, new).astype(bool) if _u(values[w], values[~w]) == u), None)
        if rows is not None:
            exact = mannwhitneyu(values[rows], values[~rows], alternative="less", method="exact").pvalue
            assert chances[u] == pytest.approx(exact)


def _u(base: np.ndarray, new: np.ndarray) -> int:
    return int((base[:, None] > new[None, :]).sum())


def test_the_shift_is_the_median_of_all_differences() -> None:
    """Hodges and Lehmann: robust against one wild run."""
    assert shift(np.array([10.0, 11, 12]), np.array([12.0, 13, 900])) == pytest.approx(2)


def test_the_interval_holds_the_shift_at_least_as_often_as_it_says() -> None:
    """90 % over 1,000 seeded pairs of groups; no ends with two runs each."""
    draws = np.random.default_rng(4)
    held = 0
    for _ in range(1000):
        interval = shift_interval(draws.lognormal(0, 0.3, 7), 0.5 + draws.lognormal(0, 0.3, 7), 0.90)
        held += interval.low <= 0.5 <= interval.high
    assert 0.90 <= held / 1000 <= 0.96
    assert not np.isfinite(shift_interval(np.array([1.0, 2]), np.array([1.0, 2]), 0.90).low)


def test_four_runs_each_can_never_show_a_shift_at_1_percent() -> None:
    """2.9 % with four, 0.8 % with five."""
    assert least_p(4) == pytest.approx(2 / 70)
    assert least_p(5) < 0.01


def test_a_drift_is_taken_away_and_a_shift_beside_it_stays() -> None:
    """16 runs A B B A on a machine that gets slower by 3 a run: without it the shift of 5 is exactly there."""
    sides = ("ABBAABBA", "ABBAABBA")
    places = block_places(sides, 8, 8)
    times = turns(places, 8)
    order = np.argsort(np.array(list("".join(sides))), kind="stable")
    level = straightened(100 + 3.0 * order + 5.0 * (np.arange(16) >= 8), places, times)
    assert level[8:] - level[:8].mean() == pytest.approx(np.full(8, 5.0))


def test_where_one_side_came_first_no_slope_is_told_from_a_shift() -> None:
    """Blocks of A A A A B B B B keep what looks like a drift."""
    assert not turns(block_places(("AAAABBBB", "AAAABBBB"), 8, 8), 8).any()
    assert not turns(block_places((), 8, 8), 8).any()
