"""What tells whether to believe the measurement: the generator's delays, load of the processes, pairing of evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.history import History
from harness.evidence.table import Table
from harness.report.frames.latency import ranked
from harness.report.frames.timeline import Ints, Timeline

if TYPE_CHECKING:
    import pandas as pd

LEVELS = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
MOST_PAIRED = 400_000
TIMES = {
    "queueing": ("intended_ns", "ready_ns", "ready − intended; the system under test"),
    "dispatch delay": ("ready_ns", "start_ns", "start − ready; the generator"),
    "service time": ("start_ns", "end_ns", "end − start"),
    "response time": ("intended_ns", "end_ns", "end − intended"),
}
"""Kind of time: from which column to which, and what that means (design, "Times of a call")."""


def times_of_a_call(history: History) -> pd.DataFrame:
    """A row a kind of time (ms): queueing, dispatch delay, service, response; over all calls that started."""
    import pandas as pd

    calls = history.calls
    started = calls["start_ns"] > 0
    rows = [{"time": name, **_levels((calls[end] - calls[start])[started])} for name, (start, end, _) in TIMES.items()]
    return pd.DataFrame(rows)


def _levels(times_ns: Ints) -> dict[str, float]:
    values = ranked(np.sort(times_ns), list(LEVELS.values())) / 1e6
    return dict(zip((f"{name} ms" for name in LEVELS), values, strict=True))


def outside_witness(history: History) -> tuple[float, float]:
    """Median and p99 (ns) of an attempt's time outside the witness: client, proxies, loopback; NaN without pairs.

    Over attempts that were answered and paired by call and number; of more than MOST_PAIRED those of each n-th call.
    """
    attempts, arrivals = history.attempts, history.arrivals
    sampled = max(1, len(attempts) // MOST_PAIRED)
    tried = np.flatnonzero((attempts["status"] > 0) & (attempts["call"] % sampled == 0))
    replied = np.flatnonzero((arrivals["reply_ns"] > 0) & (arrivals["call"] > 0) & (arrivals["call"] % sampled == 0))
    _, left, right = np.intersect1d(_key(attempts, tried), _key(arrivals, replied), return_indices=True)
    took = attempts["end_ns"][tried[left]] - attempts["start_ns"][tried[left]]
    inside = arrivals["reply_ns"][replied[right]] - arrivals["arrive_ns"][replied[right]]
    median, tail = ranked(np.sort(took - inside), (0.5, 0.99))
    return float(median), float(tail)


def _key(table: Table, rows: Ints) -> Ints:
    key: Ints = table["call"][rows] << 16 | table["attempt"][rows]
    return key


def pairing(history: History) -> dict[str, int]:
    """How many arrivals were paired with their call in which way; `none` where no call fits."""
    paired = history.arrivals["paired_by"]
    counts = np.bincount(paired.codes, minlength=len(paired.names))
    found = {name or "none": int(count) for name, count in zip(paired.names, counts, strict=True) if count}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def processes(history: History) -> pd.DataFrame:
    """A row a process: CPU share of one core (%), worst loop lag (ms), most memory, descriptors and threads."""
    import pandas as pd

    rows = []
    for name in history.samples["process"].names:
        own = history.samples.where(history.samples["process"].among(name))
        if len(own):
            rows.append(
                {
                    "process": name, "samples": len(own), "CPU mean %": 100 * own["cpu"].mean(),
                    "CPU max %": 100 * own["cpu"].max(),
                    "lag max ms": own["lag_ns"].max() / 1e6, "in integration %": 100 * own["in_integration"].mean(),
                    "memory max MiB": own["rss"].max() / 2**20, "descriptors max": int(own["descriptors"].max()),
                    "threads max": int(own["threads"].max()),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def load_over_time(history: History, axis: Timeline, column: str, factor: float) -> pd.DataFrame:
    """A row a bin and a column a process: the highest `column` of the samples times `factor`; NaN without a sample."""
    frame = axis.frame()
    samples = history.samples
    bins = axis.bins(samples["time_ns"])
    for name in samples["process"].names:
        mine = samples["process"].among(name)
        if mine.any():
            highest = np.full(axis.size, -np.inf)
            np.maximum.at(highest, bins[mine], samples[column][mine] * factor)
            frame[name] = np.where(np.isfinite(highest), highest, np.nan)
    return frame
