"""Probes of a capacity search: one run at a rate, real or in virtual time, measured against the objectives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.capacity.noise import mean_error, quantile_error, share_error
from harness.capacity.probe import ProbeResult
from harness.capacity.settle import settling
from harness.errors import HarnessError, InvalidRun, UsageError
from harness.evidence import Run, read_run
from harness.evidence.history import History
from harness.evidence.table import Table
from harness.laws.judge import judge_run
from harness.model import Span
from harness.run.execute import execute
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.run.simulated import simulate
from harness.scenario import Scenario
from harness.scenario.expr import parse as parse_expression
from harness.scenario.types import Length
from harness.slo import Slo, parse
from harness.slo.grammar import LATENCIES
from harness.slo.measure import measure, show
from harness.slo.rows import MIXED, Rows, rows_of
from harness.stats import quantile
from harness.units import format_duration

STANDARD = ("p(95) < 50ms", "error_rate < 0.1%")
"""KATO's documented service level "Standard", for a scenario without objectives."""
MOST_ERRORS = "error_rate < 1%"
"""Holds beside objectives that say nothing of errors: a server that refuses quickly has no capacity."""
SEARCHED = (*LATENCIES, "error_rate", "amplification", "duplicates", "lost")
"""Metrics that a rate has a limit for; goodput and counts grow with the rate that is offered."""


def objectives_of(scenario: Scenario, given: Sequence[str] = ()) -> dict[str, Slo]:
    """What must hold in a probe, by text: `given` lines, else the scenario's own for its baseline or whole run, else
    KATO's standard. Raises harness.units.TextError for a line that is none, UsageError for one that can't be searched.
    """
    texts = list(given) or [
        slo.expr for slo in scenario.slos.values() if slo.severity == "gate" and _searched(parse(slo.expr))
    ]
    found = {text: parse(text) for text in texts or STANDARD}
    for text, slo in found.items():
        if not _searched(slo):
            what = f"{text} is no objective that a rate has a limit for"
            raise UsageError(what, f"ask for one of {', '.join(SEARCHED)}, in baseline or without a phase")
    if all(slo.metric != "error_rate" for slo in found.values()):
        found[MOST_ERRORS] = parse(MOST_ERRORS)
    return found


def _searched(slo: Slo) -> bool:
    return slo.metric in SEARCHED and slo.phase in ("", "baseline") and not slo.of_baseline


