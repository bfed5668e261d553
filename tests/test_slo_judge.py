"""SLOs on literal histories: exact, three-valued, never a pass without data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence.history import History, empty, table
from harness.model import SloResult, Span
from harness.slo.judge import evaluate
from harness.slo.live import abort_reason, unsteady

S = 10**9
MS = 10**6
PHASES = (
    Span("warmup", 0, 1 * S),
    Span("baseline", 1 * S, 11 * S),
    Span("fault:outage", 11 * S, 16 * S),
    Span("recovery", 16 * S, 26 * S),
)


def _history(calls: list[tuple[float, float, str]], *, op: str = "observe", **tables: object) -> History:
    """Calls as (intended s, latency ms, outcome) in the phases above."""
    starts = [round(at * S) for at, _, _ in calls]
    rows = {
        "call": list(range(1, len(calls) + 1)),
        "op": [op] * len(calls),
        "intended_ns": starts,
        "ready_ns": starts,
        "start_ns": starts,
        "end_ns": [start + round(ms * MS) for start, (_, ms, _) in zip(starts, calls, strict=True)],
        "outcome": [outcome for _, _, outcome in calls],
        "user": [f"user-{n % 3}" for n in range(len(calls))],
        "status": [200 if outcome == "ok" else 503 for _, _, outcome in calls],
    }
    return History(calls=table("calls", rows), phases=PHASES, facts={"oracle": "twin"}, **tables)  # type: ignore[arg-type]


def _judge(text: str, history: History) -> SloResult:
    return evaluate([{"name": "it", "expr": text, "severity": "gate"}], history)[0]


def _steady(
    count: int, latency_ms: float = 10.0, start: float = 1.0, over: float = 10.0
) -> list[tuple[float, float, str]]:
    return [(start + n * over / count, latency_ms, "ok") for n in range(count)]


def test_a_percentile_is_the_exact_order_statistic() -> None:
    """100 calls of 1 to 100 ms: p(95) is 95 ms, to the last digit."""
    history = _history([(1 + n / 20, n + 1, "ok") for n in range(100)])
    assert _judge("p(95) <= 95ms in baseline", history).status == "pass"
    result = _judge("p(95) < 95ms in baseline", history)
    assert (result.status, result.samples) == ("fail", 100)
    assert "95 ms over 100 calls" in result.measured


@pytest.mark.parametrize(("percent", "needed"), [(95, 59), (99, 299), (90, 29), (50, 5)])
def test_a_percentile_needs_its_samples(percent: float, needed: int) -> None:
    """p95 needs 59, p99 299: one fewer is inconclusive and says so."""
    line = f"p({percent}) < 50ms in baseline"
    assert _judge(line, _history(_steady(needed))).status == "pass"
    result = _judge(line, _history(_steady(needed - 1)))
    assert result.status == "inconclusive"
    assert f"needs {needed} calls" in result.measured


def test_few_samples_suffice_for_what_is_clearly_broken() -> None:
    """Ten calls, all far too slow."""
    assert _judge("p(95) < 50ms in baseline", _history(_steady(10, 400.0))).status == "fail"


@pytest.mark.parametrize(
    "metric",
    [
        "p(95) < 5s",
        "mean < 5s",
        "max < 5s",
        "error_rate < 50%",
        "goodput < 99/s",
        "rate < 99/s",
        "amplification < 9",
        "lost == 0",
        "duplicates == 0",
        "count < 99",
    ],
)
@pytest.mark.parametrize("window", ["", " over 2s", " for 2s", " within 2s"])
def test_no_data_is_never_a_pass(metric: str, window: str) -> None:
    """An empty phase, an empty history, a phase that the run didn't have."""
    assert _judge(f"{metric} in recovery{window}", _history(_steady(100))).status == "inconclusive"
    assert _judge(f"{metric}{window}", History(empty("calls"))).status == "not_exercised"
    assert _judge(f"{metric} in fault:nothing{window}", _history(_steady(100))).status == "not_exercised"


def test_latencies_count_ok_calls_and_are_printed_with_the_error_rate() -> None:
    """Rejections at 0.1 ms must not flatter a percentile."""
    calls = [(1 + n / 20, 100.0 if n % 2 else 0.1, "ok" if n % 2 else "rejected") for n in range(160)]
    result = _judge("p(95) < 50ms in baseline", _history(calls))
    assert result.status == "fail"
    assert "error rate 50 %" in result.measured
    assert _judge("p(50) where outcome=any < 1ms in baseline", _history(calls)).status == "pass"
    assert _judge("p(50) where outcome=rejected < 1ms in baseline", _history(calls)).status == "pass"


def test_without_a_phase_warmup_does_not_count() -> None:
    """What happens before the baseline is no promise."""
    calls = [(0.5, 900.0, "error"), *_steady(80)]
    assert _judge("error_rate == 0%", _history(calls)).status == "pass"
    assert _judge("error_rate == 0% in warmup", _history(calls)).status == "fail"


