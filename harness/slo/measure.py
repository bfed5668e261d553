"""One number for one stretch of calls, with the range that the sample leaves open."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.evidence.history import History
from harness.slo.grammar import LATENCIES, RATES, Slo
from harness.slo.rows import Numbers, Rows
from harness.stats import needed_for, quantile, quantile_interval, wilson

ONE_SIDED = 0.90
"""A two-sided 90 % interval leaves 5 % on either side: each end is a 95 % bound."""


@dataclass(frozen=True, slots=True)
class Measure:
    """`value` in the metric's unit (nan: no data, and `why`), its certain range, and words about the sample.

    Where the sample certifies the value, `low` and `high` are the value itself.
    """

    value: float
    low: float
    high: float
    samples: int
    words: str = ""
    why: str = ""

    @property
    def nothing(self) -> bool:
        """True when there was nothing to measure."""
        return math.isnan(self.value)


def exact(value: float, samples: int, words: str = "") -> Measure:
    """A value that the sample leaves no doubt about."""
    return Measure(value, value, value, samples, words)


def none(why: str) -> Measure:
    """No data, and why."""
    return Measure(math.nan, math.nan, math.nan, 0, "", why)


def measure(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    """The SLO's metric over those calls; `length_s` is the length of time that they come from."""
    if not len(rows):
        return none("no call was meant to start there")
    return _METRICS[slo.metric](slo, rows, length_s, history)


def _latency(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    found = _latency_of(slo, rows, rows.latency_ns)
    late = int((rows.late_ns > 0)[rows.chosen].sum())
    if not late or found.nothing:
        return found
    # with the generator's own delay the server looks too slow, without it the burst after a stall may look too quick
    without = _latency_of(slo, rows, rows.latency_ns - rows.late_ns)
    words = f"{found.words}; {late} started late, {show(slo.metric, without.value)} without that"
    return replace(found, low=min(found.low, without.low), words=words)


def _latency_of(slo: Slo, rows: Rows, latency_ns: Numbers) -> Measure:
    times = latency_ns[rows.chosen] / 1e9
    words = f"error rate {_percent(rows.failed.mean())}"
    if rows.degraded.any():
        words += f", degraded {_percent(rows.degraded.mean())}"
    if not len(times):
        return none(f"no call has the outcome {slo.where.get('outcome', 'ok')} ({words})")
    if slo.metric == "mean":
        return exact(float(np.mean(times)), len(times), words)
    if slo.metric == "max":
        return exact(float(np.max(times)), len(times), words)
    value = quantile(times, slo.quantile)
    interval = quantile_interval(times, slo.quantile, ONE_SIDED)
    needed = needed_for(slo.quantile)
    if len(times) < needed:
        words = f"p({slo.quantile * 100:g}) needs {needed} calls to be certain at 95 %; {words}"
        return Measure(value, interval.low, interval.high, len(times), words)
    return exact(
        value, len(times), f"95 % sure between {show('p', interval.low)} and {show('p', interval.high)}; {words}"
    )


def _error_rate(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    kept = rows.failed[rows.chosen]
    if not len(kept):
        return none("no call fits")
    interval = wilson(int(kept.sum()), len(kept))
    words = f"{kept.sum()} failed; 95 % interval {_percent(interval.low)} to {_percent(interval.high)}"
    if rows.degraded.any():
        words += f"; degraded {_percent(rows.degraded.mean())}"
    return exact(float(kept.mean()), len(kept), words)


def _goodput(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    good = int((rows.ok & rows.chosen).sum())
    return exact(good / length_s, len(rows), f"{good} ok calls in {length_s:g} s")


def _rate(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    chosen = int(rows.chosen.sum())
    return exact(chosen / length_s, len(rows), f"{chosen} calls in {length_s:g} s")


def _count(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    return exact(float(rows.chosen.sum()), len(rows), f"of {len(rows)} calls")


def _amplification(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    if not len(history.attempts):
        return none("no attempts were recorded: no transport hook fits this client")
    calls = int(rows.chosen.sum())
    if not calls:
        return none("no call fits")
    tries = int(rows.attempts[rows.chosen].sum())
    return exact(tries / calls, calls, f"{tries} attempts for {calls} calls")


def _duplicates(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    return _commits(slo, rows, history, int(rows.extra[rows.chosen].sum()), "committed more than once")


def _lost(slo: Slo, rows: Rows, length_s: float, history: History) -> Measure:
    return _commits(slo, rows, history, int(rows.lost[rows.chosen].sum()), "acknowledged and not committed")


def _commits(slo: Slo, rows: Rows, history: History, found: int, words: str) -> Measure:
    """A count of commits is certain when every committed arrival is known to belong to a call."""
    arrivals = history.arrivals
    if not len(arrivals) or history.facts.get("oracle", "none") in ("", "none"):
        return none("no commit evidence: the target has no oracle")
    unpaired = int(
        ((arrivals["call"] == 0) & (arrivals["commit_seq"] > 0) & arrivals["op"].among("observe", "learn")).sum()
    )
    low, high = (found, found + unpaired) if slo.metric == "duplicates" else (max(found - unpaired, 0), found)
    doubt = f"; {unpaired} commits fit no one call" if unpaired else ""
    return Measure(float(found), float(low), float(high), int(rows.chosen.sum()), f"{words}{doubt}")


_METRICS: Mapping[str, Callable[[Slo, Rows, float, History], Measure]] = {
    **dict.fromkeys(LATENCIES, _latency),
    "error_rate": _error_rate,
    "goodput": _goodput,
    "rate": _rate,
    "count": _count,
    "amplification": _amplification,
    "duplicates": _duplicates,
    "lost": _lost,
}


def show(metric: str, value: float) -> str:
    """A value for reading, with its unit."""
    if math.isinf(value):
        return "any length" if metric in LATENCIES else "∞"
    if metric in LATENCIES:
        return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.4g} s"
    if metric == "error_rate":
        return _percent(value)
    if metric in RATES:
        return f"{value:.4g}/s"
    return f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
