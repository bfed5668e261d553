"""The phase table: load, success and response-time percentiles of every phase, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.history import History
from harness.model import OPERATIONS, OUTCOMES
from harness.report.frames.latency import ranked, response_ns
from harness.report.frames.timeline import Ints, Timeline
from harness.stats import quantile_interval

if TYPE_CHECKING:
    import pandas as pd

LEVELS = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def phase_table(history: History, by_phase: Mapping[str, Ints], axis: Timeline) -> pd.DataFrame:
    """A row a phase name (repeated phases together): seconds, calls, rates in calls/s, shares, and percentiles (ms).

    `by_phase` holds the ascending response times (ns) of ok calls. `pN low` and `pN high` bound the percentile with
    95 % confidence; infinite where there are too few calls to bound it.
    """
    import pandas as pd

    return pd.DataFrame([_row(history, name, ordered, axis) for name, ordered in by_phase.items()])


def _row(history: History, name: str, ordered: Ints, axis: Timeline) -> dict[str, object]:
    spans = history.phase(name)
    seconds = sum(span.end_ns - span.start_ns for span in spans) / 1e9
    calls = int(np.count_nonzero(history.calls_in(name)))
    row: dict[str, object] = {
        "phase": name,
        f"from {axis.unit}": axis.at(spans[0].start_ns) if spans else float("nan"),
        "seconds": seconds,
        "calls": calls,
        "offered/s": calls / seconds if seconds else float("nan"),
        "goodput/s": len(ordered) / seconds if seconds else float("nan"),
        "ok %": 100 * len(ordered) / calls if calls else float("nan"),
    }
    *values, maximum = ranked(ordered, [*LEVELS.values(), 1.0]) / 1e6
    for (label, level), value in zip(LEVELS.items(), values, strict=True):
        bounds = quantile_interval(ordered, level)
        row |= {f"{label} ms": value, f"{label} low": bounds.low / 1e6, f"{label} high": bounds.high / 1e6}
    return row | {"max ms": maximum}


def outcome_table(history: History) -> pd.DataFrame:
    """A row an operation and outcome that occurred: calls, and percentiles of their response time (ms)."""
    import pandas as pd

    response, calls = response_ns(history), history.calls
    rows = []
    for op in OPERATIONS:
        for outcome in OUTCOMES:
            mine = calls["op"].among(op) & calls["outcome"].among(outcome)
            if mine.any():
                times = np.sort(response[mine & (response >= 0)])
                values = ranked(times, [*LEVELS.values(), 1.0]) / 1e6
                levels = dict(zip((f"{label} ms" for label in (*LEVELS, "max")), values, strict=True))
                rows.append({"operation": op, "outcome": outcome, "calls": int(np.count_nonzero(mine)), **levels})
    return pd.DataFrame(rows)
