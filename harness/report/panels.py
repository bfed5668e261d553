"""The panels of the page: each has a title, a sentence, the plot on two sheets, and the table behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from harness.evidence.history import History
from harness.report.frames import latency, traffic, validity
from harness.report.frames.timeline import Ints, Timeline
from harness.report.plots import latency as latency_plots
from harness.report.plots import machine as machine_plots
from harness.report.plots import traffic as traffic_plots
from harness.report.plots.sheet import Band, Key, Plot, Sheet, svg
from harness.report.tables import Grid, from_frame
from harness.report.words import digits

if TYPE_CHECKING:
    import pandas as pd

MOST_DOTS = 2000
"""Up to this many calls are drawn one by one; beyond it percentiles of bins say more."""

WIDE, NARROW = 1000, 380
"""Sheet widths (CSS pixels): the page's column and a phone."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot of the page with everything that belongs to it."""

    key: str
    title: str
    note: str
    drawings: Markup
    legend: tuple[Key, ...]
    grid: Grid


@dataclass(frozen=True, slots=True)
class View:
    """What all panels are made from, folded once."""

    history: History
    axis: Timeline
    bands: tuple[Band, ...]
    by_phase: dict[str, Ints]
    attempts: Ints


def letters() -> Iterator[str]:
    """A, B, … Z, AA, AB, …: the marks of faults."""
    yield from (chr(code) for code in range(ord("A"), ord("Z") + 1))
    yield from (first + second for first in letters() for second in map(chr, range(ord("A"), ord("Z") + 1)))


def fault_letters(history: History) -> dict[str, str]:
    """The letter of each fault name in order of time; a repeated fault has one."""
    faults = history.faults.sorted_by("planned_ns")
    return dict(zip(dict.fromkeys(faults["name"].tolist()), letters(), strict=False))


def fault_bands(history: History, axis: Timeline) -> tuple[Band, ...]:
    """The windows of all faults in order of time, from effective (else applied, else planned) to cleared."""
    rows = sorted(history.faults.rows(), key=lambda row: row["planned_ns"])
    marks = fault_letters(history)
    bands = []
    for row in rows:
        start = row["effective_ns"] or row["applied_ns"] or row["planned_ns"]
        end = min(row["cleared_ns"] or axis.end_ns, axis.end_ns)
        bands.append(Band(marks[row["name"]], row["name"], axis.at(start), axis.at(max(start, end))))
    return tuple(bands)


def view(history: History, axis: Timeline) -> View:
    """The folds that several panels share."""
    by_phase = latency.sorted_by_phase(history)
    return View(history, axis, fault_bands(history, axis), by_phase, traffic.attempts_by_call(history))


def story(seen: View) -> list[Panel]:
    """What happened over time, all on one time axis."""
    panels = [_latency(seen), _heat(seen), _outcomes(seen), _rates(seen)]
    if len(seen.history.attempts):
        panels.append(_attempts(seen))
    if len(seen.history.breaker):
        panels.append(_breaker(seen))
    return panels


def health(seen: View) -> list[Panel]:
    """How the harness itself fared over time; nothing where it took no samples."""
    if not len(seen.history.samples):
        return []
    return [
        _machine(seen, "cpu", "CPU by process", "% core", 100),
        _machine(seen, "lag_ns", "Loop lag by process", "ms", 1e-6),
    ]


def percentiles(seen: View) -> Panel:
    """The percentile spectrum."""
    frame = latency.spectrum(seen.by_phase)
    note = (
        "How slow the slowest ok calls are, phase by phase; the axis stretches the tail as far as the calls carry it."
    )
    table = frame[frame["one in"].isin([1, 2, 10, 20, 100]) | (frame["percentile"] > 99)]
    return _panel("spectrum", "Percentile spectrum", note, latency_plots.percentile_spectrum(frame), table, 300)


