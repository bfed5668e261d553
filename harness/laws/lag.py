"""How late the harness itself was, when: the allowance that every law gives a client for it.

Where a run has several hosts, what their clocks may be apart is part of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.evidence.history import History
from harness.evidence.table import Table, by_chunks
from harness.laws.clocks import uncertainty_ns

Ints = NDArray[np.int64]

BUCKET_NS = 100_000_000
SAMPLE_NS = 1_000_000_000
"""A sample tells the worst lag of the second that it ends."""


def dispatch_delay_ns(calls: Table) -> Ints:
    """For each call how long after it was ready it started (ns); 0 where that is not known."""
    delay: Ints = np.where(calls["ready_ns"] > 0, calls["start_ns"] - calls["ready_ns"], 0)
    return delay


class LagProfile:
    """The worst lag (ns) over any stretch of the run, from dispatch delays of calls and lag samples.

    Lag in buckets of 100 ms, with a table of maxima over 1, 2, 4, … of them, so that a range is two look-ups.
    """

    def __init__(self, history: History) -> None:
        calls, samples = history.calls, history.samples
        begins = [table[name].min() for table, name in ((calls, "start_ns"), (samples, "time_ns")) if len(table)]
        ends = [table[name].max() for table, name in ((calls, "end_ns"), (samples, "time_ns")) if len(table)]
        most_ns = int(dispatch_delay_ns(calls).max()) if len(calls) else 0
        self._start_ns = int(min(begins, default=0)) - SAMPLE_NS - most_ns
        size = int((max(ends, default=0) - self._start_ns) // BUCKET_NS) + 2
        apart_ns = uncertainty_ns(history.facts)
        worst = np.zeros(size, np.int64)
        if len(samples):
            last = self._bucket(samples["time_ns"])
            for back in range(SAMPLE_NS // BUCKET_NS + 1):
                np.maximum.at(worst, np.maximum(last - back, 0), samples["lag_ns"])
        if len(calls):
            delay = dispatch_delay_ns(calls)
            np.maximum.at(worst, self._bucket(calls["start_ns"] - delay), delay)
            np.maximum.at(worst, self._bucket(calls["start_ns"]), delay)
        self._maxima = [worst + apart_ns]
        while 2 ** len(self._maxima) <= size:
            before, step = self._maxima[-1], 2 ** (len(self._maxima) - 1)
            self._maxima.append(np.maximum(before[:-step], before[step:]))

    def _bucket(self, time_ns: Ints) -> Ints:
        return (time_ns - self._start_ns) // BUCKET_NS

    def over(self, start_ns: Ints, end_ns: Ints) -> Ints:
        """The worst lag (ns) within each [start, end]."""
        return by_chunks(self._over, start_ns, end_ns)

    def _over(self, start_ns: Ints, end_ns: Ints) -> Ints:
        last = len(self._maxima[0]) - 1
        low = np.clip(self._bucket(start_ns), 0, last)
        high = np.clip(self._bucket(end_ns), low, last)
        level = np.frexp((high - low + 1).astype(np.float64))[1] - 1
        found = np.zeros(len(low), np.int64)
        for power in np.flatnonzero(np.bincount(level)).tolist():
            mine, maxima = level == power, self._maxima[power]
            found[mine] = np.maximum(maxima[low[mine]], maxima[high[mine] - 2**power + 1])
        return found
