"""SLOs on a History: pure, three-valued, never a pass without data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.evidence.history import History
from harness.model import SloResult, Span, Status
from harness.slo.grammar import Slo, parse
from harness.slo.measure import Measure, measure, none, show
from harness.slo.rows import Rows, rows_of, spans_of
from harness.units import TextError, format_duration

STEP_NS = 1_000_000_000
"""Windows slide by one second; `for` and `within` look at each second of a window."""


def evaluate(slos: Iterable[Mapping[str, Any]], history: History) -> tuple[SloResult, ...]:
    """Judge the manifest's `slos` (name, expr, severity) in their order. A line that can't be read is `invalid`."""
    return tuple(_result(each, history) for each in slos)


def _result(each: Mapping[str, Any], history: History) -> SloResult:
    name, text, severity = str(each["name"]), str(each["expr"]), each.get("severity", "gate")
    try:
        slo = parse(text)
    except TextError as error:
        return SloResult(name, text, "invalid", "", f"{error.what}; {error.cure}", severity)
    status, measured, reason, samples = judge(slo, history)
    return SloResult(name, text, status, measured, reason, severity, samples)


def judge(slo: Slo, history: History) -> tuple[Status, str, str, int]:
    """Status, what was measured, the reason in words, and the sample size."""
    spans = spans_of(slo, history.phases)
    if not spans:
        return "not_exercised", "", f"the run had no phase {slo.phase}" if slo.phase else "the run had no phase", 0
    bound = _bound(slo, history)
    if bound.nothing:
        return "inconclusive", "", f"nothing to compare with in baseline: {bound.why}", 0
    rows, left_out = rows_of(slo, history, spans)
    measured = measure(slo, rows, _length_s(spans), history)
    if measured.nothing:
        return "inconclusive", "no data", measured.why, 0
    status, reason = (
        _whole(slo, measured, bound.value) if not slo.window else _windows(slo, rows, spans, bound.value, history)
    )
    if left_out:
        reason += f"; {left_out} calls that straddle an edge of {slo.phase} left out"
    return (
        status,
        f"{_name(slo)} = {show(slo.metric, measured.value)} over {measured.samples} calls ({measured.words})",
        reason,
        measured.samples,
    )


def _name(slo: Slo) -> str:
    return f"p({slo.quantile * 100:g})" if slo.metric == "p" else slo.metric


def _bound(slo: Slo, history: History) -> Measure:
    """What the measure is compared with: the value itself, or that multiple of the baseline's."""
    if not slo.of_baseline:
        return Measure(slo.value, slo.value, slo.value, 0)
    plain = replace(slo, phase="baseline", of_baseline=False, window="", window_s=0.0)
    spans = spans_of(plain, history.phases)
    if not spans:
        return none("the run had no baseline")
    rows, _ = rows_of(plain, history, spans)
    found = measure(plain, rows, _length_s(spans), history)
    if found.nothing or found.value > 0:
        return replace(found, value=found.value * slo.value)
    return none(f"{_name(slo)} was 0 there")


def _length_s(spans: Sequence[Span]) -> float:
    return sum(span.end_ns - span.start_ns for span in spans) / 1e9


def _decide(slo: Slo, measured: Measure, bound: float) -> Status:
    """Pass or fail when the whole range that the sample leaves open says so, else inconclusive."""
    if measured.nothing:
        return "inconclusive"
    ends = slo.holds(measured.low, bound), slo.holds(measured.high, bound)
    if slo.operator in ("==", "!=") and measured.low <= bound <= measured.high and measured.low < measured.high:
        return "inconclusive"
    return "pass" if all(ends) else "fail" if not any(ends) else "inconclusive"


def _whole(slo: Slo, measured: Measure, bound: float) -> tuple[Status, str]:
    status = _decide(slo, measured, bound)
    against = f" against {show(slo.metric, bound)} of the baseline" if slo.of_baseline else ""
    words = {"pass": "holds", "fail": "does not hold", "inconclusive": "can't be told from this sample"}[status]
    return status, words + against


def _windows(slo: Slo, rows: Rows, spans: Sequence[Span], bound: float, history: History) -> tuple[Status, str]:
    """over: each window's aggregate; for: every second of each window; within: some second of each window."""
    window_ns = round(slo.window_s * 1e9)
    starts = list(_starts(spans, window_ns))
    statuses = [(_window(slo, rows, start_ns, window_ns, bound, history), start_ns) for start_ns in starts]
    length = format_duration(slo.window_s)
    if not statuses:
        return "inconclusive", f"no phase lasts {length}, the length of one window"
    for worst in ("fail", "inconclusive"):
        found = [start_ns for status, start_ns in statuses if status == worst]
        if found:
            after = (found[0] - spans[0].start_ns) / 1e9
            words = "does not hold" if worst == "fail" else "can't be told"
            return (
                worst,
                f"{words} in {len(found)} of {len(statuses)} windows of {length}, first {after:g} s into the phase",
            )
    return "pass", f"holds in all {len(statuses)} windows of {length}"


def _starts(spans: Sequence[Span], window_ns: int) -> Iterator[int]:
    for span in spans:
        yield from range(span.start_ns, span.end_ns - window_ns + 1, STEP_NS)


def _window(slo: Slo, rows: Rows, start_ns: int, window_ns: int, bound: float, history: History) -> Status:
    if slo.window == "over":
        inside = rows.between(start_ns, start_ns + window_ns)
        return _decide(slo, measure(slo, inside, window_ns / 1e9, history), bound)
    found: list[Status] = []
    for second_ns in range(start_ns, start_ns + window_ns - STEP_NS + 1, STEP_NS):
        inside = rows.between(second_ns, second_ns + STEP_NS)
        found.append(_decide(slo, measure(slo, inside, 1.0, history), bound))
    order: tuple[Status, ...] = (
        ("fail", "inconclusive", "pass") if slo.window == "for" else ("pass", "inconclusive", "fail")
    )
    return next(status for status in order if status in found)
