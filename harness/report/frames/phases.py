"""The phase table: load, success and response-time percentiles of every phase, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.history import History
from harness.report.frames.latency import nearest_rank
from harness.report.frames.timeline import Ints, Timeline

if TYPE_CHECKING:
    import pandas as pd

LEVELS = (0.5, 0.95, 0.99, 0.999)
CONFIDENCE = 0.95


def phase_table(history: History, by_phase: Mapping[str, Ints], axis: Timeline) -> pd.DataFrame:
    """A row a phase name (repeated phases together): seconds, calls, rates in calls/s, shares, and percentiles (ms).

    `by_phase` holds the ascending response times (ns) of ok calls. `pN low` and `pN high` bound the percentile with
    95 % confidence; NaN where there are too few calls to bound it.
    """
    import pandas as pd

    return pd.DataFrame([_row(history, name, ordered, axis) for name, ordered in by_phase.items()])


def _row(history: History, name: str, ordered: Ints, axis: Timeline) -> dict[str, object]:
    spans = history.phase(name)
    seconds = sum(span.end_ns - span.start_ns for span in spans) / 1e9
    calls = int(np.count_nonzero(history.calls_in(name)))
    row: dict[str, object] = {
        "phase": name,
        f"from {axis.unit}": float(axis.at(spans[0].start_ns)) if spans else float("nan"),
        "seconds": seconds,
        "calls": calls,
        "offered/s": calls / seconds if seconds else float("nan"),
        "goodput/s": len(ordered) / seconds if seconds else float("nan"),
        "ok %": 100 * len(ordered) / calls if calls else float("nan"),
    }
    for level in LEVELS:
        label = f"p{level * 100:g}"
        row[f"{label} ms"] = nearest_rank(ordered, level) / 1e6
        row[f"{label} low"], row[f"{label} high"] = (bound / 1e6 for bound in interval(ordered, level))
    return row | {"max ms": nearest_rank(ordered, 1.0) / 1e6}


def interval(ordered: Ints, level: float) -> tuple[float, float]:
    """The order statistics that hold quantile `level` between them with 95 % confidence; NaN where n carries none.

    Distribution-free: how many values lie below the quantile is binomial (Conover, Practical Nonparametric Statistics).
    """
    from scipy.stats import binom  # type: ignore[import-untyped]

    size, tail = len(ordered), (1 - CONFIDENCE) / 2
    low = int(binom.ppf(tail, size, level)) - 1 if size else -1
    high = int(binom.ppf(1 - tail, size, level)) if size else 0
    return (float(ordered[low]) if low >= 0 else float("nan"), float(ordered[high]) if high < size else float("nan"))