def test_opening_a_session_counts_only_when_it_is_asked_for() -> None:
    """It is the harness's doing, not a call of the mix."""
    history = _history([(2.0, 5.0, "error")] * 3, op="open_session")
    assert _judge("error_rate < 1% in baseline", history).status == "inconclusive"
    assert _judge("error_rate where op=open_session < 1% in baseline", history).status == "fail"


def test_calls_that_straddle_an_edge_are_left_out_and_counted() -> None:
    """Of baseline and recovery, not of a fault."""
    calls = [*_steady(80), (10.9, 3000.0, "timeout")]
    result = _judge("error_rate == 0% in baseline", _history(calls))
    assert result.status == "pass"
    assert "1 calls that straddle an edge of baseline left out" in result.reason
    assert _judge("error_rate == 0% in fault:outage", _history([(15.0, 3000.0, "timeout")])).status == "fail"


def test_degraded_is_no_error_and_no_goodput() -> None:
    """The caller got something: it is printed, and goodput doesn't count it."""
    history = _history([(1 + n / 10, 5.0, "degraded" if n % 2 else "ok") for n in range(100)])
    result = _judge("error_rate == 0% in baseline", history)
    assert result.status == "pass"
    assert "degraded 50 %" in result.measured
    assert _judge("goodput <= 5/s in baseline", history).status == "pass"
    assert _judge("rate >= 10/s in baseline", history).status == "pass"
    assert _judge("count where outcome=degraded == 50 in baseline", history).status == "pass"


def test_a_share_of_baseline_is_measured_against_the_runs_own() -> None:
    """Half the baseline's goodput; a baseline without data compares with nothing."""
    half = [*_steady(100), *_steady(25, start=11.0, over=5.0)]
    held = _judge("goodput >= 50% of baseline in fault:outage", _history(half))
    assert (held.status, held.reason) == ("pass", "holds against 5/s of the baseline")
    assert _judge("goodput > 50% of baseline in fault:outage", _history(half)).status == "fail"
    result = _judge("goodput > 50% of baseline in fault:outage", _history(_steady(25, start=11.0, over=5.0)))
    assert result.status == "inconclusive"
    assert "nothing to compare with" in result.reason


def _burst() -> History:
    """Ten seconds of recovery at 20/s: the fourth second fails whole."""
    return _history([(16 + n / 20, 5.0, "error" if 60 <= n < 80 else "ok") for n in range(200)])


@pytest.mark.parametrize(
    ("window", "status"),
    [
        ("", "pass"),
        (" over 5s", "pass"),
        (" over 2s", "fail"),
        (" over 1s", "fail"),
        (" for 5s", "fail"),
        (" within 2s", "pass"),
        (" within 1s", "fail"),
        (" over 20s", "inconclusive"),
    ],
)
def test_windows_aggregate_or_look_at_each_second(window: str, status: str) -> None:
    """over: each window's aggregate; for: every second of each; within: some second of each."""
    assert _judge(f"error_rate < 30% in recovery{window}", _burst()).status == status


def test_a_failed_window_is_named() -> None:
    """How many, and where the first is."""
    reason = _judge("error_rate < 30% in recovery over 2s", _burst()).reason
    assert reason == "does not hold in 2 of 9 windows of 2s, first 2 s into the phase"


ATTEMPTS = "call attempt result via\n1 1 - httpx\n1 2 - httpx\n2 1 - httpx"
ARRIVALS = "call op commit_seq\n1 observe 1\n1 observe 2\n2 observe -\n3 observe 3"


def _with(tables: str, **texts: str) -> History:
    calls = "call op intended_ms ready_ms start_ms end_ms outcome status user\n" + tables
    return History.literal(phases=PHASES, facts={"oracle": "twin"}, calls=calls, **texts)


CALLS = """1 observe 2000 2000 2000 2010 ok 200 a
2 observe 2100 2100 2100 2110 ok 200 a
3 observe 2200 2200 2200 2210 error 503 b
"""


def test_amplification_is_attempts_per_call() -> None:
    """Three attempts for three calls, one of them without any; without hooks there is nothing to say."""
    assert _judge("amplification == 1 in baseline", _with(CALLS, attempts=ATTEMPTS)).status == "pass"
    assert _judge("amplification where user=a == 1.5 in baseline", _with(CALLS, attempts=ATTEMPTS)).status == "pass"
    assert _judge("amplification < 9 in baseline", _with(CALLS)).status == "inconclusive"


def test_lost_and_duplicates_come_from_the_commits() -> None:
    """Call 1 was committed twice, call 2 was acknowledged and not committed, call 3 failed and was: no loss."""
    history = _with(CALLS, arrivals=ARRIVALS)
    assert _judge("duplicates == 1 in baseline", history).status == "pass"
    assert _judge("duplicates == 0 in baseline", history).status == "fail"
    assert _judge("lost == 1 in baseline", history).status == "pass"
    assert _judge("lost == 0 in baseline", history).status == "fail"