def _panel(key: str, title: str, note: str, plot: Plot, table: pd.DataFrame, height: int) -> Panel:
    sheets = (Sheet(WIDE, height), Sheet(NARROW, max(height * 3 // 4, 130), narrow=True))
    drawn = "".join(svg(plot, sheet, f"{key}-{sheet.width}", f"{title}. {note}") for sheet in sheets)
    return Panel(key, title, note, Markup(drawn), plot.keys, from_frame(table))


def _latency(seen: View) -> Panel:
    frame = latency.latency_over_time(seen.history, seen.axis)
    dots = _dots(seen)
    each = "Each dot is a call; the line is the median" if len(dots) else "Percentiles"
    note = f"From intended start to end, so that waiting counts. {each} of the ok calls of {_bin(seen.axis)}."
    plot = latency_plots.latency(frame, dots, seen.axis, seen.bands)
    return _panel("latency", "Response time", note, plot, frame, 300)


def _dots(seen: View) -> pd.DataFrame:
    import pandas as pd

    calls = seen.history.calls
    rows = np.flatnonzero(calls["start_ns"] > 0)
    timed = calls.where(rows if len(rows) <= MOST_DOTS else rows[:0])
    response_ms = np.maximum(timed["end_ns"] - timed["intended_ns"], 1_000) / 1e6
    frame = pd.DataFrame(
        {"time": seen.axis.all_at(timed["intended_ns"]), "ms": response_ms, "outcome": timed["outcome"].tolist()}
    )
    order = {name: rank for rank, name in enumerate(traffic_plots.OUTCOME_COLOURS)}
    return frame.sort_values("outcome", key=lambda names: names.map(order), kind="stable")


def _heat(seen: View) -> Panel:
    heat = latency.heat(seen.history, seen.axis)
    note = f"All calls, whatever became of them: colour counts the calls of {_bin(seen.axis)} in each latency band."
    plot = latency_plots.heat_map(heat, seen.axis, seen.bands)
    return _panel("heat", "Latency heat map", note, plot, heat.frame(seen.axis), 300)


def _outcomes(seen: View) -> Panel:
    frame = traffic.outcomes_over_time(seen.history, seen.axis)
    note = "What became of the calls that were due at that time."
    plot = traffic_plots.stacked(frame, traffic_plots.OUTCOME_COLOURS, "calls/s", seen.axis, seen.bands)
    return _panel("outcomes", "Outcomes", note, plot, frame, 220)


def _rates(seen: View) -> Panel:
    frame = traffic.rates(seen.history, seen.axis)
    note = "Offered calls by intended start, attempts on the wire by start, and goodput (ok) by end."
    return _panel(
        "rates", "Offered and achieved rate", note, traffic_plots.rates(frame, seen.axis, seen.bands), frame, 200
    )


def _attempts(seen: View) -> Panel:
    frame = traffic.attempts_over_time(seen.history, seen.axis, seen.attempts)
    note = "How many tries the calls that were due at that time took; none means rejected without a try."
    plot = traffic_plots.stacked(frame, traffic_plots.ATTEMPT_COLOURS, "calls/s", seen.axis, seen.bands)
    return _panel("attempts", "Attempts a call", note, plot, frame, 200)


def _breaker(seen: View) -> Panel:
    frame = traffic.breaker_spans(seen.history, seen.axis)
    lanes = len(frame.groupby(["source", "process"]))
    note = "Inferred from what calls and attempts did, and heard by a listener where the breaker could be reached."
    plot = traffic_plots.breaker_lanes(frame, seen.axis, seen.bands)
    return _panel("breaker", "Breaker state", note, plot, frame, 64 + 30 * min(lanes, 16))


def _machine(seen: View, column: str, title: str, unit: str, factor: float) -> Panel:
    frame = validity.load_over_time(seen.history, seen.axis, column, factor)
    plot = machine_plots.by_process(frame, unit, seen.axis, seen.bands)
    return _panel(column, title, f"The highest sample of {_bin(seen.axis)}, {unit}.", plot, frame, 190)


def _bin(axis: Timeline) -> str:
    return f"each {digits(axis.width_s)} s"


def fault_names(bands: Sequence[Band]) -> str:
    """The faults with their letters in one line, a repeated one once."""
    return " · ".join(dict.fromkeys(f"{band.letter} {band.name}" for band in bands))
