"""One run to one number a metric: the scenario's own objectives, and four that every comparison wants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from harness.compare.answer import RELATIVE_FLOOR, Metric
from harness.evidence import Run
from harness.slo import Slo, parse
from harness.slo.grammar import LATENCIES, RATES
from harness.slo.measure import measure
from harness.slo.rows import rows_of, spans_of

ALWAYS = {"p(50)": "p(50) < 1h", "p(95)": "p(95) < 1h", "error_rate": "error_rate < 100%", "goodput": "goodput > 0/s"}
"""What is compared unless an objective of the scenario speaks of it; only the part before the comparison counts."""

LEAST = {"error_rate": 0.1, "amplification": 0.01, "duplicates": 0.5, "lost": 0.5, "count": 0.5}
"""Shifts (in the metric's unit) that nobody cares about, whatever they are relative to."""
LEAST_MS = 1.0
LEAST_PER_S = 0.1


def objectives_of(manifests: Iterable[Mapping[str, object]], more: Iterable[str] = ()) -> dict[str, str]:
    """Name to SLO line of what to compare: the SLOs that all runs have, `more` lines, and ALWAYS where they are silent.

    Raises harness.units.TextError for a line that is no SLO.
    """
    asked = [{slo["name"]: slo["expr"] for slo in manifest.get("slos") or ()} for manifest in manifests]  # type: ignore[attr-defined]
    shared = {name: text for name, text in asked[0].items() if all(each.get(name) == text for each in asked)}
    found = shared | {text: text for text in more}
    spoken = {_subject(parse(text)) for text in found.values()}
    return {name: text for name, text in ALWAYS.items() if _subject(parse(text)) not in spoken} | found


def _subject(slo: Slo) -> tuple[object, ...]:
    return slo.metric, slo.quantile, slo.series, tuple(sorted(slo.where.items()))


def metric_of(name: str, text: str, relative: float = RELATIVE_FLOOR, least_ms: float = LEAST_MS) -> Metric:
    """The metric that an SLO line measures, better in the direction in which the line holds."""
    slo = parse(text)
    lower = slo.operator not in (">", ">=")
    if slo.metric in LATENCIES:
        return Metric(name, "ms", lower, least_ms, relative)
    if slo.metric in RATES:
        return Metric(name, "/s", lower, LEAST_PER_S, relative)
    return Metric(name, "%" if slo.metric == "error_rate" else "", lower, LEAST[slo.metric], relative)


def values_of(run: Run, objectives: Mapping[str, str]) -> dict[str, float]:
    """Name to value in the metric's unit (ms, calls/s, %); nan where the run has no data for it."""
    return {name: _value(run, parse(text)) for name, text in objectives.items()}


def _value(run: Run, slo: Slo) -> float:
    spans = spans_of(slo, run.history.phases)
    if not spans:
        return math.nan
    rows, _ = rows_of(slo, run.history, spans)
    length_s = sum(span.end_ns - span.start_ns for span in spans) / 1e9
    found = measure(slo, rows, length_s, run.history).value
    return found * 1e3 if slo.metric in LATENCIES else found * 100 if slo.metric == "error_rate" else found