def test_a_commit_that_fits_no_call_leaves_doubt() -> None:
    """It could be the lost one, or a second one: neither a pass nor a failure."""
    doubtful = _with(CALLS, arrivals=ARRIVALS + "\n- observe 4")
    assert _judge("lost == 0 in baseline", doubtful).status == "inconclusive"
    assert _judge("duplicates < 2 in baseline", doubtful).status == "inconclusive"
    assert _judge("duplicates < 1 in baseline", doubtful).status == "fail"
    no_oracle = History(calls=doubtful.calls, arrivals=doubtful.arrivals, phases=PHASES)
    assert _judge("lost == 0 in baseline", no_oracle).status == "inconclusive"


@pytest.mark.parametrize(
    ("where", "count"),
    [("user=a", 2), ("user=*", 3), ("status=5xx", 1), ("status=200", 2), ("op=predict", None), ("outcome=error", 1)],
)
def test_filters_choose_calls(where: str, count: int | None) -> None:
    """By user, status or class, operation, outcome."""
    result = _judge(f"count where {where} == {count or 0} in baseline", _with(CALLS))
    assert result.status == ("inconclusive" if count is None else "pass")


def test_series_are_never_mixed() -> None:
    """Response time counts from the intended start, service time from the real one, dispatch delay between."""
    history = _with("1 observe 2000 2300 2400 2410 ok 200 a\n")
    for line in ("max <= 410ms", "max of service_time <= 10ms", "max of dispatch_delay <= 100ms"):
        assert _judge(f"{line} in baseline", history).status == "pass"
        assert _judge(f"{line.replace('<=', '<')} in baseline", history).status != "pass"


def test_what_the_generator_itself_delayed_decides_nothing() -> None:
    """100 of 410 ms were the generator's: between 310 and 410 ms nobody knows, below it is the server's."""
    history = _with("1 observe 2000 2300 2400 2410 ok 200 a\n")
    said = {bound: _judge(f"max < {bound}ms in baseline", history).status for bound in (310, 311, 410, 411)}
    assert said == {310: "fail", 311: "inconclusive", 410: "inconclusive", 411: "pass"}


def test_a_line_that_can_not_be_read_is_invalid_not_lost() -> None:
    """An old run folder may hold a line that this version doesn't know."""
    assert _judge("speed < 3", _history(_steady(80))).status == "invalid"


LATENCIES = st.lists(st.integers(1, 1000), min_size=59, max_size=120)


@settings(deadline=None)
@given(LATENCIES, st.integers(1, 1000))
def test_a_percentile_never_contradicts_its_opposite(latencies: list[int], bound: int) -> None:
    """p(95) < x and p(95) >= x are never both true, and one of them is."""
    history = _history([(1 + n / 20, float(ms), "ok") for n, ms in enumerate(latencies)])
    said = {_judge(f"p(95) {sign} {bound}ms in baseline", history).status for sign in ("<", ">=")}
    assert said == {"pass", "fail"}


@settings(deadline=None)
@given(LATENCIES)
def test_the_measured_percentile_is_one_of_the_samples(latencies: list[int]) -> None:
    """Nothing is interpolated."""
    history = _history([(1 + n / 20, float(ms), "ok") for n, ms in enumerate(latencies)])
    rank = int(np.ceil(0.95 * len(latencies))) - 1
    assert _judge(f"p(95) <= {sorted(latencies)[rank]}ms in baseline", history).status == "pass"


def test_a_run_is_stopped_by_what_ended_in_the_last_seconds() -> None:
    """Not by what is long gone, nor by calls still in flight, nor by silence."""
    calls = [(20 + n / 20, 5.0, "error" if n >= 100 else "ok") for n in range(200)]
    history = _history(calls)
    conditions = ["error_rate > 50% over 4s"]
    assert abort_reason(conditions, history, 25 * S) is None
    said = abort_reason(conditions, history, 29 * S)
    assert said is not None
    assert said.startswith("error_rate > 50% over 4s")
    assert abort_reason(conditions, history, 60 * S) is None
    assert abort_reason(["p(95) > 1ms over 4s"], history, 24 * S) is not None
    assert abort_reason(["error_rate > 50% over 40s"], history, 30 * S) is None


def test_the_steady_state_is_judged_on_the_baseline_so_far() -> None:
    """A line for each SLO that isn't a pass; SLOs that weren't named don't matter."""
    slos = [
        {"name": "quick", "expr": "p(95) < 50ms in baseline"},
        {"name": "clean", "expr": "error_rate < 1% in baseline"},
    ]
    assert unsteady(["quick", "clean"], slos, _history(_steady(80))) == ()
    (line,) = unsteady(["quick"], slos, _history(_steady(20)))
    assert line.startswith("quick: p(95) < 50ms in baseline")
