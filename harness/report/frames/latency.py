"""Response times (end − intended start) over time, as a heat map, and as a percentile spectrum by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.history import History
from harness.report.frames.timeline import Floats, Ints, Timeline

if TYPE_CHECKING:
    import pandas as pd

ROWS_PER_DECADE = 10
SPECTRUM_POINTS = 80
LEVELS = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def response_ns(history: History) -> Ints:
    """Response time of every call (ns): end − intended start; negative for a call that never started or ended."""
    times: Ints = history.calls["end_ns"] - history.calls["intended_ns"]
    return np.where(history.calls["start_ns"] > 0, times, -1)


def ranked(ordered: Ints, levels: Sequence[float] | Floats) -> Floats:
    """The quantiles `levels` of ascending values by the rule of `harness.stats.quantile`; NaN of none."""
    if not len(ordered):
        return np.full(len(levels), np.nan)
    ranks = np.maximum(np.ceil(np.asarray(levels) * len(ordered) - 1e-9), 1).astype(np.int64)
    return ordered[ranks - 1].astype(np.float64)


def sorted_by_phase(history: History) -> dict[str, Ints]:
    """Ascending response times (ns) of the ok calls of each phase, phases in order of time; empty phases are kept."""
    phase, ok = history.calls["phase"], history.calls["outcome"].among("ok")
    response = response_ns(history)
    names = list(dict.fromkeys(span.name for span in history.phases)) or [name for name in phase.names if name]
    return {name: np.sort(response[ok & phase.among(name)]) for name in names}


def latency_over_time(history: History, axis: Timeline) -> pd.DataFrame:
    """A row a bin of intended starts: ok calls, their p50, p95, p99 and maximum (ms); the others and their maximum."""
    frame = axis.frame()
    bins, response = axis.bins(history.calls["intended_ns"]), response_ns(history)
    ok = history.calls["outcome"].among("ok")
    groups = _groups(bins[ok], response[ok], axis.size)
    frame["ok calls"] = [len(group) for group in groups]
    levels = np.array([ranked(np.sort(group), list(LEVELS.values())) for group in groups])
    for place, name in enumerate(LEVELS):
        frame[f"{name} ms"] = levels[:, place] / 1e6
    other = ~ok & (response >= 0)
    others = _groups(bins[other], response[other], axis.size)
    frame["not ok"] = [len(group) for group in others]
    frame["max not ok ms"] = [group.max() / 1e6 if len(group) else np.nan for group in others]
    return frame


def _groups(bins: Ints, values: Ints, size: int) -> list[Ints]:
    order = np.argsort(bins, kind="stable")
    values = values[order]
    bounds = np.searchsorted(bins[order], np.arange(size + 1))
    return [values[bounds[row] : bounds[row + 1]] for row in range(size)]


@dataclass(frozen=True, slots=True)
class Heat:
    """Counts of calls (shape time bins × latency rows); `edges_ms` are the rows' edges, ten a decade."""

    counts: Ints
    edges_ms: Floats

    def frame(self, axis: Timeline) -> pd.DataFrame:
        """A row a latency band, coarsened to half decades and at most a dozen stretches of time."""
        import pandas as pd

        times = np.linspace(0, len(self.counts), min(12, len(self.counts)) + 1).astype(int)[:-1]
        half = ROWS_PER_DECADE // 2
        rows = np.arange(0, self.counts.shape[1], half)
        coarse = np.add.reduceat(np.add.reduceat(self.counts, times, axis=0), rows, axis=1)
        edges = [f"{edge:.3g}" for edge in [*self.edges_ms[:-1:half], self.edges_ms[-1]]]
        bands = [f"{low} to {high}" for low, high in pairwise(edges)]
        columns = {f"from {axis.edges[int(at)]:.4g} {axis.unit}": coarse[i] for i, at in enumerate(times)}
        return pd.DataFrame({"response time, ms": bands, **columns}).iloc[::-1].reset_index(drop=True)


def heat(history: History, axis: Timeline) -> Heat:
    """How many calls of any outcome had which response time when: linear time × log latency, from 1 µs."""
    response = response_ns(history)
    timed = response >= 0
    response = np.maximum(response[timed], 1_000)
    if not len(response):
        return Heat(np.zeros((axis.size, ROWS_PER_DECADE), np.int64), 10.0 ** np.linspace(0, 1, ROWS_PER_DECADE + 1))
    rows = np.floor(np.log10(response) * ROWS_PER_DECADE).astype(np.int16)
    half = ROWS_PER_DECADE // 2
    low, high = int(rows.min()) // half * half, (int(rows.max()) // half + 1) * half
    cells = axis.bins(history.calls["intended_ns"][timed]).astype(np.int32) * (high - low) + (rows - low)
    counts = np.bincount(cells, minlength=axis.size * (high - low)).reshape(axis.size, high - low)
    return Heat(counts, 10.0 ** (np.arange(low, high + 1) / ROWS_PER_DECADE) / 1e6)


def spectrum(by_phase: Mapping[str, Ints]) -> pd.DataFrame:
    """Quantiles by phase (ms) as HdrHistogram plots them: dense towards the tail, as far as the calls carry."""
    import pandas as pd

    parts = [_quantiles(name, ordered) for name, ordered in by_phase.items() if len(ordered)]
    return (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["phase", "percentile", "one in", "ms"])
    )


def _quantiles(name: str, ordered: Ints) -> pd.DataFrame:
    import pandas as pd

    one_in = np.unique(np.append(np.geomspace(1, len(ordered), SPECTRUM_POINTS), [2, 10, 20, 100]))
    one_in = one_in[one_in <= len(ordered)]
    levels = 1 - 1 / one_in
    values_ms = ranked(ordered, levels) / 1e6
    return pd.DataFrame({"phase": name, "percentile": levels * 100, "one in": one_in, "ms": values_ms})
