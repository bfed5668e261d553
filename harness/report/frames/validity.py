"""What tells whether to believe the measurement: the generator's delays, load of the processes, pairing of evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.history import History
from harness.report.frames.latency import nearest_rank
from harness.report.frames.timeline import Ints, Timeline

if TYPE_CHECKING:
    import pandas as pd

LEVELS = (0.5, 0.95, 0.99, 0.999, 1.0)


def times_of_a_call(history: History) -> pd.DataFrame:
    """A row a kind of time (ms): queueing, dispatch delay, service, response; over all calls that started."""
    import pandas as pd

    calls = history.calls.where(history.calls["start_ns"] > 0)
    kinds = {
        "queueing (ready − intended): the system under test": ("intended_ns", "ready_ns"),
        "dispatch delay (start − ready): the generator": ("ready_ns", "start_ns"),
        "service time (end − start)": ("start_ns", "end_ns"),
        "response time (end − intended)": ("intended_ns", "end_ns"),
    }
    rows = [{"time": name, **_levels(np.sort(calls[end] - calls[start]))} for name, (start, end) in kinds.items()]
    return pd.DataFrame(rows)


def _levels(ordered: Ints) -> dict[str, float]:
    return {f"p{level * 100:g} ms" if level < 1 else "max ms": nearest_rank(ordered, level) / 1e6 for level in LEVELS}


def outside_witness(history: History) -> tuple[float, float]:
    """Median and p99 (ns) of an attempt's time outside the witness: client, proxies, loopback; NaN without pairs.

    Over attempts that were answered and paired by call and attempt number.
    """
    attempts = history.attempts.where(history.attempts["status"] > 0)
    arrivals = history.arrivals.where((history.arrivals["reply_ns"] > 0) & (history.arrivals["call"] > 0))
    sent, seen = _key(attempts["call"], attempts["attempt"]), _key(arrivals["call"], arrivals["attempt"])
    _, left, right = np.intersect1d(sent, seen, return_indices=True)
    inside = (arrivals["reply_ns"] - arrivals["arrive_ns"])[right]
    outside = np.sort((attempts["end_ns"] - attempts["start_ns"])[left] - inside)
    return nearest_rank(outside, 0.5), nearest_rank(outside, 0.99)


def _key(call: Ints, attempt: Ints) -> Ints:
    return call << 16 | attempt


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
