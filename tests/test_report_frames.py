"""The folds behind the plots: nothing is lost, and every number is one that was measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence.history import History, table
from harness.model import Span
from harness.report.frames import latency, phases, traffic, validity
from harness.report.frames.timeline import Ints, timeline
from harness.report.plots.shapes import merged
from harness.stats import quantile

S, MS = 10**9, 10**6
CALLS = st.lists(
    st.tuples(st.integers(0, 7200 * 10), st.integers(0, 10**6), st.sampled_from(["ok", "error", "rejected"])),
    min_size=1,
    max_size=80,
)
RISING = st.lists(st.integers(0, 10**12), max_size=200).map(lambda values: np.sort(np.array(values, np.int64)))


def history_of(calls: list[tuple[int, int, str]]) -> History:
    """Calls as (tenths of a second, response time in µs, outcome) that start when they are due."""
    due = np.array([5 * S + tenth * (S // 10) for tenth, _, _ in calls])
    end = due + np.array([lasted * 1000 for _, lasted, _ in calls])
    outcomes = [outcome for _, _, outcome in calls]
    values = {
        "call": np.arange(1, len(calls) + 1),
        "intended_ns": due,
        "start_ns": due,
        "end_ns": end,
        "outcome": outcomes,
    }
    return History(calls=table("calls", values))


@settings(deadline=None)
@given(CALLS)
def test_the_time_axis_holds_every_call_in_a_bounded_number_of_bins(calls: list[tuple[int, int, str]]) -> None:
    history = history_of(calls)
    axis = timeline(history)
    assert axis.size <= 160
    assert axis.count(history.calls["intended_ns"]).sum() == len(calls)
    assert axis.edges[-1] == pytest.approx(axis.span)


@settings(deadline=None)
@given(CALLS)
def test_outcomes_over_time_add_up_to_the_calls(calls: list[tuple[int, int, str]]) -> None:
    history = history_of(calls)
    axis = timeline(history)
    frame = traffic.outcomes_over_time(history, axis)
    widths_s = np.diff(axis.edges) * axis.unit_s
    assert frame.iloc[:, 1:].mul(widths_s, axis=0).to_numpy().sum() == pytest.approx(len(calls))


@settings(deadline=None)
@given(CALLS)
def test_the_heat_map_counts_every_call_once_within_its_latency_band(calls: list[tuple[int, int, str]]) -> None:
    history = history_of(calls)
    heat = latency.heat(history, timeline(history))
    response_ms = np.maximum(latency.response_ns(history), 1000) / 1e6
    assert heat.counts.sum() == len(calls)
    assert heat.edges_ms[0] <= response_ms.min() * (1 + 1e-9)
    assert heat.edges_ms[-1] >= response_ms.max() * (1 - 1e-9)


@settings(deadline=None)
@given(RISING, st.lists(st.floats(0.001, 1.0), min_size=1, max_size=5))
def test_ranked_quantiles_are_those_of_the_verdicts(ordered: Ints, levels: list[float]) -> None:
    expected = [quantile(ordered, level) for level in levels]
    np.testing.assert_array_equal(latency.ranked(ordered, levels), expected)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["baseline", "recovery"]), RISING, min_size=1))
def test_a_spectrum_rises_and_ends_where_the_calls_end(by_phase: dict[str, Ints]) -> None:
    frame = latency.spectrum(by_phase)
    for name, points in frame.groupby("phase"):
        assert points["ms"].is_monotonic_increasing
        assert points["one in"].max() == len(by_phase[str(name)])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 100)), max_size=40), st.integers(1, 50))
def test_merged_intervals_cover_the_same_ground_and_lie_apart(pairs: list[tuple[int, int]], gap: int) -> None:
    ordered = sorted((start, start + length) for start, length in pairs)
    whole = np.array(ordered, np.float64).reshape(-1, 2)
    left, right = merged(whole[:, 0], whole[:, 1], gap)
    assert all(((left <= start) & (end <= right)).any() for start, end in ordered)
    assert (left[1:] - right[:-1] >= gap).all()


@pytest.mark.parametrize("tenths", [1201, 1204, 1206, 1209, 1210])
def test_a_steady_rate_looks_steady_to_the_last_bin_however_long_that_is(tenths: int) -> None:
    history = history_of([(tenth, 1, "ok") for tenth in range(tenths)])
    frame = traffic.rates(history, timeline(history, end_ns=5 * S + tenths * S // 10))
    np.testing.assert_allclose(frame["offered"], 10, rtol=1e-6)


def test_a_call_without_attempts_counts_as_none_and_strangers_count_for_nobody() -> None:
    history = History.literal(
        calls="""call start_ms end_ms
                 1    1        2
                 2    1        2
                 9    1        2""",
        attempts="""call attempt
                    9    1
                    0    1
                    2    1
                    9    2""",
    )
    assert traffic.attempts_by_call(history).tolist() == [0, 1, 2]


def test_the_phase_table_counts_all_calls_and_times_the_ok_ones() -> None:
    history = History.literal(
        (Span("baseline", 1 * S, 3 * S),),
        calls="""call intended_ms start_ms end_ms outcome phase
                 1    1000        1000     1010   ok      baseline
                 2    1500        1500     1530   ok      baseline
                 3    2000        2000     2900   error   baseline
                 4    2500        2500     2520   ok      baseline""",
    )
    by_phase = latency.sorted_by_phase(history)
    row = phases.phase_table(history, by_phase, timeline(history)).iloc[0]
    assert (row["calls"], row["offered/s"], row["goodput/s"], row["ok %"]) == (4, 2.0, 1.5, 75.0)
    assert (row["p50 ms"], row["max ms"]) == (20.0, 30.0)
    assert np.isinf(row["p99 high"])


def test_each_outcome_has_its_own_latency() -> None:
    history = history_of([(0, 20_000, "ok"), (1, 30_000, "ok"), (2, 100, "rejected")])
    calls = table("calls", {**history.calls.columns, "op": ["observe"] * 3})
    frame = phases.outcome_table(History(calls=calls))
    assert frame[["operation", "outcome", "calls", "max ms"]].values.tolist() == [
        ["observe", "ok", 2, 30.0],
        ["observe", "rejected", 1, 0.1],
    ]


def test_the_times_of_a_call_are_never_mixed() -> None:
    history = History.literal(
        calls="""call intended_ms ready_ms start_ms end_ms
                 1    1000        1400     1401     1451"""
    )
    frame = validity.times_of_a_call(history).set_index("time")["p50 ms"]
    assert frame.to_dict() == {"queueing": 400.0, "dispatch delay": 1.0, "service time": 50.0, "response time": 451.0}


def test_a_call_that_never_started_has_no_response_time() -> None:
    history = History.literal(
        calls="""call intended_ms start_ms end_ms outcome
                 1    1000        1000     1010   ok
                 2    1500        -        -      overflow"""
    )
    assert latency.heat(history, timeline(history)).counts.sum() == 1
    assert traffic.outcomes_over_time(history, timeline(history))["overflow"].sum() > 0


def test_time_outside_the_witness_is_the_attempt_less_its_arrival() -> None:
    history = History.literal(
        calls="""call start_ms end_ms
                 1    1        30""",
        attempts="""call attempt start_ms end_ms status
                    1    1       1        11     503
                    1    2       15       29     200""",
        arrivals="""call attempt arrive_ms reply_ms
                    1    1       3         10
                    1    2       16        -
                    0    1       1         2""",
    )
    assert validity.outside_witness(history) == (3 * MS, 3 * MS)