class RunProbe:
    """A probe is a run of `length_s`, or as many times that as is asked for and the scenario's guards allow, after the
    scenario's warm-up, with a seed and sessions of its own.

    Without `fault` there is none; else that fault of the scenario lasts all the measured time.
    """

    def __init__(
        self,
        scenario: Scenario,
        options: Options,
        objectives: dict[str, Slo],
        length_s: float,
        folder: Path,
        fault: str = "",
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._scenario = scenario
        self._options = options
        self._objectives = objectives
        self._length_s = length_s
        self._folder = folder
        self._fault = fault
        self._say = say
        self._probes = 0

    def __call__(self, rate: float, longer: float) -> ProbeResult:
        self._probes += 1
        rate = float(f"{rate:.4g}")
        length_s = max(self._length_s, min(float(round(self._length_s * longer)), self._allowed_s(rate)))
        folder = self._folder / f"{self._probes:02}-{rate:g}"
        scenario = probe_scenario(self._scenario, rate, length_s, self._fault, self._probes)
        prepared = prepare(scenario, replace(self._options, out=folder, seed=scenario.seed))
        done = simulate(prepared) if self._options.virtual else execute(prepared, lambda _: None)
        aborted = self._aborted(done.error)
        phase = f"fault:{self._fault}" if self._fault else "baseline"
        result = assess(read_run(done.folder), rate, self._objectives, phase, aborted)
        said = f"{rate:g}/s for {length_s:g} s {'holds' if result.held else 'does not hold'}"
        self._say(f"{said}: {result.limit or result.words}")
        return replace(result, longer=length_s / self._length_s)

    def _allowed_s(self, rate: float) -> float:
        """The longest that the scenario's guards let a probe be: half of their calls and of their time."""
        return 0.5 * min(self._scenario.guards.max_duration, self._scenario.guards.max_calls / rate)

    def _aborted(self, error: HarnessError | None) -> str:
        """Words when the scenario's own guard ended the probe early; any other error is raised."""
        if error is None:
            return ""
        if isinstance(error, InvalidRun) and "abort_if" in error.what:
            return error.what
        raise error


def probe_scenario(scenario: Scenario, rate: float, length_s: float, fault: str, number: int) -> Scenario:
    """The scenario at a constant rate: warm-up, then `length_s` of baseline or of that one fault."""
    length = format_duration(length_s)
    phases = replace(scenario.phases, baseline=_length(length), recovery=_length("0s"), cooldown=_length("0s"))
    spec = [each for each in scenario.faults if each.name == fault]
    at, lasts = parse_expression("warmup.end"), parse_expression(length)
    faults = tuple(replace(each, at=at, for_=lasts, max_for=None, repeat=1, every=None) for each in spec)
    target = scenario.target
    if target.embedded:
        prefix = f"{target.footprint.node_prefix}{number}-"
        target = replace(target, footprint=replace(target.footprint, node_prefix=prefix))
    return replace(
        scenario,
        seed=scenario.seed + number,
        target=target,
        load=replace(scenario.load, rate=rate, users=0, duration=None, replay=""),
        phases=phases,
        steady_state=(),
        faults=faults,
    )


def _length(text: str) -> Length:
    return Length(parse_expression(text))


def assess(run: Run, rate: float, objectives: dict[str, Slo], phase: str, aborted: str = "") -> ProbeResult:
    """What the run says of the rate; calls count by their intended start within the settled part of `phase`.

    Raises InvalidRun when the fault was not effective.
    """
    limit = _limit(run)
    spans = run.history.phase(phase)
    if not spans:
        raise InvalidRun(f"the probe in {run.folder} never came to its phase {phase}", "give it a shorter warm-up")
    start_ns, end_ns = spans[0].start_ns, spans[-1].end_ns
    asked = run.history.calls.where(run.history.calls["op"].among(*MIXED)).sorted_by("intended_ns", "call")
    calls = asked.where((asked["intended_ns"] >= start_ns) & (asked["intended_ns"] < end_ns))
    found = settling(calls["intended_ns"] / 1e9, calls["end_ns"] / 1e9, end_ns / 1e9)
    from_ns = max(start_ns, round(found.from_s * 1e9))
    excess, noise, words = _excess(run.history, objectives, Span(phase, from_ns, end_ns))
    measured = calls.where(calls["intended_ns"] >= from_ns)
    ok = measured["outcome"].among("ok")
    response_s = (measured["end_ns"] - measured["intended_ns"])[ok] / 1e9
    carried = asked["outcome"].among("ok") & (asked["end_ns"] >= from_ns) & (asked["end_ns"] <= end_ns)
    held = excess <= 0 and found.settled and not aborted and not limit
    return ProbeResult(
        rate=rate,
        held=held,
        carried=float(carried.sum()) / max((end_ns - from_ns) / 1e9, 1e-9),
        excess=excess,
        p50_s=quantile(response_s, 0.5),
        p95_s=quantile(response_s, 0.95),
        p99_s=quantile(response_s, 0.99),
        mean_s=float(np.mean(response_s)) if len(response_s) else math.nan,
        queueing_s=_mean_s(measured, "ready_ns", "intended_ns"),
        dispatch_s=_mean_s(measured, "start_ns", "ready_ns"),
        error_rate=float(np.mean(~ok)) if len(ok) else math.nan,
        settled=found.settled,
        noise=noise,
        limit=limit,
        words="; ".join(filter(None, (aborted, found.words, words))),
    )


def _mean_s(calls: Table, end: str, start: str) -> float:
    return float(np.mean(calls[end] - calls[start])) / 1e9 if len(calls) else math.nan


def _limit(run: Run) -> str:
    """Who but the server was the limit; raises InvalidRun when the fault did nothing."""
    verdicts = {verdict.law: verdict for verdict in judge_run(run).verdicts}
    if verdicts["X1"].status == "fail":
        raise InvalidRun(f"the fault was not effective: {verdicts['X1'].reason}", verdicts["X1"].cure)
    saturated = verdicts["X3"]
    return f"the generator, not KATO: {saturated.reason} ({saturated.measured})" if saturated.status == "fail" else ""


def _excess(history: History, objectives: dict[str, Slo], span: Span) -> tuple[float, float, str]:
    """The worst objective: the logarithm of its measure over its bound, the noise of that, and what it measured."""
    length_s = (span.end_ns - span.start_ns) / 1e9
    found = []
    for text, slo in objectives.items():
        # without a phase, so that calls which outlast the probe are not left out
        whole = replace(slo, phase="")
        rows, _ = rows_of(whole, history, (span,))
        seen = measure(whole, rows, length_s, history)
        value = seen.why if seen.nothing else show(slo.metric, seen.value)
        excess = math.inf if seen.nothing else ratio_log(seen.value, slo)
        found.append((excess, noise_of(slo, rows), f"{text}: {value}"))
    return max(found, key=lambda each: each[0])


def noise_of(slo: Slo, rows: Rows) -> float:
    """The standard error of the logarithm of what the SLO measures; nan where none is known."""
    times = rows.latency_ns[rows.chosen]
    if slo.metric == "p":
        return quantile_error(times, slo.quantile)
    if slo.metric == "mean":
        return mean_error(times)
    return share_error(rows.failed[rows.chosen]) if slo.metric == "error_rate" else math.nan


def ratio_log(value: float, slo: Slo) -> float:
    """log(value / bound), turned round for objectives that want more rather than less; −inf and inf for zeros."""
    if slo.value == 0 or value == 0:
        return -math.inf if slo.holds(value, slo.value) else math.inf
    size = math.log(value / slo.value)
    return -size if slo.operator in (">", ">=") else size
