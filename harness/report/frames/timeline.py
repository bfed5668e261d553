"""The time axis that all panels share: the run cut into bins of a round width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.history import History

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]

MOST_BINS = 160
LEAST_CALLS = 8
"""A bin should hold at least this many calls on average, or its percentiles say nothing."""

_WIDTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
_UNITS = ((3 * 3600, 3600, "h"), (600, 60, "min"), (0, 1, "s"))


@dataclass(frozen=True, slots=True)
class Timeline:
    """`size` bins of `width_ns` from `start_ns`; `unit` (`unit_s` seconds) is what axes count in."""

    start_ns: int
    end_ns: int
    width_ns: int
    size: int
    unit: str
    unit_s: int

    @property
    def width_s(self) -> float:
        """Width of a bin (s)."""
        return self.width_ns / 1e9

    def rate(self, counts: Ints) -> Floats:
        """Counts a bin as 1/s."""
        rates: Floats = counts / (np.diff(self.edges) * self.unit_s)
        return rates

    def at(self, time_ns: int) -> float:
        """Time since the start of the run in the axis unit."""
        return (time_ns - self.start_ns) / (1e9 * self.unit_s)

    def all_at(self, times_ns: Ints) -> Floats:
        """Times since the start of the run in the axis unit (shape as given)."""
        return (times_ns - self.start_ns) / (1e9 * self.unit_s)

    @property
    def edges(self) -> Floats:
        """The size + 1 edges of the bins in the axis unit; the last bin holds 0.5 to 1.5 widths."""
        return np.append(np.arange(self.size) * (self.width_s / self.unit_s), self.span)

    @property
    def middles(self) -> Floats:
        """The middles of the bins in the axis unit."""
        edges = self.edges
        return (edges[:-1] + edges[1:]) / 2

    @property
    def span(self) -> float:
        """Length of the run in the axis unit."""
        return (self.end_ns - self.start_ns) / (1e9 * self.unit_s)

    def bins(self, times_ns: Ints) -> NDArray[np.int16]:
        """The bin of each time; what lies outside the run goes to the first or last bin."""
        return np.clip((times_ns - self.start_ns) // self.width_ns, 0, self.size - 1).astype(np.int16)

    def count(self, times_ns: Ints) -> Ints:
        """How many of the times lie in each bin (shape size)."""
        return np.bincount(self.bins(times_ns), minlength=self.size)

    def frame(self) -> pd.DataFrame:
        """A frame with a row a bin and its start as the one column, ready for measures."""
        import pandas as pd

        return pd.DataFrame({f"from {self.unit}": self.edges[:-1].round(3)})


def timeline(history: History, start_ns: int = 0, end_ns: int = 0) -> Timeline:
    """The axis from a manifest's start and end, widened to hold every call; a run without calls has one bin."""
    calls = history.calls
    if len(calls):
        start_ns = min(start_ns or int(calls["intended_ns"][0]), int(calls["intended_ns"].min()))
        end_ns = max(end_ns, int(calls["end_ns"].max()))
    end_ns = max(end_ns, start_ns + 1)
    length_s = (end_ns - start_ns) / 1e9
    least_s = max(
        length_s / MOST_BINS, length_s * LEAST_CALLS / max(len(calls), 1) if len(calls) > LEAST_CALLS else 0.0
    )
    width_s = next((width for width in _WIDTHS_S if width >= least_s), length_s)
    width_ns = round(width_s * 1e9)
    unit_s, unit = next((seconds, name) for least, seconds, name in _UNITS if length_s >= least)
    return Timeline(start_ns, end_ns, width_ns, max(1, round((end_ns - start_ns) / width_ns)), unit, unit_s)
